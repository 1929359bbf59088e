from __future__ import annotations

import numpy as np
import pytest

from byhand.training import Run
from byhand.views import Focus, Subject, strongest_patches
from byhand.views.projection import back_to_pixels
from byhand.views.subject import in_our_layers


def test_the_strongest_by_looking_at_all() -> None:
    images = np.random.default_rng(0).random((600, 1, 1, 1))

    def ask(x: np.ndarray) -> np.ndarray:
        """Two units on 2 x 3 places, whose answers are made of the image's one number."""
        factors = np.array([[[1, 2, 3], [4, 5, 6]], [[-1, -2, -3], [-6, -5, -0.5]]])
        return x * factors

    found = strongest_patches.strongest(ask, images, most=4)
    order = np.argsort(images.ravel())
    np.testing.assert_array_equal(found.examples, [order[:-5:-1], order[:4]])
    np.testing.assert_array_equal(found.positions[0], [[1, 2]] * 4)
    np.testing.assert_array_equal(found.positions[1], [[1, 2]] * 4)
    numbers = images.ravel()
    np.testing.assert_allclose(
        found.values, [6 * numbers[order[:-5:-1]], -0.5 * numbers[order[:4]]]
    )


def test_of_equal_answers_the_first_image_comes_first() -> None:
    found = strongest_patches.strongest(lambda x: np.ones((len(x), 2)), np.zeros((300, 1, 1, 1)))
    np.testing.assert_array_equal(found.examples, [range(9)] * 2)
    np.testing.assert_array_equal(found.positions, np.zeros((2, 9, 2)))


def test_patches_are_cut_where_the_units_are_strongest(cnn: Subject) -> None:
    view = strongest_patches.compute(cnn)
    assert (view.layer, view.shape, view.images) == ("relu1", (4, 2, 2), 60)
    assert view.patches.shape == view.projections.shape == (4, 9, 1, 3, 3)
    images = cnn.dataset.test.inputs
    outputs = cnn.program.activations(images)["relu1"]
    for unit in range(4):
        answers = outputs[:, unit].reshape(60, 4).max(axis=1)
        for k, example in enumerate(np.argsort(-answers, kind="stable")[:9]):
            assert view.values[unit, k] == answers[example]
            p, q = divmod(int(outputs[example, unit].argmax()), 2)
            seen = np.s_[:, 2 * p : 2 * p + 3, 2 * q : 2 * q + 3]
            np.testing.assert_array_equal(view.patches[unit, k], images[example][seen])
            image, at = images[example : example + 1], np.array([[p, q]])
            (sent,) = back_to_pixels(
                "projection", in_our_layers(cnn.program).layers[:3], image, np.array([unit]), at
            )
            np.testing.assert_allclose(view.projections[unit, k], sent[seen], atol=1e-7)
            # All of it is inside of the patch.
            assert np.abs(sent).sum() == pytest.approx(np.abs(sent[seen]).sum())


def test_one_unit_of_another_layer(cnn_run: Run) -> None:
    view = strongest_patches.compute(Subject(cnn_run, focus=Focus(layer="filters1", unit=3)))
    assert (view.layer, view.patches.shape) == ("filters1", (1, 9, 1, 2, 2))
    np.testing.assert_array_equal(view.units, [3])


def test_without_convolutions_it_is_the_classes_and_whole_images(subject: Subject) -> None:
    view = strongest_patches.compute(subject)
    assert (view.layer, view.shape, view.patches.shape) == ("output", (3,), (3, 9, 1, 5, 5))


def test_the_figure(cnn: Subject) -> None:
    view = strongest_patches.compute(cnn)
    page = strongest_patches.draw(view)
    *cells, bar = page.axes
    assert page.texts[0].get_text() == 'The strongest patches of layer "relu1" (4 x 2 x 2)'
    assert "the 9 patches of 60 images that the unit answers to most" in page.texts[1].get_text()
    assert len(cells) == 2 * 3 * 2
    most, least = view.values[1, [0, 8]]
    assert cells[2].get_title("left") == f"unit 1: {most:.3g} to {least:.3g}"
    # Three by three tiles of three pixels, with white between them.
    drawn = cells[0].get_images()[0].get_array()
    assert drawn.shape == (11, 11, 3)
    np.testing.assert_allclose(drawn[4:7, 8:11, 0], view.patches[0, 5, 0])
    assert (drawn[3] == 1).all()
    assert not cells[-1].get_images()
    assert bar.get_xlabel().endswith("red is part of what it has found, blue of the opposite")
