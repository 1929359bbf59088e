"""A bare count: an assumed shape, and an interval as wide as names are loose."""

from __future__ import annotations

import pytest

from byhand.napkin.sources import count, known


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("1M", 1e6),
        ("124M", 124e6),
        ("350m", 350e6),
        ("1.1B", 1.1e9),
        ("7B", 7e9),
        ("13 b", 13e9),
        ("70B", 70e9),
        ("405B", 405e9),
        ("1.8T", 1.8e12),
    ],
)
def test_the_assumed_shape_has_about_so_many(text: str, parameters: float) -> None:
    model = count.find(text)
    assert model is not None
    assert model.parameters == pytest.approx(parameters, rel=1e-3)
    assert model.counted is not None
    low, named, high = model.counted
    assert low < parameters < high
    assert named == parameters
    assert model.layers == len(model.attention)


def test_the_interval_holds_every_known_model_of_that_name() -> None:
    for row in known.rows():
        if match := count.IN_A_NAME.search(row["name"]):
            model, bare = known.find(row["name"]), count.find(f"{match[1]}{match[2]}")
            assert model is not None
            assert bare is not None
            assert bare.counted is not None
            assert bare.counted[0] <= model.parameters <= bare.counted[2], row["name"]


def test_digits_narrow_the_interval_no_further_than_names_are_loose() -> None:
    seven, exact = count.find("7B"), count.find("7.00B")
    assert seven is not None
    assert exact is not None
    assert seven.counted is not None
    assert exact.counted is not None
    assert seven.counted[0] == 6_500_000_000
    assert exact.counted[0] > seven.counted[0]
    assert exact.counted[2] == seven.counted[2]


def test_it_says_what_it_assumes() -> None:
    model = count.find("7B")
    assert model is not None
    low, _, high = model.counted or (0, 0, 0)
    assert model.assumed == (
        f"7B is a count without a shape, and names round: {low:,} to {high:,} parameters",
        "shape as Llama's: 31 layers of 4224, 33 heads of 128, MLP 11520, vocabulary 30,998, "
        "no grouped heads",
    )


@pytest.mark.parametrize("text", ["7", "B", "7 billion", "-7B", "7e9", "llama-7B", "7BB", ".5B"])
def test_what_is_no_count(text: str) -> None:
    assert count.find(text) is None
