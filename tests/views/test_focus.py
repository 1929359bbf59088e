from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byhand.engines import ENGINES
from byhand.errors import InputError
from byhand.training import Run
from byhand.views import Focus, Subject, feature_maps, filters, saliency, strongest_patches
from byhand.views.subject import in_our_layers


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def test_without_a_focus_it_is_the_first_test_images(cnn: Subject) -> None:
    images, names = cnn.chosen_images(2)
    test, classes = cnn.dataset.test, cnn.dataset.classes
    np.testing.assert_array_equal(images, test.inputs[:2])
    assert names == [f"test image {k}: {classes[test.targets[k]]}" for k in (0, 1)]


def test_a_test_example(cnn_run: Run) -> None:
    subject = Subject(cnn_run, focus=Focus(example=59))
    images, names = subject.chosen_images(4)
    np.testing.assert_array_equal(images, subject.dataset.test.inputs[59:])
    assert len(names) == 1
    assert names[0].startswith("test image 59: ")


def test_a_picture_is_made_what_the_network_takes(cnn_run: Run, tmp_path: Path) -> None:
    pixels = np.zeros((10, 10), np.uint8)
    pixels[:4] = 255
    Image.fromarray(pixels).save(tmp_path / "stripe.png")
    images, names = Subject(cnn_run, focus=Focus(picture=tmp_path / "stripe.png")).chosen_images(4)
    assert (images.shape, images.dtype, names) == ((1, 1, 5, 5), np.float32, ["stripe.png"])
    np.testing.assert_allclose(images[0, 0, [0, 4]], [[1] * 5, [0] * 5], atol=0.01)


@pytest.mark.parametrize("example", [-1, 60])
def test_an_example_that_there_is_not(cnn_run: Run, example: int) -> None:
    subject = Subject(cnn_run, focus=Focus(example=example))
    said = refusal(lambda: saliency.compute(subject))
    assert said == f"the test set has the examples 0 to 59; found {example}"


def test_an_example_and_a_picture() -> None:
    said = refusal(lambda: Focus(example=3, picture=Path("a.png")))
    assert said == "look at a test example or at a picture; found both, leave one out"


def test_a_layer_that_there_is_not(cnn_run: Run) -> None:
    views = (feature_maps, filters, saliency, strongest_patches)
    for view in views:
        subject = Subject(cnn_run, focus=Focus(layer="filter1"))
        said = refusal(lambda view=view, subject=subject: view.compute(subject))
        assert said == "no layer 'filter1'; did you mean filters1?"
    subject = Subject(cnn_run, focus=Focus(layer="xyz"))
    assert refusal(lambda: saliency.compute(subject)) == (
        "no layer 'xyz'; there is filters1, maxpool2d1, relu1, flatten1, hidden1, relu2, output"
    )


@pytest.mark.parametrize("unit", [-1, 4])
def test_a_unit_that_there_is_not(cnn_run: Run, unit: int) -> None:
    for view in (filters, saliency, strongest_patches):
        subject = Subject(cnn_run, focus=Focus(layer="filters1", unit=unit))
        said = refusal(lambda view=view, subject=subject: view.compute(subject))
        assert said == f"layer filters1 has the units 0 to 3; found {unit}"


def test_the_network_goes_backwards_with_the_parameters_of_any_engine(run: Run) -> None:
    best = run.parameters("best")
    for engine in ENGINES:
        model = in_our_layers(Subject(run, engine=engine).program)
        assert model.parameters.keys() == best.keys()
        for name, value in model.parameters.items():
            np.testing.assert_array_equal(value, best[name])
