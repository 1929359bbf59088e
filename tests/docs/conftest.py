"""How an experiment of the docs is run."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

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
