from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from byhand.views import Subject, predictions
from byhand.views.predictions import Predictions
from byhand.views.style import BLUE, GREY, RED


def test_the_first_test_images_with_their_outputs(subject: Subject) -> None:
    view = predictions.compute(subject, shown=6)
    test = subject.dataset.test
    np.testing.assert_array_equal(view.images, test.inputs[:6])
    np.testing.assert_array_equal(view.true, test.targets[:6])
    np.testing.assert_array_equal(view.outputs, subject.program.predict(test.inputs)[:6])
    np.testing.assert_allclose(view.outputs.sum(axis=1), 1, rtol=1e-5)


@pytest.fixture
def view() -> Predictions:
    """Three images, the second answered wrongly."""
    outputs = np.array([[0.1, 0.7, 0.2], [0.25, 0.15, 0.6], [0, 0, 1.0]])
    images = np.zeros((3, 1, 5, 5))
    return Predictions("about", ("bar", "dot", "frame"), "p", images, np.array([1, 0, 2]), outputs)


def bars(axes: Axes) -> list[tuple[str, float, str]]:
    """Class, length and colour of each bar, from the top."""
    return [
        (label.get_text(), bar.get_width(), to_hex(bar.get_facecolor()).upper())
        for label, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)
    ]


def test_bars_go_from_the_answer_down(view: Predictions) -> None:
    right, wrong = predictions.draw(view).axes[1], predictions.draw(view).axes[3]
    assert right.yaxis_inverted()
    assert bars(right) == [("dot", 0.7, BLUE), ("frame", 0.2, GREY), ("bar", 0.1, GREY)]
    assert bars(wrong) == [("frame", 0.6, RED), ("bar", 0.25, BLUE), ("dot", 0.15, GREY)]
    assert [text.get_text() for text in wrong.texts] == ["0.600", "0.250", "0.150"]


def test_the_titles(view: Predictions) -> None:
    page = predictions.draw(view)
    headline, about = (text.get_text() for text in page.texts)
    assert headline == "Predictions: 2 of the first 3 test images answered right"
    assert about == "about\nbars: probability of the 3 likeliest classes; blue: the true class"
    titles = [axes.get_title(loc="left") for axes in page.axes[1::2]]
    assert titles == ["right", "wrong: it is bar", "right", ""]
