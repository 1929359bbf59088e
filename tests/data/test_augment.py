"""Images that were moved, turned, scaled or sheared are where they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from byhand.data import Split
from byhand.data.augment import (
    AT_ONCE,
    Affine,
    shifted,
    transformed,
    with_affine,
    with_shifts,
)
from byhand.errors import InputError, ShapeError

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 2, 5, 7)).astype(np.float32)
SPLIT = Split(IMAGES, np.arange(6))
HERE = np.array([[1.0, 0, 0], [0, 1.0, 0]])
NONE = {"degrees": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}


def theirs(images: Any, maps: Any) -> Any:
    """PyTorch's affine_grid and grid_sample, whose axes are (x, y) and go from −1 to 1."""
    far_row, far_column = ((n - 1) / 2 for n in images.shape[2:])
    theta = np.empty_like(maps)
    for k, forth in enumerate(maps):
        back = np.linalg.inv(forth[:, :2])
        row, column = -back @ forth[:, 2]
        theta[k] = [
            [back[1, 1], back[1, 0] * far_row / far_column, column / far_column],
            [back[0, 1] * far_column / far_row, back[0, 0], row / far_row],
        ]
    grid = torch.nn.functional.affine_grid(
        torch.tensor(theta), list(images.shape), align_corners=True
    )
    return torch.nn.functional.grid_sample(torch.tensor(images), grid, align_corners=True).numpy()


def test_shifts_are_the_four_of_nielsen_behind_the_originals() -> None:
    image = np.array([[[[1, 2, 3], [4, 5, 6]]]], np.float32)
    more = with_shifts(Split(image, np.array([7])))
    assert more.inputs[:, 0].tolist() == [
        [[1, 2, 3], [4, 5, 6]],
        [[4, 5, 6], [0, 0, 0]],  # up
        [[0, 0, 0], [1, 2, 3]],  # down
        [[2, 3, 0], [5, 6, 0]],  # left
        [[0, 1, 2], [0, 4, 5]],  # right
    ]
    assert more.targets.tolist() == [7] * 5
    assert more.inputs.dtype == np.float32


def test_what_is_moved_out_of_the_image_is_gone() -> None:
    for way in [(5, 0), (-5, 0), (9, -9), (0, 7), (0, -100)]:
        assert not shifted(IMAGES, *way).any()
    np.testing.assert_array_equal(shifted(IMAGES, 0, 0), IMAGES)


def test_the_map_that_changes_nothing() -> None:
    np.testing.assert_array_equal(transformed(IMAGES, np.array([HERE] * 6)), IMAGES)


@pytest.mark.parametrize(("down", "right"), [(1, 0), (-2, 3), (0, -1), (6, 0), (-40, 40)])
def test_a_map_of_whole_pixels_is_a_shift(down: int, right: int) -> None:
    maps = np.array([HERE] * 6)
    maps[:, :, 2] = down, right
    np.testing.assert_array_equal(transformed(IMAGES, maps), shifted(IMAGES, down, right))


def test_a_quarter_turn_is_counterclockwise() -> None:
    squares = np.ascontiguousarray(IMAGES[..., :5])
    maps = np.array([[[0.0, -1, 0], [1, 0, 0]]] * 6)
    np.testing.assert_array_equal(transformed(squares, maps), np.rot90(squares, axes=(2, 3)))


def test_between_pixels_they_are_mixed() -> None:
    maps = np.array([HERE] * 6)
    maps[:, :, 2] = 0, 0.25
    expected = 0.75 * IMAGES + 0.25 * shifted(IMAGES, 0, 1)
    np.testing.assert_allclose(transformed(IMAGES, maps), expected, rtol=1e-6)


def test_any_affine_map_is_pytorchs() -> None:
    images = RNG.random((50, 2, 8, 7))
    maps = Affine(degrees=180, scale=0.5, shear=0.5, shift=3).draw(np.random.default_rng(1), 50)
    np.testing.assert_allclose(transformed(images, maps), theirs(images, maps), atol=1e-12)


def test_each_limit_is_drawn_evenly_up_to_itself() -> None:
    def drawn(**limits: float) -> Any:
        return Affine(**{**NONE, **limits}).draw(np.random.default_rng(0), 20_000)

    turn = drawn(degrees=30.0)
    np.testing.assert_allclose(np.linalg.det(turn[:, :, :2]), 1)
    angles = np.rad2deg(np.arctan2(turn[:, 1, 0], turn[:, 0, 0]))
    scale = drawn(scale=0.2)
    np.testing.assert_array_equal(scale[:, 0, 1], 0)
    shear = drawn(shear=0.3)
    np.testing.assert_array_equal(shear[:, 0], np.broadcast_to(HERE[0], (20_000, 3)))
    shift = drawn(shift=2.0)
    np.testing.assert_array_equal(shift[:, :, :2], np.broadcast_to(HERE[:, :2], (20_000, 2, 2)))
    for values, limit in [
        (angles, 30),
        (scale[:, 0, 0] - 1, 0.2),
        (scale[:, 1, 1] - 1, 0.2),
        (shear[:, 1, 0], 0.3),
        (shift[:, 0, 2], 2),
        (shift[:, 1, 2], 2),
    ]:
        assert np.abs(values).max() == pytest.approx(limit, rel=0.001)
        assert np.abs(values).max() <= limit
        assert values.mean() == pytest.approx(0, abs=0.02 * limit)
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)


def test_copies_come_behind_the_originals_and_depend_on_the_seed_alone() -> None:
    one, again, other = (with_affine(SPLIT, 2, seed) for seed in (3, 3, 4))
    assert one.inputs.shape == (18, 2, 5, 7)
    assert one.inputs.dtype == np.float32
    assert one.targets.tolist() == [0, 1, 2, 3, 4, 5] * 3
    np.testing.assert_array_equal(one.inputs[:6], IMAGES)
    np.testing.assert_array_equal(one.inputs, again.inputs)
    changed = [one.inputs[6:12], one.inputs[12:], other.inputs[6:12]]
    for a, b in zip(changed, changed[1:] + changed[:1], strict=True):
        assert np.abs(a - b).max(axis=(1, 2, 3)).min() > 0.01
    # With a limit of 0 a copy is the original.
    same = with_affine(SPLIT, 1, 0, Affine(**NONE))
    np.testing.assert_allclose(same.inputs[6:], IMAGES, atol=1e-6)


def test_many_images_are_changed_part_by_part() -> None:
    images = RNG.random((AT_ONCE + 3, 1, 4, 4)).astype(np.float32)
    maps = Affine().draw(np.random.default_rng(0), len(images))
    whole = transformed(images, maps)
    np.testing.assert_array_equal(whole[-5:], transformed(images[-5:], maps[-5:]))


def test_a_digit_keeps_its_ink(mnist: Any) -> None:
    """Within a few pixels of its place, and in [0, 1]."""
    digits = mnist.train.first(200)
    more = with_affine(digits, 1, 0).inputs[200:]
    assert more.min() >= 0
    assert more.max() <= 1
    ratio = more.sum(axis=(1, 2, 3)) / digits.inputs.sum(axis=(1, 2, 3))
    assert 0.75 < ratio.min() < ratio.max() < 1.25


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"degrees": -1.0}, "Affine: degrees is a limit of at least 0, found -1.0"),
        ({"shift": np.nan}, "Affine: shift is a limit of at least 0, found nan"),
        ({"scale": 1.0}, "Affine: scale is below 1, found 1.0"),
    ],
)
def test_limits_that_are_none(options: dict[str, float], text: str) -> None:
    with pytest.raises(InputError) as error:
        Affine(**options)
    assert str(error.value) == text


def test_what_cannot_be_augmented() -> None:
    rows = Split(np.ones((3, 784), np.float32), np.arange(3))
    for augment in (with_shifts, lambda split: with_affine(split, 1, 0)):
        with pytest.raises(ShapeError) as error:
            augment(rows)
        assert str(error.value) == (
            "inputs have shape (3, 784), expected images [examples, channels, height, width]: "
            "only images are augmented"
        )
    with pytest.raises(InputError) as input_error:
        with_shifts(SPLIT, 0)
    assert str(input_error.value) == "pixels is at least 1, found 0"
    with pytest.raises(InputError) as input_error:
        with_affine(SPLIT, 0, 0)
    assert str(input_error.value) == "copies is at least 1, found 0"
