"""The experiments on numbers and dense networks: each runs, writes its figure and numbers, and
finds what its caption says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import EXPERIMENTS


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
