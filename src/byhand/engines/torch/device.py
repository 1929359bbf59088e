"""Where PyTorch runs."""

from __future__ import annotations

import torch

from byhand.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")


def present() -> list[str]:
    """The devices that PyTorch finds on this machine, the fastest first."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [*(name for name, there in found.items() if there), "cpu"]


def choose(name: str, dtype: str) -> torch.device:
    """The device of this name; of "auto" the fastest that there is and that has the dtype.

    Raises      InputError for an unknown name, one that is not there, and for float64 on mps
    """
    if name not in DEVICES:
        raise InputError(f"device is one of {', '.join(DEVICES)}; found {name!r}")
    there = present()
    if name == "auto":
        # Apple's GPUs compute in 32 bits.
        return torch.device(next(d for d in there if (d, dtype) != ("mps", "float64")))
    if name not in there:
        raise InputError(
            f"device {name}: PyTorch {torch.__version__} finds none on this machine, it finds "
            f"{', '.join(there)}; use one of these, or auto"
        )
    if (name, dtype) == ("mps", "float64"):
        raise InputError(
            "device mps has no float64: train in float32 (training.dtype), or use device cpu"
        )
    return torch.device(name)


def check_amp(device: torch.device, dtype: str) -> None:
    """Raises      InputError where products in bfloat16 are not to be had, or not wanted"""
    if dtype == "float64":
        raise InputError(
            "amp computes in bfloat16, which the model's float64 was not chosen for: "
            "train in float32 (training.dtype), or leave amp out"
        )
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise InputError("amp computes in bfloat16, which this GPU does not: leave amp out")
