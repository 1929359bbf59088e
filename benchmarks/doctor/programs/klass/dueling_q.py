"""Dueling Q-network with the Huber loss of the actions taken."""
import numpy as np


class DuelingQ:
    def __init__(self, params):
        self.params = params

    def loss(self, states, actions, targets, delta):
        p = self.params
        self.states, self.actions = states, actions
        self.h = np.maximum(0, states @ p["W"] + p["b"])
        self.value = self.h @ p["V"]
        self.adv = self.h @ p["A"]
        self.q = self.value + self.adv - self.adv.mean(axis=1, keepdims=True)
        rows = np.arange(len(actions))
        self.td = self.q[rows, actions] - targets
        self.delta = delta
        small = np.abs(self.td) <= delta
        return np.where(small, 0.5 * self.td ** 2, delta * (np.abs(self.td) - 0.5 * delta)).mean()

    def gradients(self):
        p, n = self.params, len(self.actions)
        dq = np.zeros_like(self.q)
        dq[np.arange(n), self.actions] = np.clip(self.td, -self.delta, self.delta) / n
        dvalue = dq.sum(axis=1, keepdims=True)
        dadv = dq - dq.mean(axis=1, keepdims=True)
        grads = {"V": self.h.T @ dvalue, "A": self.h.T @ dadv}
        dh = dvalue @ p["V"].T + dadv @ p["A"].T
        dh[self.h <= 0] = 0
        grads["W"] = self.states.T @ dh
        grads["b"] = dh.sum(axis=0)
        return grads


def example(rng):
    return {
        "init": {"params": {"W": rng.normal(size=(4, 6)), "b": rng.normal(size=6), "V": rng.normal(size=(6, 1)), "A": rng.normal(size=(6, 3))}},
        "forward": {"states": rng.normal(size=(8, 4)), "actions": rng.integers(0, 3, size=8), "targets": rng.normal(size=8), "delta": 1.0},
    }
