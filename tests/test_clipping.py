from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from byhand.clipping import ClipByGlobalNorm, ClipByValue, Clipping, global_norm
from byhand.errors import InputError


def gradients() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"hidden.W": rng.standard_normal((4, 3)), "hidden.b": 3 * rng.standard_normal(3)}


def leaves() -> list[torch.Tensor]:
    tensors = []
    for g in gradients().values():
        tensor = torch.zeros(g.shape, dtype=torch.float64, requires_grad=True)
        tensor.grad = torch.tensor(g)
        tensors.append(tensor)
    return tensors


def test_the_global_norm_is_that_of_one_long_vector() -> None:
    assert global_norm({"a": np.array([[3.0]]), "b": np.array([0.0, 4.0])}) == 5
    flat = np.concatenate([g.ravel() for g in gradients().values()])
    assert global_norm(gradients()) == pytest.approx(np.linalg.norm(flat), rel=1e-14)
    assert global_norm({}) == 0


def test_clipping_by_value_is_pytorchs() -> None:
    theirs = leaves()
    torch.nn.utils.clip_grad_value_(theirs, 0.5)
    for ours, their in zip(ClipByValue(0.5).clip(gradients()).values(), theirs, strict=True):
        assert their.grad is not None
        np.testing.assert_array_equal(ours, their.grad.numpy())
        assert np.abs(ours).max() == 0.5


def test_clipping_by_global_norm_is_the_formula() -> None:
    norm = global_norm(gradients())
    clipped = ClipByGlobalNorm(1.5).clip(gradients())
    for name, g in gradients().items():
        np.testing.assert_array_equal(clipped[name], g * (1.5 / norm))
    assert global_norm(clipped) == pytest.approx(1.5, rel=1e-15)


def test_clipping_by_global_norm_is_pytorchs_but_for_its_millionth() -> None:
    """PyTorch divides by ‖g‖ + 1e-6, where the paper divides by ‖g‖."""
    theirs = leaves()
    norm = float(torch.nn.utils.clip_grad_norm_(theirs, 1.5))
    assert norm == pytest.approx(global_norm(gradients()), rel=1e-14)
    clipped = ClipByGlobalNorm(1.5).clip(gradients())
    for ours, their in zip(clipped.values(), theirs, strict=True):
        assert their.grad is not None
        np.testing.assert_allclose(ours * norm / (norm + 1e-6), their.grad.numpy(), rtol=1e-12)


def test_a_short_gradient_is_left_as_it_is() -> None:
    own = gradients()
    for clipping in (ClipByGlobalNorm(1e3), ClipByGlobalNorm(global_norm(own)), ClipByValue(1e3)):
        for name, g in clipping.clip(own).items():
            np.testing.assert_array_equal(g, own[name])


@pytest.mark.parametrize("clipping", [ClipByValue(0.5), ClipByGlobalNorm(0.5)], ids=repr)
def test_clipping_is_pure_and_keeps_float32(clipping: Clipping) -> None:
    own = {name: g.astype(np.float32) for name, g in gradients().items()}
    for g in own.values():
        g.flags.writeable = False
    clipped = clipping.clip(own)
    assert clipped is not own
    assert {g.dtype for g in clipped.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", [ClipByValue, ClipByGlobalNorm])
@pytest.mark.parametrize("limit", [0, -1.0, math.nan])
def test_a_limit_is_above_zero(kind: type[Clipping], limit: float) -> None:
    with pytest.raises(InputError) as error:
        kind(limit)
    assert str(error.value) == f"limit is above 0, found {limit}"
