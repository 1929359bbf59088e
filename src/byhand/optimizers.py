"""From gradients to steps. w is a parameter, dw its gradient, η the learning rate, t = 1, 2, … the
step. `update` is pure: it returns the new parameter and the new state, and changes neither.

The conventions are PyTorch's, so that engines can be compared; where the literature differs the
docstring says how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError

Array = NDArray[Any]
State = dict[str, Array]


@dataclass(frozen=True)
class Optimizer:
    """A rule that turns a gradient into a step."""

    learning_rate: float

    state_names: ClassVar[tuple[str, ...]] = ()
    """The running quantities that the rule keeps for each parameter; all start at zero."""

    def __post_init__(self) -> None:
        for field in ("learning_rate", "epsilon", "weight_decay"):
            value = getattr(self, field, 0.0)
            if not value >= 0:
                raise InputError(f"{field} is at least 0, found {value}")
        for field in ("momentum", "beta1", "beta2", "decay"):
            value = getattr(self, field, 0.0)
            if not 0 <= value < 1:
                raise InputError(f"{field} is at least 0 and below 1, found {value}")

    def update(self, w: Array, dw: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        """The parameter and its state after one step with learning rate `rate`."""
        raise NotImplementedError

    def shrink(self, w: Array, rate: float) -> Array:
        """What is done to a weight (never to a bias) before its update; nothing by default."""
        return w

    def initial_state(self, parameters: Mapping[str, Array]) -> State:
        """Zeros for every running quantity of every parameter, as "m.dense1.W"."""
        return {
            f"{symbol}.{name}": np.zeros_like(w)
            for name, w in parameters.items()
            for symbol in self.state_names
        }

    def step(
        self,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        state: Mapping[str, Array],
        rate: float,
        t: int,
        weights: frozenset[str],
    ) -> tuple[dict[str, Array], State]:
        """Update every parameter, each with its own part of the state."""
        new_parameters, new_state = {}, {}
        for name, w in parameters.items():
            own = {symbol: state[f"{symbol}.{name}"] for symbol in self.state_names}
            start = self.shrink(w, rate) if name in weights else w
            new_parameters[name], own = self.update(start, gradients[name], own, rate, t)
            for symbol, value in own.items():
                new_state[f"{symbol}.{name}"] = value
        return new_parameters, new_state


@dataclass(frozen=True)
class SGD(Optimizer):
    """w ← w − η dw

    Source      Robbins, Monro, A stochastic approximation method (1951); Nielsen, ch. 1 eq. 20–21.
    """

    def update(self, w: Array, dw: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        return w - rate * dw, {}


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v ← μ v + dw     w ← w − η v

    Nielsen's and Polyak's form keeps η inside, v ← μ v − η dw; the two agree while η is constant.
    Source      Polyak, Some methods of speeding up the convergence of iteration methods (1964).
    """

    momentum: float = 0.9
    state_names: ClassVar[tuple[str, ...]] = ("v",)

    def update(self, w: Array, dw: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        v = self.momentum * state["v"] + dw
        return w - rate * v, {"v": v}


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """v ← μ v + dw     w ← w − η (dw + μ v)

    Momentum that looks one step ahead, written at the point where the gradient is taken.
    Source      Sutskever et al., On the importance of initialization and momentum in deep learning
                (2013), section 2, in the variable w + μ v.
    """

    momentum: float = 0.9
    state_names: ClassVar[tuple[str, ...]] = ("v",)

    def update(self, w: Array, dw: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        v = self.momentum * state["v"] + dw
        return w - rate * (dw + self.momentum * v), {"v": v}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """s ← ρ s + (1 − ρ) dw²     w ← w − η dw / (√s + ε)

    Source      Tieleman, Hinton, Neural networks for machine learning, lecture 6.5 (2012); ε is
                added outside the root, as in PyTorch.
    """

    decay: float = 0.99
    epsilon: float = 1e-8
    state_names: ClassVar[tuple[str, ...]] = ("s",)

    def update(self, w: Array, dw: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        s = self.decay * state["s"] + (1 - self.decay) * dw * dw
        return w - rate * dw / (np.sqrt(s) + self.epsilon), {"s": s}


@dataclass(frozen=True)
class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) dw          m̂ = m / (1 − β₁ᵗ)
    s ← β₂ s + (1 − β₂) dw²         ŝ = s / (1 − β₂ᵗ)
    w ← w − η m̂ / (√ŝ + ε)

    m and s start at 0 and are too small at first; dividing by 1 − βᵗ makes up for just that. The
    corrected m̂ and ŝ are used and thrown away: m and s themselves stay uncorrected. t is the
    number of the step, one for all parameters.
    Source      Kingma, Ba, Adam: a method for stochastic optimization (2015), algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    state_names: ClassVar[tuple[str, ...]] = ("m", "s")

    def update(self, w: Array, dw: Array, state: State, rate: float, t: int) -> tuple[Array, State]:
        m = self.beta1 * state["m"] + (1 - self.beta1) * dw
        s = self.beta2 * state["s"] + (1 - self.beta2) * dw * dw
        m_hat = m / (1 - self.beta1**t)
        s_hat = s / (1 - self.beta2**t)
        return w - rate * m_hat / (np.sqrt(s_hat) + self.epsilon), {"m": m, "s": s}


@dataclass(frozen=True)
class AdamW(Adam):
    """w ← w − η λ w for weights, then Adam's step.

    The decay acts on the weight itself, not through the gradient, so Adam's division by √ŝ does
    not weaken it. Biases are left alone. λ is `weight_decay`; it is not divided by n.
    Source      Loshchilov, Hutter, Decoupled weight decay regularization (2019), algorithm 2.
    """

    weight_decay: float = 0.01

    def shrink(self, w: Array, rate: float) -> Array:
        out: Array = w * w.dtype.type(1 - rate * self.weight_decay)
        return out
