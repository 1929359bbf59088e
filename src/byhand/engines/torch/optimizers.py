"""Each rule by PyTorch's own optimizer, where that is the same rule, as it is for all so far."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from byhand import clipping, optimizers
from byhand.clipping import Clipping
from byhand.engines.torch.twins import twin_of
from byhand.optimizers import Optimizer


@dataclass(frozen=True)
class Rule:
    """PyTorch's class, what it is made with, and its names for the state that ours keeps."""

    kind: Callable[..., torch.optim.Optimizer]
    settings: Callable[[Any], dict[str, Any]]
    state: Mapping[str, str]
    counts: bool = False
    """Whether it keeps the number of the step, too."""


def _momentum(o: Any) -> float:
    # Where its momentum is 0 PyTorch keeps no v, which is dw then.
    return max(float(o.momentum), sys.float_info.min)


def _adam(o: Any) -> dict[str, Any]:
    return {"betas": (o.beta1, o.beta2), "eps": o.epsilon}


TWINS: dict[type[Optimizer], Rule] = {
    optimizers.SGD: Rule(torch.optim.SGD, lambda o: {}, {}),
    optimizers.Momentum: Rule(
        torch.optim.SGD, lambda o: {"momentum": _momentum(o)}, {"v": "momentum_buffer"}
    ),
    optimizers.Nesterov: Rule(
        torch.optim.SGD,
        lambda o: {"momentum": _momentum(o), "nesterov": True},
        {"v": "momentum_buffer"},
    ),
    optimizers.RMSProp: Rule(
        torch.optim.RMSprop,
        lambda o: {"alpha": o.decay, "eps": o.epsilon},
        {"s": "square_avg"},
        counts=True,
    ),
    optimizers.Adam: Rule(
        torch.optim.Adam, _adam, {"m": "exp_avg", "s": "exp_avg_sq"}, counts=True
    ),
    optimizers.AdamW: Rule(
        torch.optim.AdamW, _adam, {"m": "exp_avg", "s": "exp_avg_sq"}, counts=True
    ),
}


class Stepper:
    """An optimizer at work on named parameters, with its state under our names: "m.dense1.W".

    weights     names of the parameters that decay, where the rule has weight decay
    Raises      InputError for an optimizer without an entry in TWINS
    """

    def __init__(
        self, optimizer: Optimizer, parameters: Mapping[str, nn.Parameter], weights: frozenset[str]
    ) -> None:
        self._rule = twin_of(optimizer, TWINS, "optimizer", "optimizers.TWINS")
        self._parameters = dict(parameters)
        decay = getattr(optimizer, "weight_decay", 0.0)
        groups = [
            {"params": [w for n, w in parameters.items() if n in weights], "weight_decay": decay},
            {"params": [w for n, w in parameters.items() if n not in weights], "weight_decay": 0.0},
        ]
        settings = self._rule.settings(optimizer)
        self._optimizer = self._rule.kind(groups, lr=optimizer.learning_rate, **settings)
        self.state = {
            f"{symbol}.{name}": torch.zeros_like(w, requires_grad=False)
            for name, w in parameters.items()
            for symbol in self._rule.state
        }

    def begin(self, step: int) -> None:
        """Hand the state to PyTorch's optimizer, which is to take its step number `step`, counted
        from 0; it goes on to change these very tensors."""
        for name, w in self._parameters.items():
            own = {k: self.state[f"{symbol}.{name}"] for symbol, k in self._rule.state.items()}
            if self._rule.counts:
                own["step"] = torch.tensor(float(step))
            self._optimizer.state[w] = own

    def step(self, rate: float) -> None:
        """One step along the gradients that the parameters hold."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()


def _by_value(c: Clipping, gradients: Iterable[Tensor]) -> None:
    for g in gradients:
        g.clamp_(-c.limit, c.limit)


def _by_global_norm(c: Clipping, gradients: Iterable[Tensor]) -> None:
    """Unlike PyTorch's clip_grad_norm_, which divides by ‖g‖ + 1e-6."""
    gradients = list(gradients)
    # In float32 a square overflows from 1.8e19 on. Apple's GPUs have no wider type.
    wide = torch.float32 if gradients[0].device.type == "mps" else torch.float64
    norms = torch.stack([torch.linalg.vector_norm(g, dtype=wide) for g in gradients])
    factor = (c.limit / torch.linalg.vector_norm(norms)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor.to(g.dtype))


CLIPPINGS: dict[type[Clipping], Callable[[Clipping, Iterable[Tensor]], None]] = {
    clipping.ClipByValue: _by_value,
    clipping.ClipByGlobalNorm: _by_global_norm,
}
