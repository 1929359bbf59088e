from __future__ import annotations

import numpy as np
import pytest

from byhand.layers import Dense
from byhand.training import Run
from byhand.views import Focus, Subject, saliency
from byhand.views.occlusion import occlusion
from byhand.views.projection import STEPS, back_to_pixels
from byhand.views.subject import in_our_layers


def test_the_maps_are_of_the_class_answered(cnn: Subject) -> None:
    view = saliency.compute(cnn)
    images = cnn.dataset.test.inputs[:5]
    answers = cnn.test_outputs[:5].argmax(axis=1)
    np.testing.assert_array_equal(view.units, answers)
    assert view.names == [f"score of {cnn.dataset.classes[k]}" for k in answers]
    assert view.of == "a class"
    nowhere, layers = np.zeros((5, 2), int), in_our_layers(cnn.program).layers
    for method in STEPS:
        expected = back_to_pixels(method, layers, images, answers, nowhere)
        np.testing.assert_array_equal(view.maps[method], expected)
    for k, (image, unit) in enumerate(zip(images, answers, strict=True)):

        def score(x: np.ndarray, unit: int = unit) -> np.ndarray:
            return cnn.program.activations(x)["output"][:, unit]

        expected = occlusion(score, image, size=1, step=1)
        np.testing.assert_array_equal(view.maps["occlusion"][k, 0], expected)


def test_a_unit_of_a_layer_where_it_is_strongest(cnn_run: Run) -> None:
    subject = Subject(cnn_run, focus=Focus(example=7, layer="relu1", unit=1))
    view = saliency.compute(subject)
    image = subject.dataset.test.inputs[7:8]
    maps = subject.program.activations(image)["relu1"][0, 1]
    position = np.array(np.unravel_index(maps.argmax(), maps.shape))[None]
    layers = in_our_layers(subject.program).layers[:3]
    expected = back_to_pixels("gradient", layers, image, np.array([1]), position)
    np.testing.assert_array_equal(view.maps["gradient"], expected)
    assert (view.of, view.names) == ('a unit of layer "relu1"', ["unit 1"])
    assert view.maps["occlusion"].shape == (1, 1, 5, 5)


def test_the_strongest_unit_and_its_place() -> None:
    y = np.zeros((2, 3, 4, 5))
    y[0, 2, 3, 1] = y[1, 1, 0, 4] = 1
    y[1, 2, 2, 2] = 0.5
    layer = Dense(1, 1, name="some")
    units, positions = saliency.strongest_units(y, layer)
    np.testing.assert_array_equal(units, [2, 1])
    np.testing.assert_array_equal(positions, [[3, 1], [0, 4]])
    units, positions = saliency.strongest_units(y, layer, 2)
    np.testing.assert_array_equal(units, [2, 2])
    np.testing.assert_array_equal(positions, [[3, 1], [2, 2]])
    units, positions = saliency.strongest_units(np.array([[1.0, 3, 2]]), layer)
    np.testing.assert_array_equal(units, [1])
    np.testing.assert_array_equal(positions, [[0, 0]])


@pytest.mark.parametrize("fixture", ["subject", "cnn"])
def test_the_figure(fixture: str, request: pytest.FixtureRequest) -> None:
    subject = request.getfixturevalue(fixture)
    view = saliency.compute(subject)
    page = saliency.draw(view)
    *cells, bar = page.axes
    assert page.texts[0].get_text() == "What speaks for a class"
    assert [axes.get_title("left") for axes in cells[1:5]] == list(saliency.TITLES.values())
    assert cells[5].get_title("left") == f"{view.captions[1]}\n{view.names[1]}"
    assert bar.get_xlabel() == (
        "number, as a share of nearly the largest of its image: red speaks for it, blue against it"
    )
    # The gradient of the first image: its largest number is at an end of the colours.
    drawn, signal = cells[1].get_images()[0].get_array(), view.maps["gradient"][0, 0]
    top = np.unravel_index(np.abs(signal).argmax(), signal.shape)
    red, _, blue = drawn[top]
    assert (red > blue) == (signal[top] > 0)
    assert max(red, blue) < 0.5  # the ends are dark


def test_values_to_predict_have_no_classes(values: Run) -> None:
    view = saliency.compute(Subject(values))
    assert view.of == 'a unit of layer "output"'
    assert set(view.names) == {"unit 0"}
