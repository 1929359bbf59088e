"""The folder of an adapter: what PEFT reads, and what training needs to go on.

    adapter_config.json, adapter_model.safetensors      the adapter as PEFT saves it
    finetune.json                                       the settings
    state.safetensors                                   adapter, moments of Adam, step, losses

The state is one file, written whole, so training goes on from it however it ended.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from byhand.checkpoints.tokenizer_files import read_json
from byhand.errors import ByhandError, InputError
from byhand.language.adapters import CONFIG, WEIGHTS
from byhand.language.finetune_settings import Settings
from byhand.storage import Array, atomic, read_tensors, write_tensors, write_text

SETTINGS, STATE, LOCK = "finetune.json", "state.safetensors", ".lock"
Row = dict[str, Any]


@dataclass
class Progress:
    """Where training stands.

    step        batches that were learned from
    seconds     of training and validating, over all sittings
    rows        {"step", "loss", "validation_loss", "seconds"} at each validation; the first is
                before any step, without "loss"
    loss_sum    of the training loss since the last row, and its `loss_steps`
    expected    what was predicted: {"seconds", "bytes"}
    samples     {"prompt", "before", "after"}
    peak_bytes  of memory, over all sittings
    """

    step: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_steps: int = 0
    expected: dict[str, float] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    peak_bytes: int = 0


class Folder:
    """The folder at `path`; `data_sha256` tells whether the data is still what it was."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For one process at a time.

        Raises      ByhandError where another one trains in it
        """
        from filelock import FileLock, Timeout

        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / LOCK, timeout=0):
                yield
        except Timeout:
            raise ByhandError(f"{self.path} is being trained by another process") from None

    def write_settings(self, settings: Settings, data_sha256: str) -> None:
        content = asdict(settings) | {"data_sha256": data_sha256}
        write_text(self.path / SETTINGS, json.dumps(content, indent=2) + "\n")

    def settings(self) -> tuple[Settings, str]:
        """What it was begun with, and the checksum of its data.

        Raises      InputError where there is no such folder, or none of byhand's
        """
        file = self.path / SETTINGS
        if not file.is_file():
            raise InputError(
                f"{self.path} has no {SETTINGS}: byhand finetune made no adapter there"
            )
        content = read_json(file)
        try:
            data_sha256 = str(content.pop("data_sha256"))
            content["targets"] = tuple(content["targets"])
            return Settings(**content), data_sha256
        except (KeyError, TypeError) as error:
            raise InputError(f"{file} is not as byhand wrote it ({error!s:.80})") from None

    def write_state(self, tensors: dict[str, Array], progress: Progress) -> None:
        write_tensors(self.path / STATE, tensors, {"progress": json.dumps(asdict(progress))})

    def state(self) -> tuple[dict[str, Array], Progress]:
        """Raises      DamagedFileError"""
        tensors, metadata = read_tensors(self.path / STATE)
        return tensors, Progress(**json.loads(metadata["progress"]))

    def write_adapter(self, config: Any, tensors: dict[str, Any]) -> None:
        """As PEFT saves it: weights first, so that there is no config without them."""
        from safetensors.torch import save

        with atomic(self.path / WEIGHTS) as temporary:
            temporary.write_bytes(save(tensors, metadata={"format": "pt"}))
        with tempfile.TemporaryDirectory() as aside:
            config.save_pretrained(aside)
            text = (Path(aside) / CONFIG).read_text("utf-8")
        write_text(self.path / CONFIG, text)
