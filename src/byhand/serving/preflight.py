"""What stands in the way of serving here: one line each, with what to do."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from byhand.engines import available
from byhand.language.memory import memory_here
from byhand.serving.gpus import GPU, Torch, nvidia_gpus, too_old, torch_here, without_code

Verdict = Literal["ok", "note", "wrong"]
GB = 1e9
NEEDED_DISK = 5 * GB
"""For a converted model and Ray's files."""
LIBRARIES = {
    "language": ("transformers", "tokenizers", "safetensors", "gguf"),
    "serving": ("ray", "fastapi", "openai"),
}
"""By the extra that installs them."""


@dataclass(frozen=True)
class Check:
    """One line of the report. A note costs speed or a feature; what is wrong has to be mended."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def preflight(port: int = 8000, address: str = "127.0.0.1", folder: Path = Path()) -> list[Check]:
    """All checks of this machine, those of GPUs in processes of their own.

    port, address   where the service would listen
    folder          where it would keep its files
    """
    gpus, torch = nvidia_gpus(), torch_here()
    return [
        python(sys.version_info[:3]),
        native(available("native")),
        torch_build(torch),
        graphics(gpus, torch),
        memory(*memory_here()),
        disk(shutil.disk_usage(folder).free, folder),
        listening(port, address),
        *(libraries(extra, names) for extra, names in LIBRARIES.items()),
    ]


def python(version: tuple[int, ...]) -> Check:
    found = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    if version < (3, 11):
        return Check("Python", "wrong", found, "install Python 3.11 or later")
    return Check("Python", "ok", found)


def native(reason: str | None) -> Check:
    if reason is None:
        return Check("C++ engine", "ok", "compiled for this machine")
    return Check("C++ engine", "note", reason)


def torch_build(torch: Torch | str) -> Check:
    """PyTorch by itself; whether it goes with the GPUs is `graphics`."""
    if isinstance(torch, str):
        missing = "No module named 'torch'" in torch
        advice = "pip install 'byhand[language]'" if missing else "install PyTorch again"
        return Check("PyTorch", "wrong", "not installed" if missing else torch, advice)
    build = f"for CUDA {torch.cuda}" if torch.cuda else "without CUDA"
    build = f"for ROCm {torch.hip}" if torch.hip else build
    return Check("PyTorch", "ok", f"{torch.version}, {build}")


def graphics(gpus: list[GPU] | str, torch: Torch | str) -> Check:
    """The cards, and whether driver and PyTorch let them be used: what to find out before an hour
    of a rented one is paid for."""
    if isinstance(gpus, str):
        found, advice = f"the NVIDIA driver does not answer: {gpus}", "install the driver again"
        return Check("GPU", "wrong", found, advice)
    if isinstance(torch, str):
        return Check("GPU", "note", cards(gpus), "PyTorch first")
    if gpus:
        trouble = _trouble(gpus[0], torch)
        if trouble is None:
            return Check("GPU", "ok", f"{cards(gpus)}, driver {gpus[0].driver}")
        found, advice = trouble
        return Check("GPU", "wrong", f"{cards(gpus)}, {found}", advice)
    if torch.works or torch.mps:
        return Check("GPU", "ok", "Apple's, through MPS" if torch.mps else "seen by PyTorch")
    return Check("GPU", "note", "none, so models run on the CPU")


def _trouble(gpu: GPU, torch: Torch) -> tuple[str, str] | None:
    """Why PyTorch cannot use the NVIDIA cards that there are, and what to do; None where it can."""
    if torch.cuda is None:
        return (
            f"but PyTorch {torch.version} was built without CUDA",
            "install PyTorch's CUDA build: pytorch.org/get-started has the command",
        )
    if (oldest := too_old(gpu.driver, torch.cuda)) is not None:
        return (
            f"whose driver {gpu.driver} is too old for CUDA {torch.cuda}",
            f"install driver {oldest} or later, or a PyTorch built for an older CUDA",
        )
    if not torch.works:
        return (
            f"which PyTorch cannot use: {torch.why or 'torch.cuda.is_available() is false'}",
            "look at CUDA_VISIBLE_DEVICES and, in a container, at its access to the GPU",
        )
    if (architecture := without_code(torch)) is not None:
        return (
            f"for whose {architecture} PyTorch {torch.version} holds no code",
            "install a PyTorch whose build has it",
        )
    return None


def cards(gpus: list[GPU]) -> str:
    """As "2 x NVIDIA A10G, 24 GB"."""
    if not gpus:
        return "none seen"
    kinds: dict[str, int] = {}
    for gpu in gpus:
        size = f", {gpu.memory / GB:.0f} GB" if gpu.memory else ""
        name = f"{gpu.name}{size}"
        kinds[name] = kinds.get(name, 0) + 1
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in kinds.items())


def memory(total: int, free: int) -> Check:
    found = f"{free / GB:.1f} GB free of {total / GB:.1f} GB"
    if free < 2 * GB:
        return Check("Memory", "note", found, "end other programs: Ray alone takes about 1 GB")
    return Check("Memory", "ok", found)


def disk(free: int, folder: Path) -> Check:
    found = f"{free / GB:.0f} GB free in {folder.resolve()}"
    if free < NEEDED_DISK:
        return Check("Disk", "wrong", found, f"free {NEEDED_DISK / GB:.0f} GB, or use another one")
    return Check("Disk", "ok", found)


def listening(port: int, address: str) -> Check:
    """Whether the port can be taken."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
        except OSError as error:
            found = f"{address}:{port} cannot be taken: {error.strerror or error}"
            return Check("Port", "wrong", found, "choose another --port or --address")
    return Check("Port", "ok", f"{address}:{port} is free")


def libraries(extra: str, names: Iterable[str]) -> Check:
    """The libraries of one extra, with their versions."""
    versions, missing = [], []
    for name in names:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    title = f"Extra {extra}"
    if missing:
        advice = f"pip install 'byhand[{extra}]'"
        return Check(title, "note", f"{', '.join(missing)} not installed", advice)
    return Check(title, "ok", ", ".join(versions))
