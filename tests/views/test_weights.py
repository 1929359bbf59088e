from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from byhand.data import Dataset, Split
from byhand.training import Run, trainer_for
from byhand.training.recipe import read_recipe
from byhand.views import Subject, weights


def test_a_tile_is_a_column_of_W(run: Run, subject: Subject) -> None:
    view = weights.compute(subject)
    W = run.parameters("best")["hidden1.W"]
    assert (view.layer, view.units, view.tiles.shape) == ("hidden1", 7, (7, 5, 5))
    for unit in range(7):
        for row in range(5):
            np.testing.assert_array_equal(view.tiles[unit, row], W[5 * row : 5 * row + 5, unit])


def test_the_scale_holds_nearly_all_weights(subject: Subject) -> None:
    view = weights.compute(subject)
    sizes = np.sort(np.abs(view.tiles).ravel())
    assert sizes[-3] < view.limit <= sizes[-1]


def test_there_are_at_most_so_many_tiles(subject: Subject) -> None:
    view = weights.compute(subject, most=4)
    assert (len(view.tiles), view.units) == (4, 7)
    page = weights.draw(view)
    assert page.texts[0].get_text() == 'Weights of layer "hidden1": first 4 of 7 units'


def test_colours_are_averaged(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    def coloured(split: Split) -> Split:
        return Split(np.repeat(split.inputs, 3, axis=1), split.targets)

    splits = (coloured(s) for s in (dataset.train, dataset.validation, dataset.test))
    colours = Dataset("colours", *splits, dataset.classes)
    np.savez(tmp_path / "colours.npz", inputs=colours.train.inputs, targets=colours.train.targets)
    changes = [f'data.table="{tmp_path}/colours.npz"', "model.sizes=[75, 4, 3]"]
    recipe = read_recipe(run.folder / "config.toml", [*changes, "training.epochs=1"])
    own = Run.create(recipe, "colours", tmp_path)
    trainer_for(recipe, own).fit()
    view = weights.compute(Subject(own))
    W = own.parameters("best")["hidden1.W"]
    for unit in range(4):
        mean = (W[:25, unit] + W[25:50, unit] + W[50:, unit]) / 3
        np.testing.assert_allclose(view.tiles[unit].ravel(), mean, rtol=1e-5, atol=1e-7)
    label = weights.draw(view).axes[-1].get_xlabel()
    assert label.startswith("weight, mean over 3 channels; ")


def test_all_tiles_share_one_scale_around_zero(subject: Subject) -> None:
    view = weights.compute(subject)
    page = weights.draw(view)
    *cells, bar = page.axes
    assert page.texts[0].get_text() == 'Weights of layer "hidden1": 7 units'
    images = [image for axes in cells for image in axes.get_images()]
    assert {image.get_clim() for image in images} == {(-view.limit, view.limit)}
    assert {image.get_cmap().name for image in images} == {"RdBu_r"}
    np.testing.assert_array_equal(images[6].get_array(), view.tiles[6])
    assert bar.get_xlabel() == (
        "weight; a bright pixel speaks for the unit where red, against it where blue"
    )


@pytest.mark.parametrize(
    ("units", "grid"), [(30, (3, 10)), (64, (8, 8)), (3, (1, 3)), (18, (2, 9))]
)
def test_the_grid_is_as_full_as_can_be(subject: Subject, units: int, grid: tuple[int, int]) -> None:
    view = replace(weights.compute(subject), tiles=np.ones((units, 5, 5)), units=units)
    layout = weights.draw(view).axes[0].get_gridspec()
    assert (layout.nrows, layout.ncols) == grid


def test_weights_of_zero_can_be_drawn(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    program = subject.program
    zero = {name: np.zeros_like(value) for name, value in program.parameters().items()}
    monkeypatch.setattr(program, "parameters", lambda: zero)
    view = weights.compute(subject)
    assert view.limit == 1
    assert weights.draw(view).axes[0].get_images()[0].get_clim() == (-1, 1)
