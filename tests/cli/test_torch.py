"""--engine torch and its options on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--amp"], "points.toml: training: only engine torch takes amp, the engine is numpy; "
         "choose torch, or leave it out"),
        (["--engine", "native", "--device", "cuda", "--compile"],
         "points.toml: training: only engine torch takes device and compile, the engine is "
         "native; choose torch, or leave it out"),
        (["--engine", "torch", "--device", "gpu"], "points.toml: training.device: expected 'auto', "
         "'cpu', 'cuda' or 'mps', found 'gpu'; did you mean 'cpu'?"),
    ],
)  # fmt: skip
def test_pytorchs_options(byhand: Any, options: list[str], message: str) -> None:
    result = byhand("train", "points.toml", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


def test_pytorchs_options_are_kept_and_given_up_with_the_engine(byhand: Any, folder: Path) -> None:
    trained = byhand("train", "points.toml", "--engine", "torch", "--device", "cpu", "--amp")
    assert (trained.exit_code, trained.stderr) == (0, "")
    config = (folder / "runs/points/config.toml").read_text("utf-8")
    for line in ('engine = "torch"', 'device = "cpu"', "amp = true"):
        assert line in config.splitlines()
    for engine in ("numpy", "torch"):
        assert byhand("show", "points", "--view", "confusion", "--engine", engine).exit_code == 0


def test_a_run_is_resumed_with_other_options_and_not_with_those_of_another_engine(
    byhand: Any, folder: Path
) -> None:
    byhand("train", "points.toml", "--epochs", "1")
    config = folder / "runs/points/config.toml"
    config.write_text(config.read_text("utf-8").replace("epochs = 1", "epochs = 2"), "utf-8")
    metrics = folder / "runs/points/metrics.jsonl"
    metrics.write_text(metrics.read_text("utf-8").replace('"finished"', '"stopped"'), "utf-8")
    refused = byhand("resume", "points", "--amp")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: only engine torch takes device, compile and amp, the engine is numpy; "
        "choose torch, or leave them out\n"
    )
    resumed = byhand("resume", "points", "--engine", "torch", "--device", "cpu", "--amp")
    assert (resumed.exit_code, resumed.stderr) == (0, "")
    assert "finished, 2 of 2 epochs" in resumed.stdout


def test_a_device_that_is_not_there(
    byhand: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    result = byhand("train", "points.toml", "--engine", "torch", "--device", "cuda")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: device cuda: PyTorch {torch.__version__} finds none on this machine, "
        "it finds cpu; use one of these, or auto\n"
    )
    assert not (folder / "runs").exists()


def test_without_pytorch_its_extra_is_named(byhand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for verb in ("train", "bench devices"):
        engine = ["--engine", "torch"] if verb == "train" else []
        result = byhand(*verb.split(), "points.toml", *engine)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            "error: the torch engine needs PyTorch: pip install 'byhand[torch]'; "
            "engine numpy runs without\n"
        )
