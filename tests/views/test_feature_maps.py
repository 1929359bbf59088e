from __future__ import annotations

import numpy as np

from byhand.training import Run
from byhand.views import Focus, Subject, feature_maps
from byhand.views.subject import in_our_layers


def test_the_maps_are_the_outputs_of_each_layer(cnn: Subject) -> None:
    view = feature_maps.compute(cnn)
    model, image = in_our_layers(cnn.program), cnn.dataset.test.inputs[0]
    np.testing.assert_array_equal(view.image, image)
    x = image[None]
    for layer in model.layers:
        x, _ = layer.forward(x)
        if layer.name != "flatten1":
            np.testing.assert_allclose(view.maps[str(layer.name)], x[0], rtol=1e-5, atol=1e-6)
    assert list(view.maps) == ["filters1", "maxpool2d1", "relu1", "hidden1", "relu2", "output"]


def test_each_row_says_its_shape(cnn: Subject) -> None:
    view = feature_maps.compute(cnn)
    page = feature_maps.draw(view)
    assert page.texts[0].get_text() == f"Feature maps: {view.caption}"
    titles = [title for axes in page.axes if (title := axes.get_title("left"))]
    assert titles == [
        "image   1 x 5 x 5",
        "Convolution2D filters1   4 x 4 x 4",
        "maxpool2d1   4 x 2 x 2",
        "relu1   4 x 2 x 2",
        "Dense hidden1   6",
        "relu2   6",
        "Dense output   3",
    ]


def test_each_row_has_a_scale_of_its_own_around_zero(cnn: Subject) -> None:
    view = feature_maps.compute(cnn)
    rows = [axes.get_images()[0] for axes in feature_maps.draw(view).axes[1:7]]
    for image, maps in zip(rows, view.maps.values(), strict=True):
        most = np.abs(maps).max()
        np.testing.assert_allclose(image.get_clim(), (-most, most))


def test_one_layer_of_an_example(cnn_run: Run) -> None:
    subject = Subject(cnn_run, focus=Focus(layer="relu1", example=5))
    view = feature_maps.compute(subject)
    assert list(view.maps) == ["relu1"]
    expected = subject.program.activations(subject.dataset.test.inputs[5:6])["relu1"][0]
    np.testing.assert_array_equal(view.maps["relu1"], expected)


def test_what_is_left_out_is_said(cnn: Subject) -> None:
    rng = np.random.default_rng(0)
    maps = {"many": rng.standard_normal((64, 3, 3)), "long": rng.standard_normal(120)}
    titles = {name: name for name in maps}
    view = feature_maps.FeatureMaps("about", "an image", np.zeros((1, 4, 4)), maps, titles)
    page = feature_maps.draw(view)
    found = [axes.get_title("left") for axes in page.axes[1:3]]
    assert found == ["many   64 x 3 x 3   the first 10", "long   120   the first 100"]
    alone = feature_maps.FeatureMaps(
        "about", "an image", view.image, {"many": maps["many"]}, titles
    )
    axes = feature_maps.draw(alone).axes[1]
    assert axes.get_title("left") == "many   64 x 3 x 3   the first 60"
    assert axes.get_images()[0].get_array().shape == (6 * 4 - 1, 10 * 4 - 1)
