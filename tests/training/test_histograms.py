from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand import engines
from byhand.layers import BatchNorm, Dense, Dropout, Flatten, ReLU, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import SGD
from byhand.training import Run
from byhand.training.histograms import BINS, MOST, Histogram, common, histogram, histograms
from byhand.training.observation import PROBE

from .tiny import go_on, heaps_recipe, start

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


def spread(each: Histogram) -> dict[int, int]:
    """The counts by the number of their bin."""
    return {each.first + k: count for k, count in enumerate(each.counts) if count}


def counted(values: np.ndarray, width: float) -> dict[int, int]:
    """The same, one number after the other."""
    found: dict[int, int] = {}
    for value in values.ravel():
        place = math.floor(float(value) / width)
        found[place] = found.get(place, 0) + 1
    return found


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=50))
def test_every_number_is_counted_in_its_bin(values: list[float]) -> None:
    found = histogram(np.array(values))
    assert math.frexp(found.width)[0] == 0.5  # a power of two
    assert len(found.counts) <= BINS
    assert spread(found) == counted(np.array(values), found.width)


def test_a_normal_distribution_uses_half_of_the_bins_or_more() -> None:
    found = histogram(np.random.default_rng(0).standard_normal((100, 30)).astype(np.float32))
    assert BINS / 2 - 1 <= len(found.counts) <= BINS
    assert sum(found.counts) == 3000


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0.0, 0.0], Histogram(2.0**-20, 0, [2])),
        ([np.nan, 0.0, np.inf], Histogram(2.0**-20, 0, [1])),
        ([np.nan], Histogram(1.0, 0, [])),
        ([3.0, 3.0], Histogram(2.0**-18, 3 * 2**18, [2])),
    ],
)
def test_numbers_without_a_spread(values: list[float], found: Histogram) -> None:
    assert histogram(np.array(values)) == found


@settings(deadline=None)
@given(st.lists(st.lists(numbers, min_size=1, max_size=20), min_size=1, max_size=4))
def test_laid_over_each_other_no_bin_is_split(lists: list[list[float]]) -> None:
    each = [histogram(np.array(values)) for values in lists]
    edges, counts = common(each)
    width = float(edges[1] - edges[0])
    assert width >= max(one.width for one in each)
    assert len(edges) - 1 == counts.shape[1] <= MOST
    first = round(edges[0] / width)
    for values, row in zip(lists, counts, strict=True):
        expected = counted(np.array(values), width)
        assert {first + k: n for k, n in enumerate(row) if n} == expected


def test_an_empty_one_among_others() -> None:
    edges, counts = common([Histogram(1.0, 0, []), Histogram(0.5, -1, [2, 0, 3])])
    assert edges.tolist() == [-0.5, 0.0, 0.5, 1.0]
    assert counts.tolist() == [[0, 0, 0], [2, 0, 3]]
    assert common([Histogram(1.0, 0, [])])[1].tolist() == [[0]]


def test_weights_that_start_at_zero_do_not_coarsen_the_rest() -> None:
    later = histogram(np.linspace(-0.1, 0.1, 1001))
    edges, counts = common([histogram(np.zeros(1001)), later])
    assert edges[1] - edges[0] == later.width
    assert counts[0].max() == 1001


def test_weights_and_outputs_of_the_layers_that_compute_something() -> None:
    layers = (Flatten(), Dense(4, 3), BatchNorm(3), Dropout(0.5), ReLU(), Dense(3, 2))
    model = Sequential(*layers).initialize(0)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1))
    x = np.random.default_rng(1).standard_normal((5, 4))
    found = histograms(program, x)
    assert list(found["weights"]) == ["dense1.W", "dense2.W"]
    assert list(found["activations"]) == ["dense1", "batchnorm1", "relu1", "dense2"]
    assert found["weights"]["dense2.W"] == asdict(histogram(program.parameters()["dense2.W"]))
    assert found["activations"]["relu1"] == asdict(histogram(program.activations(x)["relu1"]))


def trained(folder: Path, *changes: str) -> Run:
    trainer = start(heaps_recipe(folder, *changes), folder)
    trainer.fit()
    assert trainer.run is not None
    return trainer.run


def test_a_run_records_the_start_and_every_epoch(tmp_path: Path) -> None:
    trainer = start(heaps_recipe(tmp_path), tmp_path)
    probe = trainer.dataset.train.first(PROBE).inputs
    first = histograms(trainer.program, probe)
    trainer.fit()
    assert trainer.run is not None
    rows = trainer.run.rows("histograms")
    assert [(row["epoch"], row["step"]) for row in rows] == [
        (0, 0),
        (1, 11),
        (2, 22),
        (3, 33),
        (4, 44),
    ]
    last = histograms(trainer.program, probe)
    assert first != last
    for row, expected in ((rows[0], first), (rows[-1], last)):
        assert {key: row[key] for key in ("weights", "activations")} == expected


@pytest.mark.parametrize("keep", ["false", "true"])
def test_epochs_are_kept_where_the_recipe_says_so(tmp_path: Path, keep: str) -> None:
    run = trained(tmp_path, f"training.keep_epochs={keep}")
    kept = run.kept_parameters()
    assert list(kept) == ([0, 1, 2, 3, 4] if keep == "true" else [])
    for epoch, row in zip(kept, run.rows("histograms"), strict=False):
        for name, found in row["weights"].items():
            assert found == asdict(histogram(kept[epoch][name]))
    if kept:
        model = run.parameters("model")
        assert all(np.array_equal(kept[4][name], model[name]) for name in model)


def test_a_run_that_was_stopped_records_the_same(tmp_path: Path) -> None:
    def rows(run: Run) -> list[dict[str, Any]]:
        return run.rows("histograms")

    recipe = heaps_recipe(tmp_path, "training.keep_epochs=true")
    whole, stopped = (start(recipe, tmp_path, name=name) for name in ("whole", "stopped"))
    whole.fit()
    stopped.fit(2)
    assert whole.run is not None
    assert stopped.run is not None
    go_on(stopped.run).fit()
    assert rows(stopped.run) == rows(whole.run)
    assert list(stopped.run.kept_parameters()) == [0, 1, 2, 3, 4]


def test_the_start_is_recorded_once(tmp_path: Path) -> None:
    """A run that was killed before its first checkpoint begins again."""
    trainer = start(heaps_recipe(tmp_path), tmp_path)
    assert trainer.run is not None
    trainer._keep(0)
    go_on(trainer.run).fit()
    assert [row["epoch"] for row in trainer.run.rows("histograms")] == [0, 1, 2, 3, 4]
