"""Units, and how numbers are read and written."""

from __future__ import annotations

from fractions import Fraction

import pytest

from byhand.errors import InputError
from byhand.napkin.checks import tokens_of
from byhand.napkin.units import ONE, parse_bytes, parse_count, plain, show, unit


def test_units_multiply_and_divide() -> None:
    assert unit("B/token") * unit("token") == unit("B")
    assert unit("FLOP") / unit("FLOP/s") == unit("s")
    assert unit("B") / unit("B") == ONE
    assert str(unit("FLOP/parameter/token")) == "FLOP/token/parameter"
    assert str(ONE) == "1"


@pytest.mark.parametrize(
    ("value", "of", "text"),
    [
        (1_342_177_280, "B", "1,342,177,280 B = 1.342 GB = 1.250 GiB"),
        (512, "B", "512 B"),
        (327_680, "B/token", "327,680 B/token"),
        (1, "token", "1 token"),
        (4096, "token", "4,096 tokens"),
        (312 * 10**12, "FLOP/s", "312.0 TFLOP/s"),
        (86_400 * 20, "s", "1,728,000 s = 20 days"),
        (5400, "s", "5,400 s = 90 min"),
        (Fraction(1, 80), "s", "0.0125 s"),
        (1234.5, "$", "$1,234.50"),
        (3.14e23, "FLOP", "3.14·10²³ FLOP"),
    ],
)
def test_values_as_people_write_them(value: float | Fraction, of: str, text: str) -> None:
    assert show(value, unit(of)) == text


def test_numbers_without_a_unit() -> None:
    assert plain(Fraction(8, 2)) == "4"
    assert plain(0) == "0"
    assert plain(2e-9) == "2·10⁻⁹"


def test_sizes_that_are_exact() -> None:
    assert parse_bytes("24GiB", "--gpu") == (24 * 2**30, 24 * 2**30, 24 * 2**30, "")
    assert parse_bytes("1.5 TiB", "--gpu")[1] == 3 * 2**39
    assert parse_bytes("1000b", "--gpu")[1] == 1000


def test_a_bare_gb_is_questioned() -> None:
    low, value, high, said = parse_bytes("24GB", "--gpu")
    assert (low, value, high) == (24 * 10**9, 24 * 10**9, 24 * 2**30)
    assert said == ("24GB can mean GB or GiB: 24 to 25.77 GB; write GiB or the bytes to be exact")


def test_counts() -> None:
    assert parse_count("4096", "--tokens") == 4096
    assert parse_count("300B", "--tokens") == 300 * 10**9
    assert parse_count("1.4T", "--tokens") == 1_400 * 10**9
    assert parse_count("1_000", "--tokens") == 1000
    assert parse_count("2e12", "--tokens") == 2 * 10**12


def test_a_context_in_k_can_mean_either() -> None:
    assert tokens_of("8192") == 8192
    assert tokens_of("8k") == (8000, 8192, 8192)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("many", "--tokens: expected a number such as 4096, 300B or 2T, found 'many'"),
        ("-5", "--tokens: expected a number such as 4096, 300B or 2T, found '-5'"),
        ("0", "--tokens: expected at least 1, found '0'"),
        ("1e99", "--tokens: expected at most 10²¹, found '1e99'; look at its unit"),
        ("9" * 400, "--tokens: expected at most 10²¹, found a number of 400 characters"),
    ],
)
def test_counts_that_are_none(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_count(text, "--tokens")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("text", ["24", "GiB", "24 gigs", "-3GiB", "1e400GiB"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--gpu: expected "):
        parse_bytes(text, "--gpu")
