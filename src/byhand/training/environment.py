"""What a run ran on: recorded, never used."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import byhand

PACKAGES = ("numpy", "safetensors", "matplotlib", "torch")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment() -> dict[str, Any]:
    """Versions, machine, threads, command and git state, ready for JSON."""
    return {
        "byhand": byhand.__version__,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": _git(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name; Linux has it in a file, elsewhere Python's own answer must do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git() -> dict[str, Any] | None:
    """The commit of the working folder and whether it has changes; None outside a repository."""
    try:
        commit = _ask_git("rev-parse", "HEAD")
        changed = bool(_ask_git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": changed}


def _ask_git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=5, check=True
    ).stdout.strip()
