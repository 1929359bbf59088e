from __future__ import annotations

import pytest
import torch

from byhand.language.kernels import FEW, Int8, Plain, has_int8

pytestmark = pytest.mark.skipif(not has_int8(), reason="this PyTorch has no int8 kernel")


@pytest.fixture
def weight() -> torch.Tensor:
    """Rows of very different size, and one of zeros."""
    made = torch.randn(48, 64, generator=torch.Generator().manual_seed(0))
    made *= torch.logspace(-3, 2, 48)[:, None]
    made[5] = 0
    return made


def test_a_weight_is_off_by_half_a_step_at_most(weight: torch.Tensor) -> None:
    packed = Int8.rounded(weight)
    steps = packed.scale.float()[:, None]
    back = packed.quants.float() * steps
    assert ((back - weight).abs() <= steps / 2 * 1.0001).all()
    assert packed.quants.abs().max() == 127
    assert (packed.quants[5] == 0).all()
    # A scale is the largest of its row / 127, up to the next number of bfloat16.
    assert (127 * packed.scale.float() >= weight.abs().amax(1)).all()


@pytest.mark.parametrize("rows", [1, FEW, FEW + 1, 40])
@pytest.mark.parametrize("biased", [False, True])
def test_the_product_is_that_of_the_rounded_weights(
    weight: torch.Tensor, rows: int, biased: bool
) -> None:
    x = torch.randn(rows, 64, generator=torch.Generator().manual_seed(1)).bfloat16()
    bias = torch.arange(48).bfloat16() if biased else None
    packed = Int8.rounded(weight, bias)
    rounded = packed.quants.float() * packed.scale.float()[:, None]
    product, added = x.float() @ rounded.T, torch.zeros(48) if bias is None else bias.float()
    error = (packed(x).float() - (product + added)).abs()
    # Each of them is rounded to the eight bits of bfloat16, and so is their sum.
    assert (error <= (2 * product.abs() + added) / 128 + 1e-5).all()


def test_rows_are_an_embedding(weight: torch.Tensor) -> None:
    ids = torch.tensor([3, 3, 47, 5])
    assert torch.equal(Plain(weight).rows(ids), weight[ids])
    found = Int8.rounded(weight).rows(ids).float()
    torch.testing.assert_close(found, weight[ids], rtol=0.02, atol=0.02 * float(weight[47].max()))


def test_their_bytes(weight: torch.Tensor) -> None:
    assert Plain(weight, weight[:, 0].clone()).nbytes == 4 * (48 * 64 + 48)
    assert Int8.rounded(weight, weight[:, 0].bfloat16()).nbytes == 48 * 64 + 2 * 48 + 2 * 48


def test_many_rows_are_rounded_in_parts(
    weight: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Int8.rounded(weight)
    monkeypatch.setattr("byhand.language.kernels.AT_ONCE", 3 * 64)
    assert torch.equal(Int8.rounded(weight).quants, whole.quants)
