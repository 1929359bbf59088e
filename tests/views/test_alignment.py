from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byhand.views import alignment
from byhand.views.subject import DoesNotApply, Subject

from .conftest import letters_reversed

GRUS = 'kind = "seq2seq"\nembedding = 4\nhidden = 6\nattention = "{}"'


@pytest.mark.slow
def test_the_matrix_of_a_translation_grows(tmp_path: Path) -> None:
    view = alignment.compute(letters_reversed(tmp_path, "dot", GRUS.format("dot")))
    assert view.p.shape == (len(view.wrote), len(view.read))
    assert view.read[-1] == "<eos>"
    np.testing.assert_allclose(view.p.sum(axis=1), 1, rtol=1e-5)
    grown = view.after(1)
    np.testing.assert_array_equal(grown[0], view.p[0])
    assert np.isnan(grown[1:]).all()
    assert view.words.startswith(f"looked at most: {view.wrote[0]} ← ")
    assert alignment.draw(view).axes


@pytest.mark.slow
def test_a_model_that_looks_at_nothing(tmp_path: Path) -> None:
    with pytest.raises(DoesNotApply) as caught:
        alignment.compute(letters_reversed(tmp_path, "none", GRUS.format("none")))
    assert str(caught.value) == "attention to the source is needed, and the network has none"


def test_runs_of_another_kind(text: Subject) -> None:
    with pytest.raises(DoesNotApply) as caught:
        alignment.compute(text)
    expected = "pairs of sentences are needed, and run text-lstm was trained on none"
    assert str(caught.value) == expected
