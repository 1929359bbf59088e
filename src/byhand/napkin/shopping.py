"""Which device runs the model: how many of each are needed, and how fast they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from byhand.errors import InputError
from byhand.napkin.derivation import Derivation
from byhand.napkin.hardware import devices
from byhand.napkin.inference import Setting, infer
from byhand.napkin.tensors import Model

SHOWN = ("devices_needed", "peak_bytes", "decode_seconds_per_token", "tokens_per_second",
         "prefill_seconds")  # fmt: skip
MOST = 10**4


@dataclass(frozen=True)
class Candidate:
    """A device in the number that is needed, and the derivation with that number."""

    device: str
    derivation: Derivation

    @property
    def number(self) -> int:
        """How many devices are expected to be needed."""
        return int(self.derivation["devices_needed"].value)

    def as_json(self) -> dict[str, Any]:
        """The device and what `SHOWN` names, as far as it is known."""
        found = {x: self.derivation[x].as_json() for x in SHOWN if x in self.derivation}
        return {"device": self.device, **found}


def which_gpu(model: Model, setting: Setting) -> list[Candidate]:
    """All devices that can, the fewest first, and of these the smallest.

    A device that lacks the dtype is left out, and so is one that no number of would be enough.
    Raises      InputError for what is unknown or impossible, and where none is left.
    """
    infer(model, replace(setting, gpu=None))
    candidates = []
    for name in devices():
        try:
            alone = infer(model, replace(setting, gpu=name, devices=1))
        except InputError:
            continue
        if "devices_needed" not in alone:
            continue
        number = int(alone["devices_needed"].value)
        if number <= MOST:
            together = infer(model, replace(setting, gpu=name, devices=number))
            needed = tuple(
                alone["devices_needed"] if each.name == "devices_needed" else each
                for each in together.results
            )
            candidates.append(Candidate(name, replace(together, results=needed)))
    if not candidates:
        raise InputError(
            f"{model.name}: no known device can run it like this; lower --batch or --context"
        )
    known = devices()
    return sorted(candidates, key=lambda each: (each.number, known[each.device].memory.value))
