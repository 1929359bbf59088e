from dataclasses import dataclass, field

import numpy as np

σ = lambda u: 1.0 / (1.0 + np.exp(-u))


@dataclass
class Highway:
    """y = T ∘ H + (1 − T) ∘ x   with H = tanh(x A + a), T = σ(x C + c)"""

    A: np.ndarray
    a: np.ndarray
    C: np.ndarray
    c: np.ndarray
    grad: dict = field(default_factory=dict)

    def forward(self, x):
        self.x = x
        self.H = np.tanh(x @ self.A + self.a)
        self.T = σ(x @ self.C + self.c)
        return self.T * self.H + (1 - self.T) * x

    def backward(self, δy):
        δH = δy * self.T
        δT = δy * (self.H - self.x)
        δp = δH * (1 - self.H**2)
        δq = δT * self.T * (1 - self.T)
        self.grad["A"] = self.x.T @ δp
        self.grad["a"] = δp.sum(0)
        self.grad["C"] = self.x.T @ δq
        self.grad["c"] = δq.sum(0)
        δx = δp @ self.A.T + δq @ self.C.T
        δx += δy * (1 - self.T)
        return δx


def example(rng):
    n, d = 5, 4
    return {
        "init": {k: rng.normal(size=s) for k, s in zip("AaCc", [(d, d), d, (d, d), d])},
        "forward": {"x": rng.normal(size=(n, d))},
    }
