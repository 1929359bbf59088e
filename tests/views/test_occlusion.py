from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from byhand.layers import Convolution2D, Flatten, ReLU, Sequential
from byhand.views.occlusion import occlusion

IMAGE = np.random.default_rng(0).random((2, 7, 9))


def ask(images: Any) -> Any:
    model = Sequential(Convolution2D(2, 3, 3), ReLU(), Flatten()).initialize(1)
    return model.forward(images)[0].sum(axis=1) ** 2


@pytest.mark.parametrize(("size", "step"), [(3, 1), (2, 1), (1, 1), (3, 2), (4, 3), (7, 5)])
def test_the_definition_in_loops(size: int, step: int) -> None:
    """At each pixel the mean, over the squares that cover it, of what the unit loses."""
    losses: dict[tuple[int, int], list[float]] = {at: [] for at in np.ndindex(7, 9)}
    tops = sorted({min(top, 7 - size) for top in range(0, 7, step)})
    lefts = sorted({min(left, 9 - size) for left in range(0, 9, step)})
    for top in tops:
        for left in lefts:
            covered = IMAGE.copy()
            for channel in (0, 1):
                covered[channel, top : top + size, left : left + size] = IMAGE[channel].mean()
            lost = ask(IMAGE[None])[0] - ask(covered[None])[0]
            for row in range(top, top + size):
                for column in range(left, left + size):
                    losses[row, column].append(lost)
    expected = np.array([np.mean(found) for found in losses.values()]).reshape(7, 9)
    np.testing.assert_allclose(occlusion(ask, IMAGE, size, step), expected, rtol=1e-10)


def test_the_same_as_captum() -> None:
    def forward(images: torch.Tensor) -> torch.Tensor:
        return torch.tensor(ask(images.numpy()))

    baseline = torch.tensor(IMAGE).mean(dim=(1, 2), keepdim=True).expand(2, 7, 9)[None]
    theirs = Occlusion(forward).attribute(torch.tensor(IMAGE)[None], (2, 3, 3), baselines=baseline)
    ours = occlusion(ask, IMAGE, 3, 1)
    # captum gives the loss to all channels of a pixel alike, in float32.
    for channel in theirs[0].numpy():
        np.testing.assert_allclose(ours, channel, rtol=1e-6)


def test_a_square_as_large_as_the_image() -> None:
    assert np.ptp(occlusion(ask, IMAGE[:, :5, :5], 5, 3)) == 0


def test_the_image_stays_as_it_was() -> None:
    before = IMAGE.copy()
    occlusion(ask, IMAGE, 3, 1)
    np.testing.assert_array_equal(IMAGE, before)
