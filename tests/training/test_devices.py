"""Timing devices: what is asked of them, and what is read from made-up times."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines.torch import device
from byhand.errors import InputError
from byhand.training import devices, find_recipe
from byhand.training.devices import Fit, Size, Timings
from byhand.training.session import load_data

from .tiny import heaps_program, heaps_recipe

SIZES = tuple(
    Size(batch, factor, 1000 * batch * factor, 500 * factor)
    for factor in (1, 8, 64)
    for batch in (1, 8, 64)
)
CPU, GPU = Fit(2e-5, 1e-10, 4e-10, 0.0), Fit(1e-3, 1e-12, 1e-11, 0.0)


def times(of: Fit) -> Any:
    return np.array([of.seconds(size.work, size.parameters) for size in SIZES])


@pytest.mark.parametrize(
    "made_up", [CPU, GPU, Fit(0.0, 1e-10, 0.0, 0.0), Fit(1e-4, 0.0, 1e-9, 0.0)]
)
def test_a_fit_finds_what_times_were_made_of(made_up: Fit) -> None:
    found = devices.fit(SIZES, times(made_up))
    for term in devices.TERMS:
        assert getattr(found, term) == pytest.approx(getattr(made_up, term), rel=1e-6, abs=1e-16)
    assert found.error < 1e-9


def test_no_term_is_negative_and_a_small_time_counts_as_much_as_a_large_one() -> None:
    seconds = np.array([size.work**1.2 for size in SIZES]) * 1e-10
    found = devices.fit(SIZES, seconds)
    assert min(found.overhead, found.per_multiply_add, found.per_parameter) >= 0
    pairs = zip(SIZES, seconds, strict=True)
    missed = [abs(found.seconds(s.work, s.parameters) / t - 1) for s, t in pairs]
    assert found.error == pytest.approx(np.median(missed))
    assert max(missed) < 1.5, "none is missed by many times its own size"


def test_where_the_gpu_begins_to_win() -> None:
    parameters, work = 500, 1000.0
    batch = devices.begins_to_win(GPU, CPU, work, parameters)
    assert batch > 1
    for count, faster in ((math.floor(batch), CPU), (math.ceil(batch), GPU)):
        both = {one: one.seconds(count * work, parameters) for one in (CPU, GPU)}
        assert min(both, key=both.__getitem__) == faster
    assert devices.begins_to_win(Fit(1e-6, 1e-12, 0, 0), CPU, work, parameters) == 1
    assert devices.begins_to_win(Fit(1e-6, 1e-9, 0, 0), CPU, work, parameters) == math.inf


def test_a_gpu_has_to_beat_all_that_runs_on_the_cpu() -> None:
    fits = {"numpy": CPU, "native": Fit(1e-6, 2e-11, 4e-10, 0.0), "torch cuda": GPU}
    timings = Timings("", SIZES, {name: times(one) for name, one in fits.items()})
    assert devices.gpus(fits) == ["torch cuda"]
    found = devices.frontier(timings, fits, "torch cuda")
    assert list(found) == [1, 8, 64]
    for factor, batch in found.items():
        one = 1000.0 * factor, 500 * factor
        assert batch == devices.begins_to_win(GPU, fits["native"], *one)
        assert batch > devices.begins_to_win(GPU, CPU, *one)
    assert all(wide < narrow for narrow, wide in pairwise(found.values()))


def test_the_size_of_a_step() -> None:
    """Three products in each layer, but two in the first."""
    mlp = find_recipe("nielsen-1", ["model.sizes=[784, 30, 10]"])
    model = mlp.model.build(0, "float32")
    assert devices.size_of(model, (1, 28, 28), 10, 1) == Size(10, 1, 479_400, 23_860)
    cnn = "model={ kind = 'cnn', channels = [2, 3], hidden = [5], image = [1, 28, 28] }"
    model = find_recipe("nielsen-1", [cnn]).model.build(0, "float32")
    first, second, dense = 2 * 25 * 24 * 24, 3 * 2 * 25 * 8 * 8, 48 * 5 + 5 * 10
    size = devices.size_of(model, (1, 28, 28), 4, 1)
    assert size.work == 4 * (2 * first + 3 * second + 3 * dense)


def test_a_wider_model_takes_the_same_data() -> None:
    recipe = find_recipe("nielsen-1", ["model.sizes=[784, 30, 20, 10]"])
    assert devices.widened(recipe.model, 4).sizes == [784, 120, 80, 10]
    cnn = "model={ kind = 'cnn', channels = [2, 3], hidden = [5], image = [1, 28, 28] }"
    wide = devices.widened(find_recipe("nielsen-1", [cnn]).model, 4)
    assert (wide.channels, wide.hidden, wide.outputs) == ([8, 12], [20], 10)
    text = devices.widened(find_recipe("char-lstm").model, 4)
    assert (text.hidden, text.vocabulary) == ([512], None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "BATCHES", (1, 50, 500))
    monkeypatch.setattr(devices, "FACTORS", (1, 3))
    monkeypatch.setattr(devices, "SECONDS", 0.0)
    monkeypatch.setattr(devices, "MOST_WORK", 50_000)


@pytest.mark.usefixtures("quick")
def test_every_device_is_timed_at_every_size(tmp_path: Path) -> None:
    told: list[str] = []
    timings = devices.time_devices(heaps_recipe(tmp_path), threads=1, tell=told.append)
    found = [(size.batch, size.factor) for size in timings.sizes]
    assert found == [(1, 1), (50, 1), (1, 3), (50, 3)], "500 are too much work"
    assert told == [f"batch {batch}, width × {factor}" for batch, factor in found]
    assert list(timings.seconds) == list(devices.runners())
    for seconds in timings.seconds.values():
        assert seconds.shape == (4,)
        assert (seconds > 0).all()


def test_timing_changes_no_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "SECONDS", 0.0)
    train = load_data(heaps_recipe(tmp_path).data).train
    programs = {engine: heaps_program(engine=engine) for engine in engines.ENGINES}
    before = {engine: p.parameters() for engine, p in programs.items()}
    assert devices.time_in_turn(programs, train.inputs, train.targets).keys() == programs.keys()
    for engine, p in programs.items():
        np.testing.assert_equal(p.parameters(), before[engine])


def test_all_of_pytorchs_devices_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "present", lambda: ["cuda", "cpu"])
    assert list(devices.runners()) == ["numpy", "native", "torch cpu", "torch cuda"]
    assert devices.runners()["torch cuda"]["device"] == "cuda"
    monkeypatch.setattr(engines, "available", {"native": "not built"}.get)
    assert list(devices.runners()) == ["numpy", "torch cpu", "torch cuda"]


def test_without_pytorch_there_is_nothing_to_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "available", {"torch": "no PyTorch: install it"}.get)
    with pytest.raises(InputError) as caught:
        devices.time_devices(heaps_recipe(tmp_path))
    assert str(caught.value) == "no PyTorch: install it"
