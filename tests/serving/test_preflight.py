from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from byhand.cli import app
from byhand.serving import gpus as room
from byhand.serving.gpus import GPU, Torch, nvidia_gpus, parse_gpus, too_old, torch_here
from byhand.serving.preflight import (
    Check,
    disk,
    graphics,
    libraries,
    listening,
    memory,
    memory_here,
    preflight,
    python,
    torch_build,
)

A10G = GPU("NVIDIA A10G", "535.104.05", 24_146_608_128, 23_608_688_640)
SEEN = ["sm_80", "sm_86", "sm_90"]
WORKS = Torch("2.13.0+cu126", "12.6", None, True, False, SEEN, [[8, 6]], None)
CPU = Torch("2.13.0+cpu", None, None, False, False, [], [], None)


def test_the_drivers_list_is_read() -> None:
    listed = "NVIDIA A10G, 535.104.05, 23028 MiB, 22515 MiB\nNVIDIA GB10, 580.95.05, [N/A], [N/A]\n"
    assert parse_gpus(listed) == [A10G, GPU("NVIDIA GB10", "580.95.05", 0, 0)]


def driver_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called nvidia-smi."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_driver_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver_that("print('NVIDIA L4, 550.1, 23034 MiB, 5 MiB')", tmp_path, monkeypatch)
    assert nvidia_gpus() == [GPU("NVIDIA L4", "550.1", 23034 << 20, 5 << 20)]


def test_a_driver_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver_that("print('Driver/library\\nversion mismatch'); exit(18)", tmp_path, monkeypatch)
    found = nvidia_gpus()
    assert found == "Driver/library version mismatch"
    assert graphics(found, WORKS) == Check(
        "GPU",
        "wrong",
        "the NVIDIA driver does not answer: Driver/library version mismatch",
        "install the driver again",
    )


def test_a_driver_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SECONDS", 0.5)
    driver_that("import time; time.sleep(60)", tmp_path, monkeypatch)
    found = nvidia_gpus()
    assert isinstance(found, str)
    assert found.startswith("TimeoutExpired: ")


def test_without_a_driver_there_are_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert nvidia_gpus() == []


def test_pytorch_is_asked_in_a_process_of_its_own() -> None:
    import torch

    found = torch_here()
    assert isinstance(found, Torch)
    assert (found.version, found.cuda) == (torch.__version__, torch.version.cuda)
    assert found.works == torch.cuda.is_available()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libcudart.so: not found')", "ImportError: libcudart.so: not found"),
        ("import os; os.abort()", "exit code -6"),
    ],
)
def test_a_pytorch_that_does_not_load(
    code: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "ASK_TORCH", code)
    found = torch_here()
    assert found == said
    assert torch_build(found) == Check("PyTorch", "wrong", said, "install PyTorch again")


def test_no_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_build("ModuleNotFoundError: No module named 'torch'") == Check(
        "PyTorch", "wrong", "not installed", "pip install 'byhand[language]'"
    )


@pytest.mark.parametrize(
    ("driver", "cuda", "oldest"),
    [
        ("535.104.05", "12.6", None),
        ("470.82", "12.1", 525),
        ("570.86.10", "13.0", 580),
        ("580.65.06", "13.0", None),
        ("450.80.02", "11.8", None),
        ("390.1", "10.2", None),
    ],
)
def test_drivers_too_old_for_a_build(driver: str, cuda: str, oldest: int | None) -> None:
    assert too_old(driver, cuda) == oldest


@pytest.mark.parametrize(
    ("cards", "torch", "check"),
    [
        ([], CPU, Check("GPU", "note", "none, so models run on the CPU")),
        ([], replace(CPU, mps=True), Check("GPU", "ok", "Apple's, through MPS")),
        ([], replace(CPU, hip="6.4", works=True), Check("GPU", "ok", "seen by PyTorch")),
        ([A10G], WORKS, Check("GPU", "ok", "NVIDIA A10G, 24 GB, driver 535.104.05")),
        ([A10G], "no", Check("GPU", "note", "NVIDIA A10G, 24 GB", "PyTorch first")),
        (
            [A10G, A10G],
            CPU,
            Check(
                "GPU",
                "wrong",
                "2 x NVIDIA A10G, 24 GB, but PyTorch 2.13.0+cpu was built without CUDA",
                "install PyTorch's CUDA build: pytorch.org/get-started has the command",
            ),
        ),
        (
            [A10G],
            replace(WORKS, cuda="13.0", works=False),
            Check(
                "GPU",
                "wrong",
                "NVIDIA A10G, 24 GB, whose driver 535.104.05 is too old for CUDA 13.0",
                "install driver 580 or later, or a PyTorch built for an older CUDA",
            ),
        ),
        (
            [A10G],
            replace(WORKS, works=False, why="No CUDA GPUs are available"),
            Check(
                "GPU",
                "wrong",
                "NVIDIA A10G, 24 GB, which PyTorch cannot use: No CUDA GPUs are available",
                "look at CUDA_VISIBLE_DEVICES and, in a container, at its access to the GPU",
            ),
        ),
        (
            [A10G],
            replace(WORKS, capabilities=[[8, 6], [12, 0]]),
            Check(
                "GPU",
                "wrong",
                "NVIDIA A10G, 24 GB, for whose sm_120 PyTorch 2.13.0+cu126 holds no code",
                "install a PyTorch whose build has it",
            ),
        ),
        (
            [A10G],
            replace(WORKS, capabilities=[[8, 9]]),
            Check("GPU", "ok", "NVIDIA A10G, 24 GB, driver 535.104.05"),
        ),
    ],
)
def test_what_is_said_of_cards(cards: list[GPU], torch: Any, check: Check) -> None:
    assert graphics(cards, torch) == check


def test_what_is_too_little() -> None:
    assert python((3, 10, 1)).verdict == "wrong"
    assert python((3, 10, 1)).advice == "install Python 3.11 or later"
    assert memory(16_000_000_000, 1_500_000_000) == Check(
        "Memory",
        "note",
        "1.5 GB free of 16.0 GB",
        "end other programs: Ray alone takes about 1 GB",
    )
    assert memory(16_000_000_000, 12_000_000_000).verdict == "ok"
    full = disk(1_000_000_000, Path("/"))
    assert (full.verdict, full.found) == ("wrong", "1 GB free in /")
    assert full.advice == "free 5 GB, or use another one"


def test_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        check = listening(port, "127.0.0.1")
    assert check == Check(
        "Port",
        "wrong",
        f"127.0.0.1:{port} cannot be taken: Address already in use",
        "choose another --port or --address",
    )
    assert listening(port, "127.0.0.1") == Check("Port", "ok", f"127.0.0.1:{port} is free")


def test_libraries_that_are_missing() -> None:
    assert libraries("serving", ["typer", "no-such-library"]) == Check(
        "Extra serving",
        "note",
        "no-such-library not installed",
        "pip install 'byhand[serving]'",
    )
    assert libraries("serving", ["typer"]).verdict == "ok"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="free(1) is Linux's")
def test_memory_is_what_the_system_says() -> None:
    total, free = memory_here()
    said = subprocess.run(["free", "-b"], capture_output=True, text=True, check=True).stdout
    assert 0 < free <= total <= int(said.split("Mem:")[1].split()[0])


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("Python", "ok", "3.12"), Check("Port", "wrong", "is taken", "take another")]
    monkeypatch.setattr("byhand.serving.preflight.preflight", lambda port, address: checks)
    said = CliRunner().invoke(app, ["preflight"])
    assert said.exit_code == 1
    assert [line.split() for line in said.stdout.strip().splitlines()] == [
        ["what", "found"],
        ["ok", "Python", "3.12"],
        ["WRONG", "Port", "is", "taken;", "take", "another"],
    ]
    listed = json.loads(CliRunner().invoke(app, ["preflight", "--json"]).stdout)
    assert listed[1] == {
        "name": "Port",
        "verdict": "wrong",
        "found": "is taken",
        "advice": "take another",
    }


def test_all_checks_of_this_machine(tmp_path: Path) -> None:
    checks = preflight(0, folder=tmp_path)
    assert [check.name for check in checks] == [
        *("Python", "C++ engine", "PyTorch", "GPU", "Memory", "Disk", "Port"),
        *("Extra language", "Extra serving"),
    ]
    assert checks[0].verdict == "ok"
