"""What a machine says of its GPUs, and whether PyTorch's build goes with their driver."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass

ASK_DRIVER = ("--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader")
OLDEST_DRIVER = {13: 580, 12: 525, 11: 450}
"""The oldest NVIDIA driver under which programs built for a major version of CUDA run (CUDA Toolkit
release notes, table "CUDA minor version compatibility")."""
ASK_TORCH = """
import json, torch
cuda = torch.version.cuda
found = {"version": torch.__version__, "cuda": cuda, "hip": torch.version.hip, "why": None}
found["works"] = torch.cuda.is_available()
found["mps"] = torch.backends.mps.is_available()
found["built_for"] = torch.cuda.get_arch_list() if found["works"] else []
found["capabilities"] = []
try:
    torch.cuda.init() if cuda else None
    count = torch.cuda.device_count() if found["works"] else 0
    found["capabilities"] = [torch.cuda.get_device_capability(k) for k in range(count)]
except Exception as error:
    found["why"] = str(error).strip().splitlines()[0]
print(json.dumps(found))
"""
SECONDS = 60.0


@dataclass(frozen=True)
class GPU:
    """One card, by the driver's word. Memory is in bytes."""

    name: str
    driver: str
    memory: int
    free: int


@dataclass(frozen=True)
class Torch:
    """PyTorch's build, and what it can reach.

    cuda        the version of CUDA that it was built for; None for a build without
    hip         the same of ROCm
    works       whether it can use a GPU through either
    mps         whether it can use Apple's GPU
    built_for   the architectures that it holds code for, as sm_90
    capabilities    of the GPUs that it sees, as (9, 0)
    why         its own words on why CUDA does not start
    """

    version: str
    cuda: str | None
    hip: str | None
    works: bool
    mps: bool
    built_for: list[str]
    capabilities: list[list[int]]
    why: str | None


def nvidia_gpus() -> list[GPU] | str:
    """The cards that NVIDIA's driver lists, none where there is no driver, or its words on why it
    cannot list them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        asked = subprocess.run(
            [program, *ASK_DRIVER], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    if asked.returncode:
        return " ".join((asked.stdout + asked.stderr).split())
    return parse_gpus(asked.stdout)


def parse_gpus(listed: str) -> list[GPU]:
    """The lines of nvidia-smi, as "NVIDIA A10G, 535.104.05, 23028 MiB, 22515 MiB"."""
    gpus = []
    for line in listed.splitlines():
        name, driver, *sizes = (part.strip() for part in line.split(","))
        # A card that shares the machine's memory says [N/A].
        memory, free = (int(size.split()[0]) << 20 if size[:1].isdigit() else 0 for size in sizes)
        gpus.append(GPU(name, driver, memory, free))
    return gpus


def torch_here() -> Torch | str:
    """What PyTorch says of itself, in a process of its own: a driver that hangs or a library that
    crashes takes only that one down. Else one line on why it cannot be asked."""
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {SECONDS:.0f} s"
    if asked.returncode:
        return (asked.stderr.strip() or f"exit code {asked.returncode}").splitlines()[-1]
    return Torch(**json.loads(asked.stdout.splitlines()[-1]))


def too_old(driver: str, cuda: str) -> int | None:
    """The oldest driver that a build for this CUDA takes, where the one here is older."""
    needed = OLDEST_DRIVER.get(_major(cuda), 0)
    return needed if _major(driver) < needed else None


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def without_code(torch: Torch) -> str | None:
    """The first GPU's architecture that the build holds no code for, as sm_120."""
    for major, minor in torch.capabilities:
        wanted = f"sm_{major}{minor}"
        # Code for an earlier minor version of the same major one runs as well.
        usable = [a for a in torch.built_for if a.startswith(f"sm_{major}") and a <= wanted]
        if torch.built_for and not usable and f"compute_{major}{minor}" not in torch.built_for:
            return wanted
    return None
