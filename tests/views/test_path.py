from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byhand.errors import InputError
from byhand.training import Run, read_recipe, trainer_for
from byhand.views import Subject, path, show
from byhand.views.path import principal_plane


@pytest.fixture(scope="module")
def kept(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run with its epochs kept."""
    changes = ["training.keep_epochs=true", "training.epochs=3"]
    recipe = read_recipe(run.folder / "config.toml", changes)
    own = Run.create(recipe, "kept", tmp_path_factory.mktemp("kept"))
    trainer_for(recipe, own).fit()
    return own


def test_the_plane_is_that_of_a_singular_value_decomposition() -> None:
    steps = np.random.default_rng(0).standard_normal((7, 50)) * np.linspace(2, 0.2, 7)[:, None]
    walk = steps.cumsum(axis=0)
    plane = principal_plane(walk)
    _, s, directions = np.linalg.svd(walk - walk.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(plane.explained, s[:2] ** 2 / (s**2).sum(), rtol=1e-10)
    for own, other in zip(plane.directions, directions, strict=False):
        assert abs(own @ other) == pytest.approx(1)
    # Pythagoras, for each point.
    from_end = np.linalg.norm(walk - walk[-1], axis=1)
    on_plane = np.linalg.norm(plane.points, axis=1)
    np.testing.assert_allclose(on_plane**2 + plane.beside**2, from_end**2, rtol=1e-10)
    assert plane.points[-1].tolist() == [0, 0]
    assert plane.beside[-1] == 0


def test_a_flat_path_lies_on_its_plane() -> None:
    corners = np.array([[0.0, 0.0], [3.0, 1.0], [4.0, 4.0], [5.0, 4.5]])
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 2)))[0].T
    plane = principal_plane(corners @ basis + 7)
    assert plane.explained.sum() == pytest.approx(1)
    np.testing.assert_allclose(plane.beside, 0, atol=1e-12)
    between = np.linalg.norm(np.diff(plane.points, axis=0), axis=1)
    np.testing.assert_allclose(between, np.linalg.norm(np.diff(corners, axis=0), axis=1))


def test_a_random_walk_puts_three_quarters_into_two_directions() -> None:
    """6/π² and 6/(2π)² of it, for a long walk in many dimensions (arXiv 1806.08805, section 3)."""
    walk = np.random.default_rng(0).standard_normal((100, 5000)).cumsum(axis=0)
    expected = [6 / np.pi**2, 6 / (2 * np.pi) ** 2]
    np.testing.assert_allclose(principal_plane(walk).explained, expected, atol=0.02)


def test_the_loss_at_the_end_of_the_path_is_the_true_one(kept: Run) -> None:
    subject = Subject(kept)
    view = path.compute(subject, points=9, examples=60)
    assert view.epochs == [0, 1, 2, 3]
    few, program = subject.dataset.train.first(60), subject.program
    end = kept.parameters("model")
    u, v = ({}, {})
    for direction, flat in zip((u, v), view.plane.directions, strict=True):
        place = 0
        for name, w in end.items():
            direction[name] = flat[place : place + w.size].reshape(w.shape)
            place += w.size
    # Off the grid, so from the plane itself: the corner of the picture.
    corner = {n: w + view.a[0] * u[n] + view.b[-1] * v[n] for n, w in end.items()}
    program.set_parameters({n: w.astype(np.float32) for n, w in corner.items()})
    loss = program.evaluate(few.inputs, few.targets).loss
    assert view.loss[-1, 0] == pytest.approx(loss, rel=1e-5)
    assert view.lengths[-1] == 0
    whole = [
        np.concatenate([w.ravel() for w in p.values()]) for p in kept.kept_parameters().values()
    ]
    assert view.lengths[0] == pytest.approx(np.linalg.norm(whole[0] - whole[-1]), rel=1e-5)


def test_the_picture_holds_the_path_and_a_margin(kept: Run) -> None:
    view = path.compute(Subject(kept), points=5, examples=20)
    for line, points in zip((view.a, view.b), view.plane.points.T, strict=True):
        assert line[0] < points.min()
        assert points.max() < line[-1]


def test_what_the_plane_leaves_out_is_said(kept: Run, tmp_path: Path) -> None:
    said: list[str] = []
    paths = show(kept, ["path"], tmp_path, tell=said.append)
    assert [each.name for each in paths] == ["path.png"]
    view = path.compute(Subject(kept), points=3, examples=20)
    first, second = 100 * view.plane.explained
    worst = int(np.argmax(view.plane.beside))
    assert said == [
        f"the plane has {first:.1f} + {second:.1f} % of the path's variance; epoch {worst} lies "
        f"farthest beside it, by {view.plane.beside[worst]:.3g}, and {view.lengths[worst]:.3g} "
        "from the end of the path"
    ]


def test_the_figure_says_what_it_shows(kept: Run) -> None:
    view = path.compute(Subject(kept), points=5, examples=20)
    page = path.draw(view)
    plane, distances, bar = page.axes
    assert page.texts[0].get_text() == (
        "The path of the parameters, on the plane that holds most of it"
    )
    assert page.texts[1].get_text().startswith("Bars, dots and frames\nrun kept, 3 of 3 epochs; ")
    assert [text.get_text() for text in plane.texts][-2:] == ["start", "epoch 3"]
    np.testing.assert_array_equal(plane.get_lines()[-1].get_xydata(), view.plane.points)
    assert bar.get_ylabel() == "loss (log)"
    ends, beside = distances.get_lines()
    np.testing.assert_array_equal(ends.get_ydata(), view.lengths)
    np.testing.assert_array_equal(beside.get_ydata(), view.plane.beside)
    assert [text.get_text() for text in distances.get_legend().get_texts()] == [
        "from where they end",
        "beside the plane",
    ]


def test_a_run_that_kept_too_few_epochs(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        show(run, ["path"], tmp_path)
    assert str(caught.value) == (
        "view path does not apply: the parameters of 3 epochs are needed, and run shapes kept "
        "those of 0 (byhand train with --set training.keep_epochs=true keeps all); leave it out"
    )
