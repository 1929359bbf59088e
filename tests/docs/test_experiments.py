"""The experiments: each runs, writes its figure and numbers, and finds what its caption says."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.data import Dataset
from byhand.training.environment import THREADS

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
def run(tmp_path: Path, mnist: Dataset, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run an experiment in a process of its own, as a person does; what its main returns.

    A single thread: the matrices are small, and waiting for a second one costs more than it gives.
    """
    monkeypatch.syspath_prepend(EXPERIMENTS)
    assert len(mnist.train) == 50_000

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
    here = Path(__file__).read_text("utf-8")
    for script in EXPERIMENTS.glob("[!_]*.py"):
        assert f'run("{script.stem}"' in here, script.name


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
