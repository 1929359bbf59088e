"""The experiments that look inside of networks, and those on engines and machines: each finds what
its caption says."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from .conftest import EXPERIMENTS


@pytest.mark.slow
def test_a_filter_stays_near_where_it_was_drawn(run: Any) -> None:
    found = run("filters", steps=300)
    before, after = found.filters.values()
    alike = np.corrcoef(before.W.ravel(), after.W.ravel())[0, 1]
    assert 0.6 < alike < 0.99
    for first, second in (found.alike.values(),):
        assert np.all(np.abs(first) < 0.1)
        assert np.all(np.array(second) > np.array(first) + 0.04)


@pytest.mark.slow
def test_the_way_of_a_digit_through_the_layers(run: Any) -> None:
    found = run("feature_maps", steps=300)
    shapes = {name: shape for name, (shape, _, _) in found.layers.items()}
    fields = {name: field.size for name, (_, _, field) in found.layers.items()}
    assert (shapes["relu2"], fields["relu2"]) == ((24, 4, 4), (16, 16))
    assert found.maps.maps["relu1"].shape == shapes["relu1"]
    assert found.maps.maps["output"].argmax() == 7
    assert found.accuracy > 0.85


@pytest.mark.slow
def test_few_units_stand_for_a_digit_and_projections_mark_ink(run: Any) -> None:
    found = run("strongest_patches", steps=300)
    kinds = np.array([len(set(row)) for row in found.digits])
    assert len(kinds) == 24
    assert np.mean(kinds <= 2) < 0.5
    assert np.mean(kinds) < 6  # nine digits at random are of more than six kinds
    patches, marked = found.ink
    assert patches < 0.4
    assert marked > 0.6


@pytest.mark.slow
def test_guided_backpropagation_hardly_sees_that_the_answer_is_forgotten(run: Any) -> None:
    found = run("saliency", steps=300, seeds=1)
    right, score = found.before
    assert right == 1
    erased = {name: left for name, (_, left) in found.erased.items()}
    for method in ("gradient", "guided", "projection", "occlusion"):
        assert erased[method] < erased["ink at random"] < score
    assert min(erased, key=erased.__getitem__) == "gradient"
    forgotten = found.forgotten["output"]
    assert forgotten["guided"] > 0.8
    assert forgotten["gradient"] < 0.7
    assert found.forgotten["all"]["guided"] > found.forgotten["all"]["gradient"]


@pytest.mark.slow
def test_a_convention_is_told_from_a_rounding_and_not_by_the_accuracy(run: Any) -> None:
    found = run("the_same_in_pytorch")
    exact, rounded, *conventions = found.distance.values()
    assert len(conventions) == 5
    assert exact.max() < 1e-10
    assert 1e-8 < rounded[-1] < 1e-4
    for distance in conventions:
        assert distance[-1] > 100 * rounded[-1]
        assert distance[1] > 100 * rounded[1]
    accuracy = found.accuracy
    assert accuracy["torch engine, float64"] == accuracy["NumPy"]
    for name in ("one W not transposed", "Nesterov's momentum"):
        assert accuracy[name] > accuracy["NumPy"] - 0.05


def test_the_raw_checkpoint_swaps_and_the_quantised_one_fits(run: Any) -> None:
    laptop, tuning = run("on_a_napkin")
    peak = {name: sum(found.values()) for name, found in (laptop | tuning).items()}
    assert peak["float32"] > 32
    assert peak["Q4_K_M"] < peak["Q8_0"] < peak["float16"] < 32 / 2
    caches = {found["key-value cache"] for found in laptop.values()}
    assert caches == {2.0}
    device = 80e9 / 2**30
    assert peak["adapters, bf16"] > device > peak["all of it, ZeRO-3 over 16"]
    assert peak["adapters, NF4"] < device
    assert peak["all of it, one device"] > 1000


@pytest.mark.slow
def test_without_pooling_the_projection_does_not_know_the_photograph(run: Any) -> None:
    found = run("photographs", step=168)
    cat, coffee = (list(classes) for classes in found.likeliest.values())
    assert set(cat[:3]) == {281, 282, 285}  # tabby, tiger cat, Egyptian cat
    assert coffee[0] == 967  # espresso
    assert found.likeliest["coffee.png"][967] > 0.9
    alike = {m: np.corrcoef(*maps.reshape(2, -1))[0, 1] for m, maps in found.view.maps.items()}
    assert alike["projection"] > 0.98
    assert abs(alike["gradient"]) < 0.1
    assert alike["guided"] < 0.3


@pytest.mark.slow
def test_who_derives_the_whole_keeps_one_array_where_operations_keep_five(run: Any) -> None:
    found = run("where_the_line_is", rounds=1, steps=100)
    in_arrays = {way: kept / found.array for way, kept in found.kept.items()}
    expected = {"by hand": 1, "in operations": 5, "built in": 3, "own Function": 2}
    assert in_arrays == pytest.approx(expected, abs=0.01)
    assert found.verdict == "right"
    assert max(found.apart.values()) < 1e-11
    assert len(set(found.accuracy.values())) == 1
    assert found.accuracy["by hand"] > 0.85
    forward, backward = found.lines["by hand"]
    assert backward > forward > found.lines["in operations"][0] > found.lines["built in"][0]
    assert found.lines["built in"][1] == found.lines["in operations"][1] == 2
    assert found.nodes["in operations"] > 2 * found.nodes["built in"] > 0
    assert all(seconds.min() > 0 for seconds in found.step.values())


def test_a_second_derivative_through_an_own_function_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(EXPERIMENTS)
    torch = pytest.importorskip("torch")
    module = importlib.import_module("_batch_norm_silu")
    example = module.example(np.random.default_rng(0))
    z, gamma, beta = (torch.tensor(value, requires_grad=True) for value in example.values())
    h = module.BatchNormSiLU.apply(z, gamma, beta)
    (gradient,) = torch.autograd.grad(h.square().sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.slow
def test_gradients_vanish_explode_and_hold(run: Any) -> None:
    found = run("gradient_flow")
    flows, accuracy = found.flows, found.accuracy

    def change(activation: str, start: str) -> float:
        """What a layer multiplies the gradient of the next one by, at the first step."""
        norms = flows[activation, start].norms
        return float((norms["hidden2"][0] / norms["hidden10"][0]) ** (1 / 8))

    assert change("sigmoid", "N(0, 1/n)") == pytest.approx(0.24, abs=0.03)
    assert change("tanh", "N(0, 1)") > 1.5
    assert 0.8 < change("tanh", "N(0, 1/n)") < 1.1
    assert 0.8 < change("relu", "N(0, 2/n)") < 1.2
    assert accuracy["relu", "N(0, 1)"] is None
    assert len(flows["relu", "N(0, 1)"].steps) < 5
    bounded = flows["tanh", "N(0, 1)"]
    assert bounded.norms["hidden1"][0] > 100
    assert np.median(bounded.norms["hidden1"][-50:]) < 1e-3
    assert np.mean([share[-1] for share in bounded.idle.values()]) > 0.9
    assert accuracy["sigmoid", "N(0, 1/n)"] < 0.15
    assert min(accuracy["tanh", "N(0, 2/n)"], accuracy["relu", "N(0, 2/n)"]) > 0.6


@pytest.mark.slow
def test_a_small_start_opens_late_and_a_large_one_is_saturated(run: Any) -> None:
    found = run("distributions")
    ends, accuracy = found.ends, found.accuracy
    small, usual, large = (ends[start][0] for start in ("1/(3n)", "1/n", "1"))
    assert small[0] / small[1] == pytest.approx(3**2, rel=0.3)
    assert usual[1] > 0.15
    assert large[2] > 0.75
    assert ends["1"][1][2] > 0.85
    assert accuracy["1/n"] > accuracy["1/(3n)"] > 0.8
    assert accuracy["1"] < 0.5


@pytest.mark.slow
def test_a_twin_differs_only_where_directions_are_as_drawn(run: Any) -> None:
    found = run("landscape")
    fair = [found.lines["filter by filter", name] for name in ("network", "its twin")]
    np.testing.assert_allclose(*fair, rtol=1e-3)
    drawn = [found.lines["as drawn", name] for name in ("network", "its twin")]
    assert np.all(drawn[1][:, [0, -1]] > 50 * drawn[0][:, [0, -1]])
    assert found.walk.explained == pytest.approx([0.61, 0.15], abs=0.02)
    assert found.path.explained.sum() > 0.9
    last = len(found.lengths) - 2
    assert found.path.beside[last] > 0.5 * found.lengths[last]
    assert found.path.beside[1] < 0.2 * found.lengths[1]
