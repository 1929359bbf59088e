"""A published model learns from somebody's text: its weights stay, and adapters of low rank beside
them are trained.

    z = x Wᵀ + s · (x Aᵀ) Bᵀ        s = α / r; W[out, in] is frozen, A[r, in] and B[out, r] learn

A begins at random and B at 0, so the first step begins at the model as it was.

Source      Hu et al., LoRA, arXiv:2106.09685, section 4.1
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from byhand.checkpoints.conversion import check_room
from byhand.engines.torch.device import choose
from byhand.errors import InputError, TrainingError
from byhand.language import finetune_memory
from byhand.language.finetune_data import Data, Example, read
from byhand.language.finetune_folder import LOCK, SETTINGS, STATE, Folder, Progress, Row
from byhand.language.finetune_model import Adapted, collated, peak_bytes, rounded
from byhand.language.finetune_settings import Settings
from byhand.language.memory import free_on
from byhand.language.model import open_model
from byhand.language.sources import Source, find
from byhand.language.tokenizer import Tokenizer
from byhand.randomness import batch_order
from byhand.sampling import Sampling
from byhand.schedules import Cosine, Plan, WarmUp

CHECKS = 10
"""Validations in the course of a training."""
WARM_UP = 20
"""One step in so many is for the learning rate to rise."""
SAVE_EVERY = 60.0
"""Seconds after which the state is written again: what a kill costs at most."""
ON_DISK = 28
"""Bytes for a number that learns: in the adapter, and with its moments in the state and in the next
state, which is written before the last one goes."""
SAMPLING = Sampling(0.8, 50)
SAMPLE_TOKENS = 80
Tell = Callable[[str], None]


class Listener(Protocol):
    """Who is told how training goes."""

    def start(self, session: Session) -> None: ...

    def step(self, session: Session) -> None: ...

    def row(self, session: Session, row: Row) -> None: ...

    def end(self) -> None: ...


class Session:
    """The training of one adapter, from its data to its folder.

    settings    what it was begun with
    data        what is learned from
    need        the memory that it is expected to take, which is checked against what is free
    progress    where it stands

    Raises      InputError for a model, data or settings that do not go together, before anything
                is written
    """

    def __init__(self, settings: Settings, path: str | Path, free: int | None = None) -> None:
        self.settings, self.folder = settings, Folder(Path(path))
        self.device = choose(settings.device, "float32")
        self.source = find(settings.model)
        checkpoint = self.source.checkpoint
        most = int(checkpoint.config["max_position_embeddings"])
        if settings.context > most:
            raise InputError(
                f"{settings.model} was trained for a context of {most:,} tokens; found --context "
                f"{settings.context:,}"
            )
        narrowest = min(map(min, finetune_memory.adapted(checkpoint, settings.targets)))
        if settings.rank > narrowest:
            raise InputError(
                f"--lora-rank: the narrowest of the matrices has a side of {narrowest}, so the "
                f"rank is from 1 to {narrowest}, found {settings.rank:,}"
            )
        self.data: Data = read(
            Path(settings.data), Tokenizer(checkpoint, settings.model), settings.context
        )
        batches = [self._examples(step) for step in range(self.total_steps)]
        self.areas = [_area(batch) for batch in batches]
        self.need = finetune_memory.training_memory(
            checkpoint,
            settings.targets,
            settings.rank,
            max(self.areas),
            max(rounded(sum(example.counted for example in batch)) for batch in batches),
            settings.dtype,
        )
        room = free_on(self.device) if free is None else free
        finetune_memory.check(
            self.need, room, settings.batch_size, settings.context, settings.dtype
        )
        self.free = room
        self.progress = Progress()
        self._model: Adapted | None = None
        self._saved = 0.0

    @classmethod
    def begin(cls, settings: Settings, path: str | Path) -> Session:
        """A new adapter in a folder that does not exist or is empty.

        Raises      ByhandError where the disk has no room for it
        """
        path = Path(path)
        if (path / STATE).is_file():
            raise InputError(
                f"{path} holds an adapter already; go on with byhand finetune --resume {path}, or "
                "choose another name"
            )
        if path.exists() and (
            not path.is_dir() or {p.name for p in path.iterdir()} - {LOCK, SETTINGS}
        ):
            raise InputError(f"{path} exists already; choose another name or remove it")
        made = cls(settings, path)
        check_room(path, ON_DISK * made.trained)
        return made

    @classmethod
    def resume(cls, path: str | Path) -> Session:
        """One that was stopped or killed, where its state was last written.

        Raises      InputError where there is none, or its data is another by now
        """
        folder = Folder(Path(path))
        settings, sha256 = folder.settings()
        if not (folder.path / STATE).is_file():
            raise InputError(
                f"{folder.path} was stopped before its first step; begin again with byhand "
                f"finetune {settings.model} --data {settings.data} --out {folder.path}"
            )
        made = cls(settings, path)
        if _sha256(settings.data) != sha256:
            raise InputError(
                f"{settings.data} is not what it was when training began; begin again in another "
                "folder"
            )
        tensors, made.progress = folder.state()
        made._model = made._loaded()
        made._model.restore(tensors, made.progress.step)
        return made

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.data.train) / self.settings.batch_size)

    @property
    def total_steps(self) -> int:
        """Of the whole training; one epoch where nothing else is said."""
        return self.settings.steps or self.steps_per_epoch * (self.settings.epochs or 1)

    @property
    def trained(self) -> int:
        """N_lora: how many numbers learn."""
        settings = self.settings
        matrices = finetune_memory.adapted(self.source.checkpoint, settings.targets)
        return finetune_memory.lora_parameters(matrices, settings.rank)

    @property
    def chats(self) -> bool:
        """Whether it learned conversations."""
        return not isinstance(self.data.opening, str)

    @property
    def finished(self) -> bool:
        return self.progress.step >= self.total_steps and "after" in self.progress.samples

    @property
    def model(self) -> Adapted:
        if self._model is None:
            self._model = self._loaded()
        return self._model

    def prepare(self, tell: Tell = lambda text: None) -> None:
        """All that comes before the first step: a sample, the validation loss, two trial steps that
        change nothing and say how long training will take, and the folder."""
        tell("a sample before")
        opening = self._opening()
        self.progress.samples = {"prompt": opening, "before": self._sample(self.source)}
        tell(f"loading {self.settings.model}")
        model = self.model
        tell("the validation loss before")
        begun = time.perf_counter()
        before = model.loss_over(self._batches(self.data.validation))
        validating = time.perf_counter() - begun
        self.progress.rows = [{"step": 0, "validation_loss": before, "seconds": 0.0}]
        tell("two trial steps")
        first = collated(self._examples(0))
        model.trial(first)  # the first of all takes longer
        begun = time.perf_counter()
        model.trial(first)
        each = (time.perf_counter() - begun) / first[0].size
        self.progress.expected = {
            "seconds": each * sum(self.areas) + validating * len(self._checks()),
            "bytes": self.need.total,
        }
        self.folder.path.mkdir(parents=True, exist_ok=True)
        self.folder.write_settings(self.settings, _sha256(self.settings.data))
        self.save()

    def fit(self, listener: Listener, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Train to the end, or until `stopped` says so after a step; whether it came to the end.

        Everything is saved either way.

        Raises      TrainingError where the loss is no longer a number
        """
        progress, checks = self.progress, self._checks()
        rate = WarmUp(max(1, self.total_steps // WARM_UP), Cosine())
        plan = Plan(self.steps_per_epoch, self.total_steps)
        listener.start(self)
        self._saved = time.perf_counter()
        try:
            while progress.step < self.total_steps and not stopped():
                begun = time.perf_counter()
                factor = rate.factor(progress.step, plan)
                batch = collated(self._examples(progress.step))
                loss = self.model.step(batch, self.settings.learning_rate * factor)
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss} at step {progress.step + 1}: begin again with a "
                        f"lower --learning-rate than {self.settings.learning_rate:g}"
                    )
                progress.step += 1
                progress.loss_sum += loss
                progress.loss_steps += 1
                row = self._row() if progress.step in checks else None
                progress.seconds += time.perf_counter() - begun
                if row is not None:
                    row["seconds"] = progress.seconds
                    listener.row(self, row)
                if row is not None or time.perf_counter() - self._saved > SAVE_EVERY:
                    self.save()
                listener.step(self)
        finally:
            listener.end()
        self.save()
        return progress.step >= self.total_steps

    def finish(self, tell: Tell = lambda text: None) -> None:
        """A sample of the adapted model, loaded as anybody would load it."""
        tell("a sample after")
        self._model = None
        adapted = Source(
            self.source.name, self.source.checkpoint, (*self.source.adapters, self.folder.path)
        )
        self.progress.samples["after"] = self._sample(adapted)
        tensors, _ = self.folder.state()
        self.folder.write_state(tensors, self.progress)

    def save(self) -> None:
        """The state, and the adapter as PEFT has it; each file whole."""
        self.progress.peak_bytes = max(self.progress.peak_bytes, peak_bytes(self.device))
        self.folder.write_state(self.model.state(), self.progress)
        self.folder.write_adapter(*self.model.adapter())
        self._saved = time.perf_counter()

    def _loaded(self) -> Adapted:
        # An adapter's base is a path from anywhere, or a name.
        base = Path(self.settings.model).expanduser()
        name = str(base.resolve()) if base.exists() else self.settings.model
        return Adapted(self.source, name, self.settings, self.device)

    def _row(self) -> Row:
        progress = self.progress
        row = {
            "step": progress.step,
            "loss": progress.loss_sum / progress.loss_steps,
            "validation_loss": self.model.loss_over(self._batches(self.data.validation)),
        }
        progress.loss_sum, progress.loss_steps = 0.0, 0
        progress.rows.append(row)
        return row

    def _checks(self) -> set[int]:
        """The steps after which there is a validation."""
        return {math.ceil(k * self.total_steps / CHECKS) for k in range(1, CHECKS + 1)}

    def _examples(self, step: int) -> list[Example]:
        """Those of a step; each epoch has an order of its own."""
        epoch, k = divmod(step, self.steps_per_epoch)
        size = self.settings.batch_size
        order = _order(self.settings.seed, epoch, len(self.data.train))
        return [self.data.train[i] for i in order[k * size : (k + 1) * size]]

    def _batches(self, examples: list[Example]) -> Iterator[Any]:
        size = self.settings.batch_size
        return (collated(examples[k : k + size]) for k in range(0, len(examples), size))

    def _opening(self) -> Any:
        asked, opening = self.settings.sample, self.data.opening
        if asked is None:
            return opening
        return asked if isinstance(opening, str) else [{"role": "user", "content": asked}]

    def _sample(self, source: Source) -> str:
        device, dtype = str(self.device.type), self.settings.dtype
        model = open_model(source, device, dtype, None)
        prompt = self._opening()
        return model.generate(prompt, SAMPLING, SAMPLE_TOKENS, seed=self.settings.seed).text()


def _area(examples: list[Example]) -> int:
    return len(examples) * rounded(max(len(example.ids) for example in examples))


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Of an epoch, which all its steps ask for."""
    return batch_order(seed, epoch, count)


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
