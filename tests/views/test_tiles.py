from __future__ import annotations

import numpy as np

from byhand.views.tiles import as_rgb, mosaic, signal_as_rgb


def test_a_mosaic_is_filled_row_by_row() -> None:
    tiles = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    whole = mosaic(tiles, columns=3, between=-1)
    assert whole.shape == (2 * 2 + 1, 3 * 3 + 2)
    np.testing.assert_array_equal(whole[3:, 4:7], tiles[4])
    np.testing.assert_array_equal(whole[3:, 8:], -1)
    np.testing.assert_array_equal(whole[2], -1)
    assert mosaic(tiles[:2], columns=3).shape == (2, 7)


def test_gray_and_colour_as_rgb() -> None:
    two = np.stack([np.full((2, 2), 0.2), np.full((2, 2), 0.6)])
    np.testing.assert_allclose(as_rgb(two), np.full((2, 2, 3), 0.4))
    three = np.random.default_rng(0).random((3, 4, 5))
    np.testing.assert_array_equal(as_rgb(three)[1, 2], three[:, 1, 2])


def test_a_signal_has_its_zero_in_the_middle_of_the_colours() -> None:
    signal = np.zeros((1, 1, 3))
    signal[0, 0] = 0, 2, -2
    zero, above, below = signal_as_rgb(signal)[0]
    assert zero.min() > 0.95
    assert above[0] > above[2]
    assert below[2] > below[0]
    colour = signal_as_rgb(np.stack([signal[0]] * 3))[0]
    np.testing.assert_allclose(colour, [[0.5] * 3, [1] * 3, [0] * 3])
    np.testing.assert_array_equal(signal_as_rgb(np.zeros((3, 1, 1))), np.full((1, 1, 3), 0.5))


def test_a_few_extreme_numbers_do_not_make_the_others_pale() -> None:
    signal = np.ones((3, 20, 20))
    signal[:, 0, 0] = 100
    drawn = signal_as_rgb(signal)
    np.testing.assert_allclose(drawn, 1)
