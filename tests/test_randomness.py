from __future__ import annotations

from itertools import combinations, product
from typing import get_args

import numpy as np
import pytest

from byhand.errors import InputError
from byhand.randomness import Purpose, batch_order, stream

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
# The first 64-bit words of seed 0 and of another stream. An engine that draws for itself has to
# draw these; a change here changes every run that was ever made.
WORDS = {
    "parameters": (
        [0xD037F8C3F9A1D176, 0xC057419B4C210765, 0xABF13115117B0065],
        [0x84B6A9A18EF3E38C, 0xB8AD4F098335A89B, 0xB035B18FE4CF7065],
    ),
    "order": (
        [0xD07EB80C9FFC0C00, 0x708EEBD5FE6D0226, 0x4CBA73AB470CA202],
        [0x4EF88D656569C132, 0x975C1D15A02DA739, 0xD00BEAA2E619BF6A],
    ),
    "dropout": (
        [0x79A407DE1ED21B93, 0x7CE8708370A78AE7, 0x8E24C521C7A3F06A],
        [0x64933FDEE96941F5, 0xFF253A6118D46033, 0xA8A213A4DA1E2678],
    ),
    "split": (
        [0x6DDD30B2E7A29A82, 0xA4F65AB2DDB46C74, 0x7BE2E1C74434C648],
        [0x864079EFB2526EF4, 0x439EE4208501981B, 0x75B0856312ACD45E],
    ),
    "augmentation": (
        [0x845206868712E226, 0xC36E2B44B7C53D64, 0x78B01A8A21F76D36],
        [0x6EACA854D7CC115F, 0x4831A8499EC28B12, 0xFC13731696F446A4],
    ),
    "landscape": (
        [0x95A18AEACFC3464E, 0xE415D85B0B500EC5, 0x51A4AE2FEB659620],
        [0x4268EA95DD429E52, 0x6F606A41DC8110F2, 0xC1E3B493C5057CDC],
    ),
    "tasks": (
        [0xD91B7822B17B3102, 0x958DE3B22225AC9C, 0x61B74AFEB8262E7E],
        [0xE8C7DE5A4206F6A8, 0xBFAE905E157B32F0, 0x411D3C6663E4B5A8],
    ),
    "sampling": (
        [0xCD14F40DE2B872C2, 0x83F73C448B379319, 0x8C6F72CAAC57F98E],
        [0x9CD27CF8EF205FDB, 0x36F8C826F93F3879, 0x020AA8B795A37C01],
    ),
    "sweep": (
        [0x966BD67D71CF81D7, 0x8FC628DFE98B40BA, 0x4C4BD8EB1C597054],
        [0x80D4F142D2CE44F9, 0x26B5CCBBEDB7B9AA, 0x9F0138D1C9C04AC4],
    ),
}


def words(generator: np.random.Generator, count: int = 3) -> list[int]:
    return [int(word) for word in generator.bit_generator.random_raw(count)]


def philox(key: list[int], counter: list[int]) -> list[int]:
    """Philox4x64-10 as in the paper (Salmon et al., 2011, section 4.3), in Python's integers."""
    low = 2**64 - 1
    for _ in range(10):
        product0, product1 = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [
            (product1 >> 64) ^ counter[1] ^ key[0],
            product1 & low,
            (product0 >> 64) ^ counter[3] ^ key[1],
            product0 & low,
        ]
        key = [(key[0] + 0x9E3779B97F4A7C15) & low, (key[1] + 0xBB67AE8584CAA73B) & low]
    return counter


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_first_words_of_each_purpose(purpose: Purpose) -> None:
    first, other = WORDS[purpose]
    assert words(stream(0, purpose)) == first
    assert words(stream(2**64 - 1, purpose, 3, 1)) == other


@pytest.mark.parametrize(("code", "purpose"), list(enumerate(PURPOSES, start=1)))
def test_the_words_are_those_of_the_published_algorithm(code: int, purpose: Purpose) -> None:
    """NumPy counts up before each block of four words."""
    expected = [w for block in (1, 2) for w in philox([12345, code], [block, 0, 7, 600])]
    assert words(stream(12345, purpose, 600, 7), 8) == expected


def test_numbers_made_from_the_words() -> None:
    uniform = [0.47515916035519756, 0.48792174538598776, 0.5552485663862539]
    assert stream(0, "dropout").random(3).tolist() == uniform
    assert [(word >> 11) / 2**53 for word in WORDS["dropout"][0]] == uniform
    np.testing.assert_allclose(
        stream(0, "parameters").standard_normal(3),
        [-0.7440191742693708, -0.01442460974068005, 0.5053939916649247],
        rtol=1e-14,
    )
    assert batch_order(0, 0, 10).tolist() == [1, 4, 8, 7, 9, 3, 2, 5, 6, 0]
    assert batch_order(0, 1, 10).tolist() == [8, 0, 6, 9, 5, 7, 1, 3, 4, 2]


def test_the_same_name_is_the_same_stream_and_any_other_is_not() -> None:
    names = list(product((0, 1, 2**63), PURPOSES, (0, 1, 2), (0, 1, 2)))
    drawn = {name: tuple(words(stream(*name))) for name in names}
    assert drawn == {name: tuple(words(stream(*name))) for name in names}
    for a, b in combinations(names, 2):
        assert drawn[a] != drawn[b], f"{a} and {b} draw the same"


def test_streams_next_to_each_other_do_not_overlap() -> None:
    long = words(stream(0, "dropout", 4, 1), 4000)
    for other in (stream(0, "dropout", 4, 2), stream(0, "dropout", 5, 1)):
        assert not set(long) & set(words(other, 4000))


def test_an_epoch_visits_every_example_once() -> None:
    order = batch_order(3, 5, 1000)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() == batch_order(3, 5, 1000).tolist()
    for other in (batch_order(3, 6, 1000), batch_order(4, 5, 1000)):
        assert order.tolist() != other.tolist()


@pytest.mark.parametrize("seed", [-1, 2**64, -(2**70)])
def test_a_seed_out_of_range(seed: int) -> None:
    with pytest.raises(InputError) as error:
        stream(seed, "order")
    assert str(error.value) == f"a seed is a whole number from 0 to 2**64 - 1, found {seed}"
