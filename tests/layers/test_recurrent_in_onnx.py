"""The recurrent cases of the tests by which ONNX's backends are judged, and the reference code
that their answers come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx.backend.test.case import node
from onnx.backend.test.case.node.gru import GRUHelper
from onnx.backend.test.case.node.lstm import LSTMHelper
from onnx.backend.test.case.node.rnn import RNNHelper
from onnx.helper import get_attribute_value

from byhand.layers.bidirectional import Bidirectional
from byhand.layers.gru import GRU
from byhand.layers.lstm import LSTM
from byhand.layers.rnn import RNN

from .peer import assert_same

KINDS: dict[str, Any] = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}
# Our gates' places in ONNX's order: i, o, f, g there for an LSTM, z, r, n for a GRU.
ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}
CASES = [
    case
    for case in node._NodeTestCases
    # Peepholes, weights from c to the gates, are no part of our LSTM.
    if case.model.graph.node[0].op_type in KINDS and "peepholes" not in case.name
]


def from_onnx(kind: str, W: Any, R: Any, B: Any, **options: Any) -> Any:
    """Our layer with one direction's weights: W[gates hidden, in], R[gates hidden, hidden], and B
    with the inputs' biases first."""
    layer = KINDS[kind](W.shape[1], R.shape[1], **options)
    hidden, order = R.shape[1], ORDER[kind]

    def sorted_gates(rows: Any) -> Any:
        blocks = rows.reshape(-1, hidden, *rows.shape[1:])
        return blocks[order].reshape(rows.shape)

    inside, within = (sorted_gates(half) for half in np.split(B, 2))
    layer.Wx, layer.Wh = sorted_gates(W).T, sorted_gates(R).T
    layer.b = inside + within
    if kind == "GRU":
        layer.bn = within[2 * hidden :]
        layer.b[2 * hidden :] = inside[2 * hidden :]
    return layer


def run(kind: str, x: Any, W: Any, R: Any, B: Any, direction: str, **options: Any) -> Any:
    """Y[time, directions, batch, hidden] and the final states [directions, (2,) batch, hidden], for
    ONNX's x[time, batch, in]. A reverse layer is one half of a bidirectional one."""
    pair = [from_onnx(kind, W[d], R[d], B[d], **options) for d in (0, -1)]
    both = Bidirectional(*pair)
    h, cache = both.forward(x.swapaxes(0, 1))
    halves, states = np.split(h.swapaxes(0, 1), 2, axis=2), both.final_state(cache)
    wanted = {"forward": slice(0, 1), "reverse": slice(1, 2), "bidirectional": slice(0, 2)}
    return np.stack(halves, axis=1)[:, wanted[direction]], np.stack(states)[wanted[direction]]


def test_the_cases_are_there() -> None:
    assert len(CASES) >= 17
    assert {case.model.graph.node[0].op_type for case in CASES} == set(KINDS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_of_the_backends_tests(case: Any) -> None:
    [operator] = case.model.graph.node
    kind, (inputs, outputs) = operator.op_type, case.data_sets[0]
    options = {a.name: get_attribute_value(a) for a in operator.attribute}
    given = dict(zip(operator.input, inputs, strict=True))
    assert given.keys() <= {"X", "W", "R", "B"}
    assert options.keys() <= {"hidden_size", "direction", "layout"}
    x, W, R = (given[name] for name in "XWR")
    B = given.get("B", np.zeros((len(W), 2 * W.shape[1]), W.dtype))
    reset = {"reset": "before"} if kind == "GRU" else {}  # linear_before_reset is 0 unless given
    by_example = options.get("layout") == 1
    Y, state = run(
        kind,
        x.swapaxes(0, 1) if by_example else x,
        *(W, R, B),
        options.get("direction", b"forward").decode(),
        **reset,
    )
    ours = {"Y": Y, "Y_h": state[:, 0] if kind == "LSTM" else state}
    if kind == "LSTM":
        ours["Y_c"] = state[:, 1]
    if by_example:
        ours = {"Y": Y.transpose(2, 0, 1, 3), "Y_h": ours["Y_h"].swapaxes(0, 1)}
    expected = dict(zip(filter(None, operator.output), outputs, strict=True))
    assert expected
    for name, value in expected.items():
        assert ours[name].shape == value.shape
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "helper", "options"),
    [
        ("RNN", RNNHelper, {}),
        ("LSTM", LSTMHelper, {}),
        ("GRU", GRUHelper, {"reset": "before"}),
        ("GRU", GRUHelper, {"reset": "after"}),
    ],
    ids=["RNN", "LSTM", "GRU linear_before_reset=0", "GRU linear_before_reset=1"],
)
def test_the_reference_code_at_other_numbers(
    kind: str, helper: Any, options: dict[str, str], direction: str
) -> None:
    """Most cases have equal weights for all gates, which hides their order, and none has
    linear_before_reset = 1."""
    rng = np.random.default_rng(0)
    directions, gates, hidden = 1 + (direction == "bidirectional"), len(ORDER[kind]), 4
    x = rng.standard_normal((5, 2, 3))
    W = rng.standard_normal((directions, gates * hidden, 3))
    R = rng.standard_normal((directions, gates * hidden, hidden))
    B = rng.standard_normal((directions, 2 * gates * hidden))
    settings = {"linear_before_reset": int(options["reset"] == "after")} if options else {}
    theirs = helper(X=x, W=W, R=R, B=B, direction=direction, **settings).step()
    Y, state = run(kind, x, W, R, B, direction, **options)
    assert_same(Y, theirs[0])
    assert_same(state[:, 0] if kind == "LSTM" else state, theirs[1])
