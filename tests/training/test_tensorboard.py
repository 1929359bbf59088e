"""Event files, read back by TensorBoard itself."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byhand.errors import InputError
from byhand.training import Run
from byhand.training.tensorboard import EPOCH_SCALARS, LAYER_SCALARS, TensorBoard

from .test_stopping import send
from .tiny import Ear, go_on, heaps_recipe, line_data, start

# TensorBoard takes seconds to import.
reads_events = pytest.mark.slow


def expected(run: Run) -> dict[str, list[tuple[int, float]]]:
    """The scalars of the run's rows by the tag that TensorBoard shows."""

    def scalars() -> Iterator[tuple[str, int, float | None]]:
        for row in run.rows("step"):
            for name in ("loss", "accuracy", "learning_rate"):
                yield f"step/{name}", row["step"], row[name]
            for name in LAYER_SCALARS:
                for layer, value in row[name].items():
                    yield f"{name}/{layer}", row["step"], value
        for row in run.rows("epoch"):
            for name in EPOCH_SCALARS:
                yield f"epoch/{name}", row["step"], row[name]

    found: dict[str, list[tuple[int, float]]] = {}
    for tag, step, value in scalars():
        if value is not None:
            found.setdefault(tag, []).append((step, pytest.approx(value, rel=1e-6)))
    return found


def read_back(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@reads_events
def test_tensorboard_reads_every_row(tmp_path: Path) -> None:
    trainer = start(heaps_recipe(tmp_path), tmp_path / "runs", TensorBoard())
    trainer.fit()
    found = read_back(trainer.run.folder / "tensorboard")
    assert found == expected(trainer.run)
    assert len(found["step/loss"]) == 11
    assert {"gradient_norm/hidden1", "dead/relu1", "epoch/test_accuracy"} <= found.keys()


@reads_events
def test_what_has_no_value_is_left_out(tmp_path: Path) -> None:
    """Regression has no accuracy."""
    data = line_data().train
    Path("line.csv").write_text(
        "a,b,y\n"
        + "".join(
            f"{a:f},{b:f},{y:f}\n" for (a, b), (y,) in zip(data.inputs, data.targets, strict=True)
        )
    )
    recipe = heaps_recipe(
        tmp_path,
        "data={ table = 'line.csv', target = 'y' }", "model.sizes=[2, 1]", "loss=quadratic",
    )  # fmt: skip
    trainer = start(recipe, tmp_path / "runs", TensorBoard())
    trainer.fit()
    found = read_back(trainer.run.folder / "tensorboard")
    assert found == expected(trainer.run)
    assert "epoch/validation_loss" in found
    assert not any("accuracy" in tag for tag in found)


def wait_for_the_next_second() -> None:
    """tensorboardX names a file by the second."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.01)


@reads_events
def test_a_resumed_run_shows_each_step_once(tmp_path: Path) -> None:
    interrupt = Ear(send(signal.SIGINT, 15, times=2))
    first = start(heaps_recipe(tmp_path), tmp_path / "runs", TensorBoard(), interrupt)
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    events = first.run.folder / "tensorboard"
    steps = [step for step, _ in read_back(events)["step/loss"]]
    wait_for_the_next_second()
    second = go_on(first.run, TensorBoard())
    assert second.position.step < steps[-1]
    second.fit()
    found = read_back(events)
    assert found == expected(first.run)
    assert [step for step, _ in found["step/loss"]] == list(range(4, 45, 4))
    assert len(list(events.iterdir())) == 2


def test_without_tensorboardx_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked: Any = None
    monkeypatch.setitem(sys.modules, "tensorboardX", blocked)
    with pytest.raises(InputError) as caught:
        TensorBoard()
    assert (
        str(caught.value) == "--tensorboard needs tensorboardX: pip install 'byhand[tensorboard]'"
    )
