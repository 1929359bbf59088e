from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch

from byhand import optimizers
from byhand.errors import InputError
from byhand.optimizers import SGD, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSProp
from byhand.schedules import Cosine, Plan, WarmUp

from .layers.peer import assert_same

WEIGHTS = frozenset({"hidden.W"})
OPTIMIZERS = [
    value
    for value in vars(optimizers).values()
    if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
]
# Two settings of each, and the same in PyTorch. A new optimizer gets its entries here.
PEERS: list[tuple[Optimizer, Callable[[Any], torch.optim.Optimizer]]] = [
    (SGD(0.1), lambda w: torch.optim.SGD(w, lr=0.1)),
    (Momentum(0.05), lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.9)),
    (Momentum(0.1, momentum=0.5), lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.5)),
    (Nesterov(0.05), lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.9, nesterov=True)),
    (
        Nesterov(0.1, momentum=0.5),
        lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.5, nesterov=True),
    ),
    (RMSProp(0.01), lambda w: torch.optim.RMSprop(w, lr=0.01)),
    (
        RMSProp(0.02, decay=0.9, epsilon=1e-3),
        lambda w: torch.optim.RMSprop(w, lr=0.02, alpha=0.9, eps=1e-3),
    ),
    (Adam(0.01), lambda w: torch.optim.Adam(w, lr=0.01)),
    (
        Adam(0.02, beta1=0.8, beta2=0.99, epsilon=1e-3),
        lambda w: torch.optim.Adam(w, lr=0.02, betas=(0.8, 0.99), eps=1e-3),
    ),
    (AdamW(0.01), lambda w: torch.optim.AdamW(w, lr=0.01)),
    (
        AdamW(0.02, beta1=0.8, weight_decay=0.3),
        lambda w: torch.optim.AdamW(w, lr=0.02, betas=(0.8, 0.999), weight_decay=0.3),
    ),
]

every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)


def start() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"hidden.W": rng.standard_normal((4, 3)), "hidden.b": rng.standard_normal(3)}


def slope(w: Any, noise: Any) -> Any:
    """The gradient of Σ w²/2 − cos w, plus noise: it depends on where the optimizer has got to."""
    return w + np.sin(w) + noise


def test_every_optimizer_has_a_peer() -> None:
    missing = {kind.__name__ for kind in OPTIMIZERS} - {type(o).__name__ for o, _ in PEERS}
    assert not missing, f"add {missing} to PEERS in tests/test_optimizers.py"
    assert len(OPTIMIZERS) >= 6


@pytest.mark.parametrize(("ours", "make"), PEERS, ids=[str(ours) for ours, _ in PEERS])
def test_a_hundred_steps_are_pytorchs(
    ours: Optimizer, make: Callable[[Any], torch.optim.Optimizer]
) -> None:
    """With a learning rate that warms up and falls, and decay on weights only."""
    plan, schedule = Plan(steps_per_epoch=10, total_steps=100), WarmUp(7, Cosine(0.1))
    parameters = start()
    state = ours.initial_state(parameters)
    leaves = {name: torch.tensor(w, requires_grad=True) for name, w in parameters.items()}
    theirs = make([{"params": [leaves["hidden.W"]]}, {"params": [leaves["hidden.b"]]}])
    if isinstance(ours, AdamW):
        theirs.param_groups[1]["weight_decay"] = 0.0
    rng = np.random.default_rng(1)
    for step in range(100):
        rate = ours.learning_rate * schedule.factor(step, plan)
        noise = {name: rng.standard_normal(w.shape) for name, w in parameters.items()}
        for name, leaf in leaves.items():
            leaf.grad = torch.tensor(slope(leaf.detach().numpy(), noise[name]))
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()
        gradients = {name: slope(w, noise[name]) for name, w in parameters.items()}
        parameters, state = ours.step(parameters, gradients, state, rate, step + 1, WEIGHTS)
        for name, leaf in leaves.items():
            assert_same(parameters[name], leaf.detach().numpy())
    assert np.abs(parameters["hidden.W"] - start()["hidden.W"]).max() > 0.05


def test_two_steps_done_by_hand() -> None:
    def two_steps(optimizer: Optimizer) -> list[float]:
        w = {"w": np.array([1.0])}
        state, seen = optimizer.initial_state(w), []
        for t, dw in ((1, 0.5), (2, -1.0)):
            dw_now = {"w": np.array([dw])}
            w, state = optimizer.step(w, dw_now, state, 0.1, t, frozenset({"w"}))
            seen.append(float(w["w"][0]))
        return seen

    assert two_steps(SGD(0.1)) == pytest.approx([0.95, 1.05])
    # v = 0.5, then 0.5 · 0.5 − 1 = −0.75
    assert two_steps(Momentum(0.1, momentum=0.5)) == pytest.approx([0.95, 1.025])
    # dw + μ v = 0.5 + 0.25, then −1 − 0.375
    assert two_steps(Nesterov(0.1, momentum=0.5)) == pytest.approx([0.925, 1.0625])
    # s = 0.75 · 0.25 = 0.1875, then 0.25 · 0.1875 + 0.75 = 0.796875
    steps = [1 - 0.05 / math.sqrt(0.1875)]
    steps.append(steps[0] + 0.1 / math.sqrt(0.796875))
    assert two_steps(RMSProp(0.1, decay=0.25, epsilon=0.0)) == pytest.approx(steps)
    # m̂ = 0.5 and ŝ = 0.25: the first step is η; then m̂ = −0.375/0.75, ŝ = 0.796875/0.9375
    adam = [0.9, 0.9 + 0.1 * 0.5 / math.sqrt(0.85)]
    assert two_steps(Adam(0.1, beta1=0.5, beta2=0.25, epsilon=0.0)) == pytest.approx(adam)
    # Each step first multiplies w by 1 − 0.1 · 2 = 0.8.
    decayed = [0.7, 0.7 * 0.8 + 0.1 * 0.5 / math.sqrt(0.85)]
    adamw = AdamW(0.1, beta1=0.5, beta2=0.25, epsilon=0.0, weight_decay=2.0)
    assert two_steps(adamw) == pytest.approx(decayed)


def test_adamw_decays_weights_and_never_biases() -> None:
    w = start()
    nothing = {name: np.zeros_like(value) for name, value in w.items()}
    optimizer = AdamW(0.1, weight_decay=0.5)
    new, _ = optimizer.step(w, nothing, optimizer.initial_state(w), 0.1, 1, WEIGHTS)
    np.testing.assert_array_equal(new["hidden.W"], w["hidden.W"] * 0.95)
    np.testing.assert_array_equal(new["hidden.b"], w["hidden.b"])


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_is_pure_and_keeps_the_dtype(kind: type[Optimizer], dtype: Any) -> None:
    optimizer = kind(0.1)
    parameters = {name: w.astype(dtype) for name, w in start().items()}
    gradients = {name: slope(w, 0) for name, w in parameters.items()}
    state = optimizer.initial_state(parameters)
    for _ in range(2):
        before = copy.deepcopy((parameters, gradients, state))
        for array in (*parameters.values(), *gradients.values(), *state.values()):
            array.flags.writeable = False
        new, new_state = optimizer.step(parameters, gradients, state, 0.1, 1, WEIGHTS)
        again, _ = optimizer.step(parameters, gradients, state, 0.1, 1, WEIGHTS)
        assert {a.dtype for a in (*new.values(), *new_state.values())} == {np.dtype(dtype)}
        for name, w in new.items():
            np.testing.assert_array_equal(again[name], w)
            np.testing.assert_array_equal(parameters[name], before[0][name])
            np.testing.assert_array_equal(gradients[name], before[1][name])
        for name, value in state.items():
            np.testing.assert_array_equal(value, before[2][name])
        assert new_state.keys() == state.keys()
        parameters, state = new, new_state


@every_optimizer
def test_a_rate_of_zero_moves_nothing(kind: type[Optimizer]) -> None:
    w = start()
    new, _ = kind(0.1).step(w, w, kind(0.1).initial_state(w), 0.0, 1, WEIGHTS)
    for name, value in w.items():
        np.testing.assert_array_equal(new[name], value)


def test_the_state_starts_at_zero_under_its_names() -> None:
    state = Adam(0.1).initial_state(start())
    assert set(state) == {"m.hidden.W", "s.hidden.W", "m.hidden.b", "s.hidden.b"}
    assert state["m.hidden.W"].shape == (4, 3)
    assert not any(value.any() for value in state.values())
    assert SGD(0.1).initial_state(start()) == {}
    assert set(Momentum(0.1).initial_state(start())) == {"v.hidden.W", "v.hidden.b"}
    assert set(RMSProp(0.1).initial_state(start())) == {"s.hidden.W", "s.hidden.b"}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SGD(-0.1), "learning_rate is at least 0, found -0.1"),
        (lambda: Adam(math.nan), "learning_rate is at least 0, found nan"),
        (lambda: Momentum(0.1, momentum=1.0), "momentum is at least 0 and below 1, found 1.0"),
        (lambda: Nesterov(0.1, momentum=-0.5), "momentum is at least 0 and below 1, found -0.5"),
        (lambda: RMSProp(0.1, decay=1.5), "decay is at least 0 and below 1, found 1.5"),
        (lambda: Adam(0.1, beta1=1), "beta1 is at least 0 and below 1, found 1"),
        (lambda: AdamW(0.1, beta2=math.nan), "beta2 is at least 0 and below 1, found nan"),
        (lambda: Adam(0.1, epsilon=-1e-8), "epsilon is at least 0, found -1e-08"),
        (lambda: AdamW(0.1, weight_decay=-0.01), "weight_decay is at least 0, found -0.01"),
    ],
)
def test_settings_out_of_range(make: Callable[[], Optimizer], text: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == text


def test_an_optimizer_has_no_memory() -> None:
    with pytest.raises(FrozenInstanceError):
        SGD(0.1).learning_rate = 0.2  # type: ignore[misc]
    assert Adam(0.1) == Adam(0.1, beta1=0.9, beta2=0.999, epsilon=1e-8)
