from __future__ import annotations

import numpy as np
import pytest

from byhand.layers import PADDING, Embedding, Sequential
from byhand.models import seq2seq, transformer
from byhand.training.alignment import alignments

IDS = np.array([[[2, 3, 4, 1], [0, 2, 3, PADDING]], [[3, 1, PADDING, PADDING], [0, 4, 2, 3]]])


@pytest.mark.parametrize("attention", ["dot", "general", "additive"])
def test_what_a_recurrent_decoder_looks_at(attention: str) -> None:
    model = seq2seq(5, 5, embedding=3, hidden=4, attention=attention).initialize(1)
    ((name, p),) = alignments(model, IDS).items()
    assert name == f"attention.{attention}attention1"
    assert p.shape == (2, 1, 4, 4)
    assert np.allclose(p.sum(axis=-1)[:, 0], [[1, 1, 1, 0], [1, 1, 1, 1]])
    assert np.all(p[1, 0, :, 2:] == 0)
    assert len(np.unique(p[0, 0, :3])) > 4


def test_what_the_heads_of_a_transformer_look_at() -> None:
    model = transformer(5, 5, width=6, heads=3, depth=2).initialize(1)
    found = alignments(model, IDS)
    assert list(found) == [f"cross_attention{k}.crossattention1" for k in (1, 2)]
    for p in found.values():
        assert p.shape == (2, 3, 4, 4)
        assert np.allclose(p[1].sum(axis=-1), 1)
        assert np.all(p[1, :, :, 2:] == 0)
        assert not np.allclose(p[0, 0], p[0, 1])


def test_who_looks_at_nothing() -> None:
    assert (
        alignments(seq2seq(5, 5, embedding=3, hidden=4, attention="none").initialize(1), IDS) == {}
    )
    assert alignments(Sequential(Embedding(5, 3)).initialize(1), IDS[:, 1]) == {}
