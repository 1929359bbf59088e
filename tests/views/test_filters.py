from __future__ import annotations

import numpy as np
import pytest

from byhand.layers import Convolution2D
from byhand.training import Run
from byhand.views import DoesNotApply, Focus, Subject, filters


def test_a_filter_is_that_of_the_best_epoch(cnn_run: Run, cnn: Subject) -> None:
    (found,) = filters.compute(cnn).layers
    assert (found.layer, found.shape) == ("filters1", (4, 1, 2, 2))
    np.testing.assert_array_equal(found.units, [0, 1, 2, 3])
    np.testing.assert_array_equal(found.W, cnn_run.parameters("best")["filters1.W"])


def test_one_unit(cnn_run: Run) -> None:
    view = filters.compute(Subject(cnn_run, focus=Focus(unit=2)))
    (found,) = view.layers
    np.testing.assert_array_equal(found.W, cnn_run.parameters("best")["filters1.W"][2:3])
    assert filters.draw(view).axes[0].get_title("left") == "filters1   W 4 x 1 x 2 x 2   unit 2"


def test_the_scale_holds_nearly_all_weights() -> None:
    layer = Convolution2D(3, 5, 4).initialize(0)
    sizes = np.sort(np.abs(layer.W).ravel())
    assert sizes[-3] < filters.filters_of(layer).limit <= sizes[-1]


def test_more_than_one_channel_is_a_table_of_units_and_channels() -> None:
    layer = Convolution2D(25, 30, 3, name="second").initialize(0)
    found = filters.filters_of(layer)
    assert found.W.shape == (20, 20, 3, 3)
    page = filters.draw(filters.Filters("about", (found,)))
    axes, bar = page.axes
    assert axes.get_title("left") == (
        "second   W 30 x 25 x 3 x 3   rows: 20 of 30 units; columns: 20 of 25 channels"
    )
    (image,) = axes.get_images()
    picture = np.ma.filled(image.get_array(), np.nan)
    # Unit 2 begins in row 2 · (3 + 1), its channel 7 in column 7 · (3 + 1).
    np.testing.assert_array_equal(picture[8:11, 28:31], layer.W[2, 7])
    assert np.isnan(picture[3]).all()
    assert np.isnan(picture[:, 3]).all()
    assert image.get_clim() == (-found.limit, found.limit)
    assert [label.get_text() for label in bar.get_yticklabels()][1] == "0"


def test_a_network_without_convolutions(subject: Subject) -> None:
    with pytest.raises(DoesNotApply) as caught:
        filters.compute(subject)
    assert str(caught.value) == "a convolutional layer is needed, and the network has none"


def test_a_layer_that_is_no_convolution(cnn_run: Run) -> None:
    with pytest.raises(DoesNotApply) as caught:
        filters.compute(Subject(cnn_run, focus=Focus(layer="hidden1")))
    assert str(caught.value) == "a convolutional layer is needed, and layer hidden1 is none"
