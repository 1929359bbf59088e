"""byhand tour: what byhand is, in a minute."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from byhand.cli.say import heading, percent, print_facts, print_table
from byhand.errors import ByhandError, TrainingError

if TYPE_CHECKING:
    from byhand.training import Recipe, Run

EXAMPLE = "delta_of_the_weights.py"
RECIPE = "nielsen-init-100-scaled"
EPOCHS = 6
GOAL = 0.95
SHOWN = 6
WRITER = "char-lstm"
WRITER_EPOCHS = 3
PROMPT = "ROMEO:"
WRITTEN = 300
QUESTION = "What is a neural network? Answer in one short sentence."
TIMED = 3000
"""Steps that both engines take to be timed: less than an epoch, and a second or so with NumPy."""


def tour() -> None:
    """Find a wrong derivative, and watch a hand-written network learn handwritten digits.

    Asks the doctor about the mistake that costs a day, checks derivatives, trains on MNIST in C++
    with NumPy's speed beside it, shows answers and figures, and lets a network read Shakespeare and
    write: about two minutes. A published model says a line at the end, where it can be loaded.
    """
    heading("1  A mistake that costs a day")
    _find_a_mistake()
    heading("2  Are the derivatives right?")
    _check_derivatives()
    heading("3  A hand-written network learns handwritten digits")
    run = _train()
    heading("4  What it answers")
    picture = _answers(run)
    heading("5  What it learned")
    _draw(run)
    heading("6  A network that writes")
    writer = _write()
    heading("7  Go on")
    _reached(run)
    byhand = _command()
    print("\nCommands to try next:")
    print_facts(
        [
            (f"{byhand} predict {run.name} {picture}", "or any picture of yours"),
            (f"{byhand} sample {writer.name} --temperature 0.6", "more Shakespeare, less daring"),
            (f"{byhand} train nielsen-1", "the first network of the book"),
            (f"{byhand} recipes", "all experiments"),
        ],
    )
    print(f"\n{_published(byhand)}")


def _command() -> str:
    """How to call byhand from here: by its path, where it is not on the shell's PATH."""
    if shutil.which("byhand") or Path(sys.argv[0]).name != "byhand":
        return "byhand"
    return os.path.relpath(sys.argv[0])


def _find_a_mistake() -> None:
    """A wrong backward, what the doctor says to it, and what it says once that is corrected."""
    from rich.console import Console

    from byhand.doctor import check_file
    from byhand.doctor.fixing import applied
    from byhand.doctor.present import rich_text
    from byhand.storage import shipped

    path = shipped("examples") / EXAMPLE
    text = path.read_text("utf-8")
    _, named, rest = text.partition("def backward")
    backward = named + rest.partition("\n\n\n")[0]
    print(textwrap.indent(backward, "    "))
    print(f"\nIt runs, the shapes fit, and the network learns badly.\nbyhand check {EXAMPLE}:\n")
    report = check_file(path)
    Console(highlight=False).print(rich_text(replace(report, target=EXAMPLE)), soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        corrected = Path(folder) / EXAMPLE
        corrected.write_text(applied(text, [f.fix for f in report.findings if f.fix]), "utf-8")
        verdict = check_file(corrected).verdict
    print(
        f"\nWith that line corrected, which --fix does, every gradient is {verdict}. For a file\n"
        f"of yours: {_command()} check FILE.py"
    )


def _check_derivatives() -> None:
    """Every derivative of a little network beside finite differences."""
    import numpy as np

    from byhand import Dense, Sequential, Sigmoid, SoftmaxCrossEntropy
    from byhand.finite_differences import numerical_gradient, relative_error

    model = Sequential(Dense(5, 4, name="hidden"), Sigmoid(), Dense(4, 3, name="output"))
    model.initialize(seed=0)
    loss, rng = SoftmaxCrossEntropy(), np.random.default_rng(0)
    x, t = rng.normal(size=(8, 5)), rng.integers(3, size=8)

    y, caches = model.forward(x)
    dx, gradients = model.backward(loss.backward(loss.forward(y, t)[1]), caches)

    def f() -> float:
        return loss.forward(model.forward(x)[0], t)[0]

    rows = []
    for name, by_hand in (gradients | {"x": dx}).items():
        numerical = numerical_gradient(f, x if name == "x" else model.parameters[name])
        rows.append(
            (
                name,
                str(by_hand.size),
                f"{by_hand.flat[0]:.10f}",
                f"{numerical.flat[0]:.10f}",
                f"{relative_error(by_hand, numerical):.0e}",
            )
        )
    print_table(
        ("∂L/∂", "numbers", "the first, by hand", "the first, by nudging", "error of all"),
        rows,
        right=("numbers", "the first, by hand", "the first, by nudging", "error of all"),
    )
    print(
        "A network of 5 inputs, 4 sigmoid units and 3 classes, in float64. Nudging: how\n"
        "much the loss L moves when one number goes up and down a little. The formulas\n"
        "written by hand in byhand/layers say the same, to nine digits or so."
    )


def _train() -> Run:
    """Train on the native engine and time NumPy beside it, or on NumPy where there is no other."""
    from byhand.cli.fit import fit
    from byhand.training import find_recipe
    from byhand.training.session import preferred_engine

    engine, reason = preferred_engine()
    print(f"on the {engine} engine{f': {reason}' if reason else ', the same equations in C++'}")
    recipe = find_recipe(RECIPE, [f"training.epochs={EPOCHS}", f"training.engine={engine}"])
    run = fit(recipe.model_copy(update={"name": "tour"}))
    if reason is None:
        _time_both(recipe)
    return run


def _time_both(recipe: Recipe) -> None:
    """The first steps of the run on both engines, from the same start."""
    from byhand.training import trainer_for

    microseconds, losses, steps = {}, {}, 0
    for engine in ("native", "numpy"):
        trainer = trainer_for(recipe.with_training(engine=engine))
        trainer.log_every = trainer.total_steps + 1  # only training is timed
        began = time.perf_counter()
        steps = trainer.advance(TIMED)
        microseconds[engine] = (time.perf_counter() - began) / steps * 1e6
        losses[engine] = trainer.position.epoch_loss_sum / steps
    ratio = microseconds["numpy"] / microseconds["native"]
    difference = abs(losses["native"] / losses["numpy"] - 1)
    print(
        f"Its first {steps:,} steps once more: native {microseconds['native']:.0f} µs a step, "
        f"numpy {microseconds['numpy']:.0f} µs:\n{ratio:.2g} times; "
        f"the mean losses agree to {max(difference, 1e-16):.0e}."
    )


def _answers(run: Run) -> str:
    """Show some test digits with the network's answers; the file of the last one."""
    import numpy as np
    from PIL import Image

    from byhand.training import load_data, trained_program
    from byhand.views import terminal

    dataset = load_data(run.recipe.data)
    images, labels = dataset.test.inputs, dataset.test.targets
    answers = trained_program(run, dataset).predict(images).argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    shown = [*range(SHOWN - 1), int(wrong[0]) if len(wrong) else SHOWN - 1]
    captions = [
        f"{answers[k]}" if answers[k] == labels[k] else f"{answers[k]}, wrong: it is {labels[k]}"
        for k in shown
    ]
    print(terminal.beside([terminal.digit(images[k]) for k in shown], captions))
    path = run.folder / "digit.png"
    Image.fromarray((images[shown[-1], 0] * 255).round().astype(np.uint8)).save(path)
    return str(path)


def _draw(run: Run) -> None:
    from byhand import views

    for path in views.show(run):
        print(path)


def _write() -> Run:
    """Let an LSTM read Shakespeare for less than a minute, and write some lines."""
    from itertools import islice

    from byhand.cli.fit import fit
    from byhand.sampling import Sampling
    from byhand.training import find_recipe
    from byhand.training.sampling import continued, encoded, spelled
    from byhand.training.session import language_model, preferred_engine

    engine, _ = preferred_engine()
    epochs = WRITER_EPOCHS if engine == "native" else 1
    recipe = find_recipe(WRITER, [f"training.epochs={epochs}", f"training.engine={engine}"])
    run = fit(recipe.model_copy(update={"name": "tour-writer"}))
    program, vocabulary = language_model(run)
    drawn = continued(program, encoded(PROMPT, vocabulary), Sampling(0.7), seed=0)
    print(f"\nIt guesses one character after the other. After {PROMPT!r} it writes:\n")
    print(textwrap.indent(PROMPT, "    "), end="")
    for piece in spelled(islice(drawn, WRITTEN), vocabulary):
        print(piece.replace("\n", "\n    "), end="", flush=True)
    print()
    return run


def _published(byhand: str) -> str:
    """A line of a model that others have trained, or what it takes to hear one."""
    from importlib.util import find_spec

    from byhand import language

    if any(find_spec(library) is None for library in language.NEEDED):
        return f"For a published model that answers: pip install 'byhand[language]', {byhand} chat"
    try:
        model = language.load()
        asked = [{"role": "user", "content": QUESTION}]
        said = model.generate(asked, language.Sampling(0), 40, stop="\n").text()
    except ByhandError as error:
        return textwrap.fill(f"A published model would say a line here, but {error}", 80)
    numbers = model.checkpoint.parameters / 1e6
    return (
        f"And a published model of {numbers:.0f} million numbers, of the same layers, says:\n\n"
        f"{textwrap.indent(textwrap.fill(said.strip(), 76), '    ')}\n\n"
        f"{byhand} chat goes on with it."
    )


def _reached(run: Run) -> None:
    from byhand.cli.outcome import outcome

    best = outcome(run)["best"]
    accuracy = best["test_accuracy"]
    print(
        f"After epoch {best['epoch']}, its best by validation, the network reads "
        f"{percent(accuracy)}\nof 10,000 test digits right."
    )
    if accuracy < GOAL:
        raise TrainingError(
            f"the tour's network reached {percent(accuracy)} on the test digits, "
            f"expected {percent(GOAL)} or more"
        )
