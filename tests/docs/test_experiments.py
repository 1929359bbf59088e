"""The experiments: each runs, writes its figure and numbers, and finds what its caption says."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import checkpoints
from byhand.data import Dataset
from byhand.training.environment import THREADS

from ..checkpoints import models

EXPERIMENTS = Path(__file__).parents[2] / "docs" / "experiments"
RUN = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
experiment = __import__(sys.argv[2])
found = experiment.main(Path(sys.argv[3]), **eval(sys.argv[4]))
Path(sys.argv[3], "found.pickle").write_bytes(pickle.dumps(found))
"""


@pytest.fixture
def run(
    tmp_path: Path, mnist: Dataset, tiny_shakespeare: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Run an experiment in a process of its own, as a person does; what its main returns.

    A single thread: the matrices are small, and waiting for a second one costs more than it gives.
    """
    monkeypatch.syspath_prepend(EXPERIMENTS)
    assert len(mnist.train) == 50_000
    assert tiny_shakespeare.is_file()

    def run_experiment(name: str, **options: Any) -> Any:
        answer = subprocess.run(
            [sys.executable, "-c", RUN, EXPERIMENTS, name, tmp_path, repr(options)],
            env=os.environ | dict.fromkeys(THREADS, "1"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == (tmp_path / f"{name}.txt").read_text("utf-8")
        assert (tmp_path / f"{name}.svg").read_text("utf-8").rstrip().endswith("</svg>")
        return pickle.loads((tmp_path / "found.pickle").read_bytes())

    return run_experiment


def test_every_experiment_is_run_here() -> None:
    here = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for script in EXPERIMENTS.glob("[!_]*.py"):
        assert f'("{script.stem}"' in here, script.name


@pytest.mark.slow
def test_one_neuron_learns_slowly_only_from_a_bad_start_with_the_quadratic_cost(run: Any) -> None:
    curves = run("one_neuron")
    good, bad = curves["quadratic"].values()
    # Nielsen, ch. 3: 0.82 to 0.09, and 0.98 to 0.20.
    np.testing.assert_allclose([good[0], good[300]], [0.82, 0.09], atol=0.005)
    np.testing.assert_allclose([bad[0], bad[300]], [0.98, 0.20], atol=0.005)
    assert bad[100] > 0.95
    for output in curves["cross-entropy"].values():
        assert output[100] < 0.05


@pytest.mark.slow
def test_the_error_of_finite_differences_is_a_v(run: Any) -> None:
    steps = np.logspace(-13, 0, 53)
    curves = run("step_size")
    central = [error for name, error in curves.items() if "." in name]
    assert len(central) == 4
    for error in central:
        assert error.min() < 1e-9
        assert 1e-7 < steps[error.argmin()] < 1e-3
        assert error[0] > 1e3 * error.min()
        assert error[-1] > 1e3 * error.min()
        # Taylor's remainder: ten times the step, a hundred times the error.
        arm = (steps > 1e-3) & (steps < 1e-1)
        slope = np.polyfit(np.log(steps[arm]), np.log(error[arm]), 1)[0]
        assert slope == pytest.approx(2, abs=0.1)
    assert 1e-9 < curves["from one side only"].min() < 1e-6
    assert curves["in float32"].min() > 1e-6


@pytest.mark.slow
def test_only_the_quadratic_cost_stays_at_chance_from_a_saturated_start(run: Any) -> None:
    curves = run("cross_entropy")
    at = {cost: curves[cost]["saturated"][:, 10].mean() for cost in curves}  # after 100 steps
    assert at["quadratic"] < 0.25
    assert at["cross-entropy"] > 0.4
    for cost in curves:
        assert curves[cost]["fair"][:, 10].mean() > 0.55
        assert curves[cost]["fair"][:, -1].mean() > 0.8


@pytest.mark.slow
def test_the_diagonal_of_softmax_alone_does_not_learn(run: Any) -> None:
    found = run("softmax_jacobian")
    np.testing.assert_allclose(found.jacobian.sum(axis=0), 0, atol=1e-6)
    first, second = np.argsort(found.p)[-2:]
    off, on = found.jacobian[first, second], found.jacobian[first, first]
    assert -off == pytest.approx(on, rel=0.1)
    whole, diagonal = found.loss.values()
    assert whole[:, 0].min() > 2.2
    assert whole[:, -1].max() < 0.7
    assert diagonal[:, -1].mean() > diagonal[:, 0].mean()
    assert found.accuracy["diagonal only"][:, -1].mean() < 0.2


@pytest.mark.slow
def test_weights_scaled_by_fan_in_keep_units_where_they_learn(run: Any) -> None:
    found = run("initialisation")
    for start, (half_on, real) in found.expected.items():
        assert found.half_on[start].std() == pytest.approx(half_on, rel=0.05)
        assert found.real[start].std() == pytest.approx(real, rel=0.1)
    assert found.half_on["N(0, 1)"].std() > 15 * found.half_on["N(0, 1/n)"].std()
    for look in (5, 10, -1):  # after 500, 1,000 and 2,000 steps
        slow, fast = (found.accuracy[start][:, look].mean() for start in found.accuracy)
        assert fast > slow + 0.05


@pytest.mark.slow
def test_only_he_keeps_signals_and_gradients_through_ten_relu_layers(run: Any) -> None:
    found = run("signal_variance")
    for sizes, start, end in ((found.forward, 0, -1), (found.backward, -1, 0)):
        through = {name: size[end] / size[start] for name, size in sizes.items()}
        assert 0.5 < through["He"] < 2
        assert 1 / 64 < through["Glorot"] < 1 / 16
        assert 1 / 64 < through["orthogonal"] < 1 / 16
        assert 1e9 < through["N(0, 1)"] < 1e11


@pytest.mark.slow
def test_gradients_fall_by_layer_with_sigmoids_and_not_with_relus(run: Any) -> None:
    found = run("vanishing_gradients")
    book = {2: (0.07, 0.31), 3: (0.012, 0.060, 0.283), 4: (0.003, 0.017, 0.070, 0.285)}
    for hidden, figures in book.items():
        norms = found.start["sigmoid"][hidden]
        mean, deviation = norms.mean(axis=0), norms.std(axis=0, ddof=1)
        assert np.all(np.abs(mean - figures) < 1.5 * deviation)
        # The chapter's r is 0.20: a fifth per layer.
        assert np.all((mean[1:] / mean[:-1] > 4) & (mean[1:] / mean[:-1] < 6))
        relu = found.start["ReLU"][hidden].mean(axis=0)
        assert relu.max() < 2 * relu.min()
    later = found.training["sigmoid"][-1]
    assert np.all(later[1:] > 3 * later[:-1])
    assert found.accuracy["sigmoid"] < 0.2
    assert found.accuracy["ReLU"] > 0.95


@pytest.mark.slow
def test_l2_and_dropout_close_the_gap_and_so_does_a_better_start(run: Any) -> None:
    curves = run("overfitting", seeds=1).curves
    last = {
        start: {remedy: values[:, -1].mean(axis=0) for remedy, values in remedies.items()}
        for start, remedies in curves.items()
    }
    bad, good = last.values()
    assert bad["none"][0] > 0.99
    assert bad["none"][1] < 0.86
    gap = {remedy: test - known for remedy, (_, _, known, test) in bad.items()}
    for remedy in ("L2, λ = 1", "dropout, 0.2"):
        assert gap[remedy] < 0.6 * gap["none"]
        assert bad[remedy][1] > bad["none"][1] + 0.02
    assert gap["L2, λ = 1"] < gap["L1, λ = 0.3"] < gap["none"]
    assert good["none"][1] > bad["none"][1] + 0.03
    assert abs(good["L2, λ = 1"][1] - good["none"][1]) < 0.015
    assert good["L2, λ = 1"][3] < good["none"][3]


@pytest.mark.slow
def test_a_convolution_and_shifted_examples_both_help_with_shifted_digits(run: Any) -> None:
    found = run("shifted_digits", seeds=1)
    assert 10 * found.parameters["convolutional"] < found.parameters["dense"]
    (dense, dense_shifts), (convolution, convolution_shifts) = (
        [values.mean(axis=0) for values in accuracies.values()]
        for accuracies in found.accuracy.values()
    )
    for accuracy in (dense, dense_shifts, convolution, convolution_shifts):
        assert np.all(np.diff(accuracy) < 0)
    assert np.all(dense_shifts > dense)
    assert np.all(convolution > dense_shifts)
    assert np.all(convolution_shifts[1:] > convolution[1:])
    assert 1 - convolution[0] < 0.6 * (1 - dense[0])


@pytest.mark.slow
def test_normalisation_makes_a_learning_rate_of_the_scale_of_the_weights(run: Any) -> None:
    found = run("normalisation", seeds=1)
    none, batch, layer, layer_at_its_rate = (a.mean(axis=1) for a in found.accuracy.values())
    assert none[2] > 0.7
    assert np.delete(none, 2).max() < 0.2
    assert batch.min() > 0.5
    assert layer[2:].min() > 0.7
    assert layer[0] < 0.4
    assert layer_at_its_rate.min() > 0.65


HERE = {"cores": 2, "os": "Linux x86_64", "python": "3.11.7", "numpy": "2.4.6", "torch": "2.13.0"}


def timed(
    workload: str, engine: str, seconds: float, ratio: float | None, processor: str = "A"
) -> dict[str, Any]:
    """A row as benchmarks/mlp.py writes it, with made-up numbers."""
    return {
        "workload": workload,
        "engine": engine,
        "threads": 1,
        "median_seconds": seconds,
        "ratio_to_pytorch_eager": ratio,
        "share_of_sgemm_rate": None if ratio is None else 0.0625,
        "peak_memory_mib": 300,
        "machine": {"processor": processor, **HERE},
    }


def test_the_benchmark_is_written_out_by_machine_and_by_size(run: Any, tmp_path: Path) -> None:
    rows = [
        timed("train a convolution", "native", 1, 1),
        timed("predict [784,9,3]", "native", 2.5e-6, None, "B"),
        timed("train [784,30,10] batch 10", "pytorch", 0.0123, 1),
        timed("train [784,30,10] batch 10", "native", 1.5e-5, 820),
        timed("train [784,30,10] batch 10", "numpy", 0.02, 0.615),
        timed("train [784,9,10] batch 128", "native", 1e-3, 3),
    ]
    results = tmp_path / "results.json"
    results.write_text(json.dumps(rows))
    run("the_same_in_cpp", results=str(results))
    lines = (tmp_path / "the_same_in_cpp.txt").read_text("utf-8").splitlines()
    heads = "                    threads        µs   to PyTorch   of SGEMM   peak MiB"
    assert lines == [
        "A, 2 cores, Linux x86_64",
        "Python 3.11.7, NumPy 2.4.6, PyTorch 2.13.0",
        "",
        heads,
        "train [784,9,10] batch 128",
        "  native (C++)            1     1,000          3 x     6.25 %        300",
        "train [784,30,10] batch 10",
        "  NumPy                   1    20,000      0.615 x     6.25 %        300",
        "  native (C++)            1        15        820 x     6.25 %        300",
        "  PyTorch eager           1    12,300          1 x     6.25 %        300",
        "",
        "B, 2 cores, Linux x86_64",
        "Python 3.11.7, NumPy 2.4.6, PyTorch 2.13.0",
        "",
        heads,
        "predict [784,9,3]",
        "  native (C++)            1       2.5      unknown    unknown        300",
    ]
    figure = (tmp_path / "the_same_in_cpp.svg").read_text("utf-8")
    for label in ("1/820", "1.6", "1/3", "1 thread", "A, 2 cores, Linux x86_64"):
        assert f"<!-- {label} -->" in figure


def test_without_a_benchmark_its_command_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "results.json"
    script = "import sys; sys.path.insert(0, sys.argv[1]); import the_same_in_cpp as s; s.main(0, "
    answer = subprocess.run(
        [sys.executable, "-c", f"{script}{str(missing)!r})", EXPERIMENTS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr == (
        f"{missing} is not there: make bench ONLY=mlp writes it (about five minutes)\n"
    )


def test_the_benchmark_that_is_shown_is_the_one_that_was_kept(run: Any, tmp_path: Path) -> None:
    found = run("the_same_in_cpp")
    name = "the_same_in_cpp.txt"
    shown = EXPERIMENTS.parent / "figures" / name
    drawn = (tmp_path / name).read_text("utf-8")
    assert shown.read_text("utf-8") == drawn, "python docs/experiments/the_same_in_cpp.py draws it"
    for workloads in found.values():
        faster = {
            (workload, row["engine"]): row["ratio_to_pytorch_eager"]
            for workload, rows in workloads.items()
            for row in rows
            if row["threads"] == 1
        }
        small, medium, large = (
            f"train [{sizes}] batch {batch}"
            for sizes, batch in (("784,30,10", 10), ("784,100,10", 10), ("784,512,512,10", 128))
        )
        assert faster[small, "native"] > faster[medium, "native"] > faster[large, "native"]
        assert faster[small, "numpy"] > 1
        assert faster[medium, "numpy"] > 1
        assert faster["predict [784,100,10]", "numpy"] < 1.2


def test_a_formula_that_loses_its_digits_has_a_derivative_that_does(run: Any) -> None:
    scores = np.arange(0.0, 45.25, 0.25)
    errors = run("derivatives_without_deriving")
    assert all(error.shape == scores.shape for error in errors.values())
    written, difference = errors["tape, as written"], errors["finite differences, as written"]
    middle = (scores > 10) & (scores < 30)
    slope = np.polyfit(scores[middle], np.log10(written[middle]), 1)[0]
    assert slope == pytest.approx(1 / 2.3, rel=0.1)
    assert np.nanmean(np.log10(difference[middle])) > np.nanmean(np.log10(written[middle])) + 2
    assert scores[np.isnan(written)].min() == pytest.approx(37, abs=0.5)
    assert np.isnan(written[scores > 37]).all()
    assert errors["finite differences, rewritten"].max() < 1e-9
    assert errors["tape, rewritten"].max() < 1e-13
    assert errors["by hand"].max() < 1e-15


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


def test_a_gradient_through_time_is_a_product_and_a_weight_has_a_share_of_each_step(
    run: Any,
) -> None:
    found = run("unrolled")
    assert sum(found.shares) == pytest.approx(found.measured, rel=1e-8)
    assert found.dh[0] / found.dh[-1] == pytest.approx(np.prod(found.factors), rel=1e-12)
    assert found.shares[0] == 0  # the first step starts from a state of zero
    assert max(found.factors) < 0.65


@pytest.mark.slow
def test_an_rnn_forgets_as_a_power_and_more_once_it_has_learned(run: Any) -> None:
    found = run("forgetting", steps=100)
    for start, g in (("orthogonal", 1), ("N(0, 1/n)", 1), ("N(0, 4/n)", 2)):
        before, after = (found[start, when] for when in ("at the start", "after training"))
        # The variance's factor, and a straight line on a logarithmic axis.
        assert before.g == pytest.approx(g, rel=0.03)
        assert before.per_step() == pytest.approx(before.g * before.slope, rel=0.07)
        fit = np.polyfit(np.arange(10, 61), np.log(before.left[10:61]), 1)
        assert np.exp(fit[0]) == pytest.approx(before.per_step(), rel=0.01)
        assert after.per_step() < before.per_step() - 0.05
        for way in (before, after):
            assert np.all(way.left[1:] < way.most[1:])
            assert np.all(way.most <= way.of_weights ** np.arange(len(way.most)) * (1 + 1e-9))
    assert found["orthogonal", "at the start"].of_weights == pytest.approx(1)
    assert found["N(0, 4/n)", "at the start"].left[90] > 1e3


@pytest.mark.slow
def test_clipping_saves_the_start_that_explodes_and_leaves_the_other(run: Any) -> None:
    found = run("clipping", steps=80)
    free, clipped = (np.array(found.walk[name]) for name in ("as it is", "clipped"))
    assert np.abs(np.diff(free)).max() > 1
    assert free[-1] < free[0]
    assert np.abs(np.diff(clipped)).max() <= 0.05 + 1e-12
    assert clipped[-1] > 1.2
    end = {key: losses[-20:].mean() for key, losses in found.losses.items()}
    assert found.norms["N(0, 4/n)", "as it is"].max() > 1000
    assert end["N(0, 4/n)", "as it is"] > 5
    assert end["N(0, 4/n)", "clipped at 1"] < 3.6
    tame = [end["N(0, 1/n)", name] for name in ("as it is", "clipped at 1")]
    assert tame[0] == pytest.approx(tame[1], abs=0.1)


@pytest.mark.slow
def test_gates_start_half_shut_and_a_bias_opens_them(run: Any) -> None:
    found = run("through_gates", steps=100)
    start = {name: way for (name, when), way in found.items() if when == "at the start"}
    biases = [start[f"LSTM, forget bias {bias}"] for bias in (0, 1, 3)]
    opened = [1 / (1 + np.exp(-bias)) for bias in (0, 1, 3)]
    np.testing.assert_allclose([way.gate for way in biases], opened, atol=0.01)
    assert biases[0].left[50] < 1e-4 < start["RNN"].left[50] < biases[1].left[50] < 0.1
    assert 0.1 < biases[2].left[50] < biases[2].left[90]
    assert start["GRU"].gate == pytest.approx(0.5, abs=0.01)
    assert start["GRU"].left[50] < 1e-5
    for (name, when), way in found.items():
        if when == "after training":
            assert way.loss < start[name].loss - 0.5
            assert way.left[20] < 0.1
    assert found["GRU", "after training"].gate < 0.2
    assert found["LSTM, forget bias 3", "after training"].gate > 0.85
    assert found["LSTM, forget bias 3", "after training"].slope < 0.3


@pytest.mark.slow
def test_gates_add_where_an_rnn_cannot_and_copy_where_they_start_open(run: Any) -> None:
    found = run("copy_and_adding", gaps=(20,), seeds=1, budget=400, mixed_gap=30, reach=30)
    copied, added = (
        {name: trials[20][0].steps for name, trials in found.trials[task].items()}
        for task in ("copying", "adding")
    )
    assert added["GRU"] is not None
    assert added["RNN, orthogonal"] is None
    assert copied["LSTM, forget bias 0"] is None
    assert copied["GRU, update bias 3"] < copied["GRU"]
    assert copied["RNN, orthogonal"] < copied["GRU"]
    assert found.mixed["GRU"][0].steps is not None  # what it cannot where all gaps are long
    left = {name: float(left[-1]) for name, left in found.left.items()}
    assert left["RNN, orthogonal"] < 0.05 < left["GRU"]


@pytest.mark.slow
def test_a_network_that_writes_passes_counting(run: Any) -> None:
    found = run("writing_shakespeare", hidden=48, epochs=2, part=4000)
    assert found.counting[0] == pytest.approx(3.3, abs=0.1)
    assert found.counting[1] < found.counting[0] - 0.5
    assert found.losses[1] < found.losses[0] < found.counting[0]
    assert {len(sample) for sample in found.samples.values()} == {len("ROMEO:") + 160}
    assert all(sample.startswith("ROMEO:") for sample in found.samples.values())
    assert found.cells.found
    assert all(abs(each.chosen) <= 1 and abs(each.r) <= 1 for each in found.cells.found)


def test_an_adapter_learns_and_says_how_much_it_changed(run: Any, tmp_path: Path) -> None:
    base = models.folder(tmp_path / "base", "llama")
    said = [{"role": "user", "content": "the fox?"}, {"role": "assistant", "content": "a lazy dog"}]
    data = tmp_path / "said.jsonl"
    data.write_text("\n".join([json.dumps({"messages": said})] * 20), "utf-8")
    how = {"model": str(base), "data": str(data), "steps": 20, "context": 32, "dtype": "f32"}
    found = run("adapters", run=str(tmp_path / "lora"), how=how | {"learning_rate": 0.01})
    rows = found.progress.rows
    assert rows[-1]["validation_loss"] < 0.7 * rows[0]["validation_loss"]
    assert found.of == 102_720
    assert list(found.changes) == ["q", "k", "v", "o", "gate", "up", "down"]
    assert all(len(sizes) == 2 and min(sizes) > 0 for sizes in found.changes.values())


def test_each_byte_of_three_files_is_accounted_for(run: Any) -> None:
    found = run("somebody_elses_weights")
    counts = {name: np.bincount(kinds, minlength=4) for name, kinds in found.items()}
    assert {name: int(count[3]) for name, count in counts.items()} == {
        "safetensors": 2 * 472,
        "GGUF": 2 * 472 + 2 * 24,  # three vectors of eight are in float32
        ".pth": 2 * 472,
    }
    assert counts["safetensors"][0] == 8
    assert counts["GGUF"][2] < 32  # of padding: all but one tensor fill their 32 bytes
    assert all(len(found[".pth"]) > len(found[name]) for name in ("safetensors", "GGUF"))


@pytest.mark.slow
def test_blocks_made_again_cost_nothing_and_others_do(run: Any, tmp_path: Path) -> None:
    base = models.folder(tmp_path / "base", "llama")
    published = tmp_path / "published.gguf"
    checkpoints.quantize(base, published, "q4_1")
    found = run("how_many_bits", model=str(published), kinds=("q8_0", "q4_1"), tokens=120)
    (original, again), (other, eight, four) = found.published, found.rows
    assert again.kl < 1e-3 < eight.kl < four.kl
    # The neurons of another order compute the same, up to the rounding to bfloat16.
    assert other.perplexity == pytest.approx(original.perplexity, rel=0.05)
    assert other.bits == pytest.approx(16, rel=0.01)
    assert len(found.parts) == 8
    assert sum(share for _, share in found.parts.values()) < 1  # the head is none of them
    assert all(0 < kl < 10 * four.kl for kl, _ in found.parts.values())


@pytest.mark.slow
def test_without_the_root_attention_loses_its_derivative(run: Any) -> None:
    found = run("paying_attention")
    assert found.left["q·k"][-1] < 0.1
    assert found.left["q·k/√d"].min() > 0.85
    assert found.largest["q·k"][-1] > 0.9
    assert found.largest["q·k/√d"].max() < 0.2
    np.testing.assert_allclose(found.spread["q·k/√d"][2:], 1, atol=0.1)


@pytest.mark.slow
def test_post_norm_has_its_largest_gradient_near_the_end(run: Any) -> None:
    norms = {place: each.mean(axis=0) for place, each in run("attention_only").norms.items()}
    assert norms["post"].argmax() >= len(norms["post"]) - 3
    assert norms["pre"].argmax() < 3
    assert np.all(norms["post"] > norms["pre"])
    assert 5 < norms["post"][-1] / norms["pre"][-1] < 8


@pytest.mark.slow
def test_an_exported_llama_differs_by_rounding_and_a_quantised_one_by_its_bits(
    run: Any, tmp_path: Path
) -> None:
    small = ("data.vocabulary=270", "data.steps=32", "training.steps_per_epoch=10")
    changes = (*small, "training.engine=numpy", "training.epochs=2")
    found = run("your_own_language_model", run=str(tmp_path / "mine"), changes=changes)
    assert found.steps == [10, 20]
    assert found.losses["validation"][1] < found.losses["validation"][0]
    exported, eight, q8, q4 = (np.median(form.apart) for form in found.forms.values())
    assert exported < 1e-5
    assert 100 * exported < min(eight, q8)
    assert max(eight, q8) < q4 / 3
    assert next(iter(found.forms.values())).same > 0.995
