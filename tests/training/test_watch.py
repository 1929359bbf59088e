"""Each warning on rows made for it, and once on a run that really goes wrong in this way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import Dataset, Split
from byhand.engines import Program
from byhand.errors import TrainingError
from byhand.losses import CrossEntropy, QuadraticCost
from byhand.models import mlp
from byhand.optimizers import SGD
from byhand.training import Trainer
from byhand.training.watch import Watch, explain_failure

from .tiny import (
    Ear,
    go_on,
    heaps,
    heaps_data,
    heaps_program,
    heaps_recipe,
    heaps_trainer,
    line_data,
    start,
)

USUAL = (
    "usual causes are a learning rate too small or too large, saturated sigmoids or dead ReLUs "
    "from large starting weights, and labels that do not belong to their inputs"
)


def step_row(step: int, loss: float, **more: Any) -> dict[str, Any]:
    healthy = {
        "kind": "step", "step": step, "loss": loss, "learning_rate": 0.5,
        "gradient_norm": {"hidden1": 1.0, "output": 3.0}, "update_ratio": {"hidden1": 1e-3},
        "dead": {}, "saturated": {},
    }  # fmt: skip
    return {**healthy, **more}


def warnings_of(losses: list[float], watch: Watch | None = None, **more: Any) -> list[Any]:
    watch = watch or Watch(None)
    rows = [step_row(50 * k, loss, **more) for k, loss in enumerate(losses, start=1)]
    return [warning for row in rows for warning in watch.step(row)]


def test_an_exploding_loss() -> None:
    gradients = {"hidden1": 123.456, "output": 3.0}
    assert warnings_of([2.0, 19.9, 25.0, 1e9], gradient_norm=gradients) == [
        (
            "exploding",
            "loss is exploding: 25 at step 150, 2 at first; the largest gradient is that of layer "
            '"hidden1", norm 123; lower optimizer.learning_rate (now 0.5) or add [clipping]',
        )
    ]


def test_a_loss_that_starts_at_nothing_may_grow_a_little() -> None:
    assert warnings_of([1e-9, 5e-3, 9e-3]) == []


def test_a_flat_loss() -> None:
    assert warnings_of([2.3, 2.301, 2.302, 2.299, 2.3, 2.303, 2.3, 2.3]) == [
        (
            "flat",
            f"loss is flat: 2.301 over the first half of 300 steps, 2.301 over the second: {USUAL}",
        )
    ]


@pytest.mark.parametrize(
    "losses",
    [
        [2.3, 2.3, 2.3, 2.3, 2.3],
        [2.3, 2.3, 2.3, 2.2, 2.2, 2.2],
        [2.3, 2.3, 2.3, 2.4, 2.4, 2.4],
        [1e-5] * 20,
    ],
    ids=["few rows", "falling", "rising", "learnt"],
)
def test_a_loss_that_is_not_flat(losses: list[float]) -> None:
    assert warnings_of(losses) == []


def test_a_loss_that_fell_and_rests_on_noise_is_not_flat() -> None:
    """Noise in the targets is a floor for the loss; what lies above it was learnt early."""
    assert warnings_of([2.0, 1.2, 1.05] + [1.0] * 400) == []


SEEN = {
    "slow": (
        {"update_ratio": {"hidden1": 2e-9, "output": 3e-8}},
        "the learning rate is too small (an update is 3e-08 of the weights, 1e-3 is usual)",
    ),
    "fast": (
        {"update_ratio": {"hidden1": 0.25, "output": 1e-9}},
        "the learning rate is too large (an update is 0.2 of the weights, 1e-3 is usual)",
    ),
    "saturated": (
        {"saturated": {"sigmoid1": 0.987, "sigmoid2": 0.5}},
        '99% of layer "sigmoid1" is saturated',
    ),
    "dead": ({"dead": {"relu1": 0.75}}, '75% of layer "relu1" is dead'),
    "two": (
        {"dead": {"relu1": 1.0, "relu2": 0.6}},
        '100% of layer "relu1" is dead; 60% of layer "relu2" is dead',
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_a_cause_that_shows_is_named_in_place_of_the_usual_ones(case: str) -> None:
    more, cause = SEEN[case]
    [(about, text)] = warnings_of([2.0] * 6, **more)
    assert about == "flat"
    assert text == (f"loss is flat: 2 over the first half of 300 steps, 2 over the second: {cause}")


def epoch_row(accuracy: float | None, epoch: int = 1) -> dict[str, Any]:
    return {"kind": "epoch", "epoch": epoch, "validation_accuracy": accuracy}


def test_accuracy_at_chance_after_the_first_epoch() -> None:
    assert Watch(0.1135).epoch(epoch_row(0.12)) == [
        (
            "chance",
            "validation accuracy is 12.0% after epoch 1, no better than always answering the most "
            f"frequent class (11.3%): {USUAL}",
        )
    ]


@pytest.mark.parametrize(
    ("chance", "row"),
    [
        (0.1, epoch_row(0.15)),
        (0.1, epoch_row(0.1, epoch=2)),
        (None, epoch_row(0.1)),
        (0.1, epoch_row(None)),
        (0.95, epoch_row(0.99)),
        (0.95, epoch_row(1.0)),
    ],
    ids=["better", "later", "no classes", "no accuracy", "rare class", "all right"],
)
def test_accuracy_that_is_no_reason_to_warn(chance: float | None, row: dict[str, Any]) -> None:
    assert Watch(chance).epoch(row) == []


def test_each_warning_is_given_once() -> None:
    watch = Watch(0.5)
    assert len(warnings_of([1.0] * 9 + [50.0] * 9, watch)) == 2
    assert len(watch.epoch(epoch_row(0.5))) == 1
    assert watch.epoch(epoch_row(0.5)) == []


def heard(trainer: Trainer, log_every: int = 2) -> dict[str, str]:
    """The warnings of a run, by what they are about; each may be given once only."""
    ear = Ear()
    trainer.listeners = (ear,)
    trainer.log_every = log_every
    trainer.fit()
    rows = [row for row in ear.rows if row["kind"] == "warning"]
    assert len({row["about"] for row in rows}) == len(rows)
    return {row["about"]: row["message"] for row in rows}


def line_trainer(
    rate: float, epochs: int = 4, activation: str = "tanh", engine: str = "numpy", **more: Any
) -> Trainer:
    model = mlp([2, 5, 1], activation=activation).initialize(0, "float32")
    program = engines.compile(model, QuadraticCost(), SGD(rate), engine=engine)
    return Trainer(program, line_data(), epochs=epochs, batch_size=8, **more)


def test_a_healthy_run_hears_nothing() -> None:
    assert heard(heaps_trainer(epochs=20)) == {}
    assert heard(line_trainer(0.1, epochs=40)) == {}


def test_a_healthy_run_that_goes_on_for_long_hears_nothing() -> None:
    noisy = line_trainer(0.1, epochs=100)
    noise = np.random.default_rng(5).standard_normal((40, 1)).astype(np.float32)
    noisy._train = Split(noisy._train.inputs, noisy._train.targets + noise)
    assert heard(noisy) == {}


def test_a_run_with_a_learning_rate_far_too_high_hears_that_it_explodes() -> None:
    text = heard(line_trainer(1.5, epochs=2), log_every=1)["exploding"]
    assert text.startswith("loss is exploding: ")
    assert text.endswith("lower optimizer.learning_rate (now 1.5) or add [clipping]")


def test_an_explosion_before_the_first_row_is_heard_too() -> None:
    """The first row is a mean over many steps, of which most may be long after the explosion."""
    trainer = heaps_trainer(heaps_program(SGD(1e6), activation="tanh"))
    assert "exploding" in heard(trainer, log_every=5)


def test_a_run_with_no_learning_rate_to_speak_of_hears_that_it_is_flat() -> None:
    text = heard(heaps_trainer(heaps_program(SGD(1e-9)), epochs=8), log_every=9)["flat"]
    assert "the learning rate is too small (an update is " in text


def test_a_run_with_huge_weights_hears_of_saturated_units() -> None:
    program = heaps_program(loss=QuadraticCost(), activation="sigmoid", output="sigmoid")
    program.set_parameters({name: 300 * w for name, w in program.parameters().items()})
    text = heard(heaps_trainer(program), log_every=2)["flat"]
    assert '% of layer "sigmoid1" is saturated; ' in text
    assert text.endswith('% of layer "sigmoid2" is saturated')


def test_a_run_of_dead_units_hears_of_them() -> None:
    program = heaps_program(SGD(0.001))
    parameters = program.parameters()
    program.set_parameters({**parameters, "hidden1.b": parameters["hidden1.b"] - 100})
    text = heard(heaps_trainer(program, epochs=3), log_every=2)["flat"]
    assert text.endswith('100% of layer "relu1" is dead')


def shuffled() -> Dataset:
    data, random = heaps_data(), np.random.default_rng(1)

    def shuffle(split: Split) -> Split:
        return Split(split.inputs, random.permutation(split.targets))

    return replace(data, train=shuffle(data.train), validation=shuffle(heaps(300, 1)))


def test_a_run_with_shuffled_labels_hears_that_it_is_at_chance() -> None:
    trainer = Trainer(heaps_program(SGD(0.1)), shuffled(), epochs=2, batch_size=7)
    text = heard(trainer, log_every=2)["chance"]
    assert text.endswith(
        f"no better than always answering the most frequent class (33.3%): {USUAL}"
    )


def test_a_warning_is_not_repeated_by_a_resumed_run(tmp_path: Path) -> None:
    recipe = heaps_recipe(tmp_path, "optimizer.learning_rate=1e-9", "training.epochs=2")
    first = start(recipe, tmp_path / "runs", log_every=2)
    first.fit()
    given = [row["about"] for row in first.run.rows("warning")]
    assert "flat" in given
    longer = go_on(first.run, log_every=2)
    longer.epochs = 4
    longer.fit()
    assert [row["about"] for row in longer.run.rows("warning")] == given


@pytest.mark.parametrize("log_every", [1, 1000], ids=["observed", "not observed"])
def test_a_loss_that_is_not_a_number_ends_training_and_says_where(
    log_every: int, engine: str
) -> None:
    trainer = line_trainer(100.0, activation="relu", epochs=50, engine=engine)
    trainer.log_every = log_every
    ear = Ear()
    trainer.listeners = (ear,)
    with pytest.raises(TrainingError) as caught:
        trainer.fit()
    step = trainer.position.step
    assert step < 20
    assert str(caught.value) == (
        f'loss is infinite at step {step + 1}: the output of layer "output" is not finite; '
        "lower optimizer.learning_rate (now 100) or add [clipping]"
    )
    assert ear.rows[-1] == {"kind": "failed", "step": step, "message": str(caught.value)}
    assert ear.calls[-1] == "end"


def test_inputs_that_are_not_numbers_are_blamed(tmp_path: Path, engine: str) -> None:
    trainer = start(heaps_recipe(tmp_path, f"training.engine={engine}"), tmp_path / "runs")
    inputs = trainer._train.inputs.copy()
    inputs[17, 2] = np.nan
    trainer._train = Split(inputs, trainer._train.targets)
    with pytest.raises(TrainingError) as caught:
        trainer.fit()
    assert trainer.run.status == "failed"
    step = trainer.run.rows("failed")[0]["step"] + 1
    assert str(caught.value) == (
        f"loss is nan at step {step}: the inputs hold nan or inf; clean the data"
    )


def explained(program: Program, scale: float = 1.0) -> str:
    split = heaps(7)
    return explain_failure(program, scale * split.inputs, split.targets, 41, 0.25)


def test_where_a_number_was_lost_is_named(engine: str) -> None:
    advice = "lower optimizer.learning_rate (now 0.25) or add [clipping]"
    program = heaps_program(engine=engine)
    parameters = program.parameters()
    program.set_parameters({**parameters, "output.W": parameters["output.W"] * np.nan})
    assert explained(program) == (
        f"loss is nan at step 42: parameter output.W is not finite; {advice}"
    )
    program.set_parameters({n: np.float32(3e38) * np.sign(w) for n, w in parameters.items()})
    assert explained(program) == (
        f'loss is nan at step 42: the output of layer "hidden1" is not finite; {advice}'
    )
    unfused = heaps_program(loss=CrossEntropy(), output="softmax", engine=engine)
    unfused.set_parameters({name: 1000 * w for name, w in parameters.items()})
    assert explained(unfused) == (
        f"loss is infinite at step 42: the gradient of output.W is not finite; {advice}"
    )


def test_a_loss_that_alone_is_not_finite_is_told_with_the_largest_gradient() -> None:
    model = mlp([4, 3]).initialize(0, "float32")
    program = engines.compile(model, QuadraticCost(), SGD(0.1))
    program.set_parameters({name: w + np.float32(1e25) for name, w in model.parameters.items()})
    split = heaps(7)
    _, gradients = program.gradients(split.inputs, split.targets)
    norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients.values()))
    assert explained(program) == (
        "loss is infinite at step 42: every output is finite, only the loss is not (largest "
        f'gradient: layer "output", norm {norm:.3g}); lower optimizer.learning_rate (now 0.25) or '
        "add [clipping]"
    )
