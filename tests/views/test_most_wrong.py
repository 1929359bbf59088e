from __future__ import annotations

from dataclasses import replace

import numpy as np

from byhand.views import Subject, most_wrong


def test_the_surest_wrong_answers_come_first(subject: Subject) -> None:
    view = most_wrong.compute(subject, shown=1000)
    outputs, labels = subject.test_outputs, subject.dataset.test.targets
    expected = sorted(
        (-outputs[k].max(), k) for k in range(len(labels)) if outputs[k].argmax() != labels[k]
    )
    assert 2 < len(expected) < 40
    assert view.examples.tolist() == [k for _, k in expected]
    np.testing.assert_array_equal(view.outputs, [-p for p, _ in expected])
    assert (view.wrong, view.total) == (len(expected), 60)


def test_the_examples_are_shown_as_they_are(subject: Subject) -> None:
    view = most_wrong.compute(subject, shown=3)
    test = subject.dataset.test
    assert len(view.examples) == 3
    np.testing.assert_array_equal(view.images, test.inputs[view.examples])
    np.testing.assert_array_equal(view.true, test.targets[view.examples])
    picked = subject.test_outputs[view.examples, view.answered]
    np.testing.assert_array_equal(view.outputs, picked)
    assert (view.answered != view.true).all()


def test_the_captions(subject: Subject) -> None:
    view = most_wrong.compute(subject, shown=4)
    page = most_wrong.draw(view)
    headline, about = (text.get_text() for text in page.texts)
    assert headline == f"Most wrong: the surest of {view.wrong} wrong answers to 60 images"
    assert about.splitlines()[0] == "Bars, dots and frames"
    assert about.splitlines()[2] == "true class → answer; p: the probability of that answer"
    true, answered = view.classes[view.true[0]], view.classes[view.answered[0]]
    assert page.axes[0].get_title() == f"{true} → {answered}\np = {view.outputs[0]:.3f}"
    np.testing.assert_array_equal(page.axes[0].get_images()[0].get_array(), view.images[0, 0])
    assert [bool(axes.get_images()) for axes in page.axes] == [True] * 4 + [False] * 2


def test_long_names_take_a_line_each(subject: Subject) -> None:
    view = replace(
        most_wrong.compute(subject, shown=1),
        classes=("T-shirt", "a dress for the evening", "bag"),
        symbol="a",
        true=np.array([0]),
        answered=np.array([1]),
        outputs=np.array([0.75]),
    )
    page = most_wrong.draw(view)
    assert page.axes[0].get_title() == "T-shirt →\na dress f… evening\na = 0.750"
    assert page.texts[1].get_text().endswith("true class → answer; a: the output of that answer")
