"""Adapters of low rank, as PEFT saves them, added to the weights that they adapt.

    W' = W + s · B A            s = α / r, or α / √r where use_rslora says so

Source      Hu et al., LoRA, arXiv:2106.09685, section 4.1; Kalajdzievski, arXiv:2312.03732
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from byhand.checkpoints.huggingface import ADAPTER
from byhand.checkpoints.tokenizer_files import read_json
from byhand.errors import InputError

CONFIG, WEIGHTS = ADAPTER, "adapter_model.safetensors"
PREFIX = "base_model.model."
OTHER = ("use_dora", "modules_to_save", "alpha_pattern", "rank_pattern", "fan_in_fan_out")
"""Settings that change more than W + s · B A."""


class Adapter:
    """The matrices of one adapter, and where they belong.

    Raises      InputError where it is no LoRA adapter, not whole, or does more than LoRA
    """

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        config = read_json(folder / CONFIG)
        kind = config.get("peft_type")
        if kind != "LORA":
            raise InputError(f"{folder}: peft_type is {kind!r:.40}; supported is LORA")
        for name in OTHER:
            if config.get(name):
                raise InputError(
                    f"{folder}: {name} is set, which byhand does not add; merge the adapter with "
                    "PEFT and open the result"
                )
        if not (folder / WEIGHTS).is_file():
            raise InputError(f"{folder} has no {WEIGHTS}; save the adapter with PEFT again")
        try:
            found = load_file(folder / WEIGHTS)
        except SafetensorError as error:
            raise InputError(
                f"{folder / WEIGHTS} is damaged ({error!s:.80}); fetch it again"
            ) from None
        self.folder, self.scale = folder, _scale(config, folder)
        self.down, self.up = _sorted(found, folder)

    @property
    def names(self) -> set[str]:
        """The weights that it changes, by their names in the model."""
        return set(self.down)

    def changed(self, name: str, weight: Tensor) -> Tensor:
        """The weight with what the adapter adds; any other as it is."""
        if name not in self.down:
            return weight
        added = self.up[name].float() @ self.down[name].float()
        if added.shape != weight.shape:
            raise InputError(
                f"{self.folder}: it changes {name} by {tuple(added.shape)}, and the model has "
                f"{tuple(weight.shape)}: it was made for another model"
            )
        return weight.float() + self.scale * added


def _scale(config: dict[str, Any], folder: Path) -> float:
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if type(rank) is not int or rank < 1 or not isinstance(alpha, int | float):
        raise InputError(f"{folder / CONFIG}: r is {rank!r:.20} and lora_alpha {alpha!r:.20}")
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)


def _sorted(found: dict[str, Tensor], folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A and B by the weight that they adapt."""
    sides: dict[str, dict[str, Tensor]] = {"lora_A": {}, "lora_B": {}}
    for name, tensor in found.items():
        module, _, side = name.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")
        if side not in sides or tensor.dim() != 2:
            raise InputError(f"{folder}: {name:.80} is no matrix of LoRA; merge it with PEFT")
        sides[side][f"{module}.weight"] = tensor
    if sides["lora_A"].keys() != sides["lora_B"].keys():
        raise InputError(f"{folder}: an A without its B; save the adapter with PEFT again")
    return sides["lora_A"], sides["lora_B"]


def changes(folders: tuple[Path, ...], names: set[str]) -> Callable[[str, Tensor], Tensor]:
    """What all these adapters make of a weight, one after the other.

    names       the weights that the model has

    Raises      InputError for an adapter that changes a weight which the model does not have
    """
    adapters = [Adapter(folder) for folder in folders]
    for adapter in adapters:
        if missing := sorted(adapter.names - names):
            raise InputError(
                f"{adapter.folder} changes {missing[0]}, which the model does not have: it was "
                "made for another model"
            )

    def change(name: str, weight: Tensor) -> Tensor:
        for adapter in adapters:
            weight = adapter.changed(name, weight)
        return weight

    return change
