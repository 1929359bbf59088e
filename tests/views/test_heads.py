from __future__ import annotations

import numpy as np
import pytest

import byhand
from byhand import engines
from byhand.data import Split
from byhand.engines import Program
from byhand.models import char_rnn, gpt
from byhand.views import heads
from byhand.views.heads import Heads, heads_of
from byhand.views.subject import DoesNotApply, Subject

TEST = Split(np.arange(12).reshape(2, 6) % 3, np.arange(1, 13).reshape(2, 6) % 3)


def program_of(model: byhand.Sequential) -> Program:
    return engines.compile(model, byhand.SoftmaxCrossEntropy(), byhand.SGD(0.1))


def test_the_loss_without_a_head_and_the_parameters_as_before() -> None:
    program = program_of(gpt(3, width=8, depth=2, heads=2, context=6).initialize(0))
    before = program.parameters()
    view = heads_of(program, TEST, "about")
    assert [len(changes) for changes in view.changes.values()] == [2, 2]
    for name, value in program.parameters().items():
        np.testing.assert_array_equal(value, before[name])
    assert view.loss == program.evaluate(TEST.inputs, TEST.targets).loss
    layer = next(iter(view.changes))
    cut = before[f"{layer}.Wo"].copy()
    cut[4:] = 0
    program.set_parameters(before | {f"{layer}.Wo": cut})
    without = program.evaluate(TEST.inputs, TEST.targets).loss
    assert without != view.loss
    assert view.changes[layer][1] == pytest.approx(without - view.loss)
    assert heads.draw(view).axes


def test_a_head_that_says_nothing_changes_nothing() -> None:
    model = gpt(3, width=8, depth=1, heads=2, context=6).initialize(0)
    (name,) = (name for name in model.parameters if name.endswith(".Wo"))
    program = program_of(model)
    silent = program.parameters()[name].copy()
    silent[:4] = 0
    program.set_parameters(program.parameters() | {name: silent})
    (changes,) = heads_of(program, TEST, "about").changes.values()
    assert changes[0] == 0
    assert changes[1] != 0


def test_the_words() -> None:
    view = Heads("", 1.5, {"a": np.array([0.1, -0.2]), "b": np.array([0.0, 0.25])})
    assert view.words == "loss 1.500; most by b head 1: +0.250 without it"


def test_each_row_is_named_by_its_block_and_each_number_can_be_read() -> None:
    names = [f"{block}.selfattention1" for block in ("encoder.attention1", "attention1")]
    view = Heads(
        "", 1.5, dict(zip([*names, "alone"], np.array([[0.1], [-0.2], [0.0]]), strict=True))
    )
    axes = heads.draw(view).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["encoder.attention1", "attention1", "alone"]
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert colours == {"+0.100": "black", "−0.200": "white", "+0.000": "black"}


def test_a_network_without_heads(text: Subject) -> None:
    with pytest.raises(DoesNotApply) as caught:
        heads_of(program_of(char_rnn(3, hidden=[2]).initialize(0)), TEST, "about")
    assert str(caught.value) == "attention is needed, and the network has no layer with heads"
    with pytest.raises(DoesNotApply):
        heads.compute(text)
