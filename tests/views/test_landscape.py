from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byhand import engines
from byhand.data import Split
from byhand.engines import ENGINES
from byhand.initializers import He
from byhand.layers import BatchNorm, Convolution2D, Dense, Flatten, ReLU, Sequential
from byhand.losses import QuadraticCost, SoftmaxCrossEntropy
from byhand.optimizers import SGD
from byhand.training import Run
from byhand.views import Subject, landscape, show
from byhand.views.landscape import filter_normalised, surface


def line() -> tuple[engines.Program, Split]:
    """A linear unit under the quadratic cost, whose loss is a polynomial of degree two."""
    random = np.random.default_rng(0)
    split = Split(random.standard_normal((30, 3)), random.standard_normal((30, 1)))
    model = Sequential(Dense(3, 1, name="unit")).initialize(0)
    return engines.compile(model, QuadraticCost(), SGD(0.1)), split


def random_like(theta: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.standard_normal(w.shape) for name, w in theta.items()}


def test_a_surface_that_is_known() -> None:
    program, split = line()
    theta = program.parameters()
    u, v = (random_like(theta, seed) for seed in (1, 2))
    a, b = np.linspace(-1, 1, 5), np.linspace(-2, 1, 4)
    found = surface(program, split, theta, u, v, a, b)
    assert found.shape == (4, 5)
    for row, column in np.ndindex(found.shape):
        W, bias = (
            theta[name] + a[column] * u[name] + b[row] * v[name] for name in ("unit.W", "unit.b")
        )
        error = split.inputs @ W + bias - split.targets
        assert found[row, column] == pytest.approx(np.mean(error**2) / 2, rel=1e-12)


def test_the_program_keeps_its_parameters() -> None:
    program, split = line()
    theta = program.parameters()
    elsewhere = random_like(theta, 3)
    u = random_like(theta, 1)
    surface(program, split, elsewhere, u, u, np.ones(1), np.ones(1))
    for name, value in program.parameters().items():
        np.testing.assert_array_equal(value, theta[name])


def test_a_loss_that_is_no_number_is_left_out() -> None:
    program, split = line()
    theta = program.parameters()
    u = {name: np.full(w.shape, 1e300) for name, w in theta.items()}
    found = surface(program, split, theta, u, u, np.array([0.0, 1e5]), np.zeros(1))
    np.testing.assert_array_equal(np.isnan(found), [[False, True]])


def network() -> Sequential:
    layers = (Convolution2D(2, 3, 2), BatchNorm(3), ReLU(), Flatten(), Dense(12, 4))
    return Sequential(*layers).initialize(0)


def test_every_unit_s_direction_is_as_long_as_its_weights() -> None:
    model = network()
    theta = model.parameters
    u = filter_normalised(model, theta, np.random.default_rng(0))
    for k in range(3):
        filters = (w["convolution2d1.W"][k] for w in (u, theta))
        assert np.linalg.norm(next(filters)) == pytest.approx(np.linalg.norm(next(filters)))
    for k in range(4):
        columns = (w["dense1.W"][:, k] for w in (u, theta))
        assert np.linalg.norm(next(columns)) == pytest.approx(np.linalg.norm(next(columns)))
    assert u.keys() == theta.keys()
    for name in theta:
        if not name.endswith(".W"):
            assert not u[name].any()


def test_the_surface_does_not_depend_on_the_scale_of_a_relu_network_s_layers() -> None:
    """Ten times one layer, a tenth of the next: the same function, and the same picture."""
    random = np.random.default_rng(0)
    split = Split(random.standard_normal((20, 5)), np.arange(20) % 3)
    layers = (Dense(5, 8, weights=He()), ReLU(), Dense(8, 3))
    model = Sequential(*layers).initialize(1)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1))
    plain = program.parameters()
    scaled = plain | {"dense1.W": 10 * plain["dense1.W"], "dense2.W": plain["dense2.W"] / 10}
    grid = np.linspace(-1, 1, 3)
    found = []
    for theta in (plain, scaled):
        u, v = (filter_normalised(model, theta, np.random.default_rng(k)) for k in range(2))
        found.append(surface(program, split, theta, u, v, grid, grid))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_sees_the_same_landscape(run: Run, subject: Subject, engine: str) -> None:
    if reason := engines.available(engine):
        pytest.skip(reason)
    expected = landscape.compute(subject, points=3, examples=40)
    found = landscape.compute(Subject(run, engine=engine), points=3, examples=40)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-5)


def test_the_centre_is_the_loss_of_the_best_epoch(subject: Subject) -> None:
    view = landscape.compute(subject, points=5, examples=100)
    few = subject.dataset.train.first(100)
    loss = subject.program.evaluate(few.inputs, few.targets).loss
    assert view.loss[2, 2] == pytest.approx(loss, rel=1e-6)
    assert view.about.endswith("the loss is the mean of 100 training examples")
    row, column = np.argwhere(view.loss == view.loss.min())[0]
    assert view.words == (
        f"loss {loss:.4g} at the parameters; on the plane from {view.loss.min():.4g}, at "
        f"a = {view.a[column]:.2g} and b = {view.b[row]:.2g}, to {view.loss.max():.4g}"
    )


def test_the_figure_says_what_it_shows(subject: Subject) -> None:
    view = landscape.compute(subject, points=5, examples=50)
    page = landscape.draw(view)
    axes, bar = page.axes
    assert page.texts[0].get_text() == "The loss around the trained parameters, on a random plane"
    assert page.texts[1].get_text().splitlines()[-1] == view.words
    assert bar.get_ylabel() == "loss (log)"
    assert axes.get_xlabel().startswith("a: ")
    assert axes.get_ylabel().startswith("b: ")


@pytest.mark.parametrize("loss", [np.zeros((3, 3)), np.full((3, 3), 2.0), np.eye(3)])
def test_a_loss_of_zero_or_a_plateau_can_be_drawn(loss: np.ndarray) -> None:
    line = np.linspace(-1, 1, 3)
    page = landscape.draw(landscape.Landscape("about", line, line, loss))
    assert len(page.axes) == 2


def test_what_the_surface_shows_is_said(run: Run, tmp_path: Path) -> None:
    said: list[str] = []
    paths = show(run, ["landscape"], tmp_path, tell=said.append)
    assert [path.name for path in paths] == ["landscape.png"]
    assert len(said) == 1
    assert said[0].startswith("loss ")
