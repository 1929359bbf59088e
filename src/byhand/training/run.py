"""A run folder: everything one training run was, is and needs to go on.

runs/NAME/
  config.toml               the recipe with all overrides applied, the seed among them
  environment.json          versions, machine, git state, command
  metrics.jsonl             rows of observed steps and of epochs, only ever appended to
  vocabulary.json           the characters of the text, where it was trained on one; tokenizer.json
                            where they are byte pairs, in the format of Hugging Face's tokenizers
  checkpoint.safetensors    where training stands: parameters, optimizer state, position
  model.safetensors         the parameters after the last step
  best.safetensors          the parameters after the epoch with the best score
  epochs/0007.safetensors   the parameters after epoch 7, 0 the start, where the recipe keeps them
  figures/                  what `byhand show` draws
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from byhand.data import Languages, Vocabulary, read_languages, read_vocabulary
from byhand.errors import ByhandError, InputError, nearest
from byhand.storage import naming, read_tensors, write_tensors, write_text
from byhand.training.environment import environment
from byhand.training.recipe import Recipe, read_recipe

ROOT = Path("runs")
Row = dict[str, Any]
Status = Literal["finished", "stopped", "failed", "interrupted", "running"]


def score(row: Row, monitor: str) -> float:
    """How good an epoch's row is on the monitored split, higher is better: its accuracy, or its
    negative loss where there are no classes."""
    accuracy: float | None = row[f"{monitor}_accuracy"]
    value = -row[f"{monitor}_loss"] if accuracy is None else accuracy
    return float(value) if math.isfinite(value) else -math.inf


def best_row(epochs: Sequence[Row], monitor: str) -> Row | None:
    """The epoch with the best score, the first of equals; None before any."""
    return max(epochs, key=lambda row: score(row, monitor), default=None)


def numbered_folder(root: Path, base: str) -> Path:
    """Make a new folder, called `base` or, where that is taken, base-2, base-3, …"""
    # Making the folder is what takes the name: another process may be looking for one as well.
    root.mkdir(parents=True, exist_ok=True)
    folder, count = root / base, 1
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            count += 1
            folder = root / f"{base}-{count}"
        else:
            return folder


@dataclass(frozen=True)
class Run:
    """A run folder, by its path."""

    folder: Path

    @classmethod
    def create(cls, recipe: Recipe, name: str | None = None, root: Path = ROOT) -> Run:
        """A new folder: `name`, or the recipe's name, made unique with a number.

        Raises      InputError where a folder of the given name is there already.
        """
        if name is not None and (name in ("", "..") or name != Path(name).name):
            raise InputError(f"a run's name is one folder name such as first-try; found {name!r}")
        root.mkdir(parents=True, exist_ok=True)
        run = cls._named(root / name) if name else cls(numbered_folder(root, recipe.name))
        write_text(run.folder / "environment.json", json.dumps(environment(), indent=2) + "\n")
        # The config comes last: a folder that has one is a complete run folder.
        write_text(run.folder / "config.toml", recipe.to_toml())
        return run

    @classmethod
    def _named(cls, folder: Path) -> Run:
        try:
            folder.mkdir()
        except FileExistsError:
            raise InputError(
                f"{folder} exists already: choose another --name, "
                f"or continue it with byhand resume {folder.name}"
            ) from None
        return cls(folder)

    @classmethod
    def open(cls, name: str, root: Path = ROOT) -> Run:
        """The run of this name under `root`, or at this path.

        Raises      InputError, which names the nearest run there is.
        """
        for folder in (root / name, Path(name)):
            if (folder / "config.toml").is_file():
                return cls(folder)
        known = [run.name for run in cls.all(root)]
        advice = nearest(name, known, "byhand runs lists the runs there are")
        raise InputError(f"no run {name!r} in {root}/; {advice}")

    @classmethod
    def all(cls, root: Path = ROOT) -> list[Run]:
        """The runs under `root`, the oldest first."""
        configs = sorted(root.glob("*/config.toml"), key=lambda path: path.stat().st_mtime)
        return [cls(path.parent) for path in configs]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def recipe(self) -> Recipe:
        return read_recipe(self.folder / "config.toml", name=self.name)

    @property
    def vocabulary(self) -> Vocabulary | None:
        """That of the text it is trained on; None where it is not one, or before it began.

        Raises      DamagedFileError
        """
        return read_vocabulary(self.folder)

    def keep_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Keep what the ids mean, and in the config how many there are: enough to write with the
        run when its text is gone."""
        if self.vocabulary is None:
            config = self.recipe.with_vocabulary(len(vocabulary)).to_toml()
            write_text(self.folder / "config.toml", config)
            vocabulary.save(self.folder)

    @property
    def languages(self) -> Languages | None:
        """Those of the sentences it is trained on; None where it is on others, or before it began.

        Raises      DamagedFileError
        """
        return read_languages(self.folder)

    def keep_languages(self, languages: Languages) -> None:
        """Keep what the ids mean: enough to translate with the run when its pairs are gone."""
        if self.languages is None:
            write_text(self.folder / "config.toml", self.recipe.with_languages(languages).to_toml())
            languages.save(self.folder)

    @property
    def figures(self) -> Path:
        return self.folder / "figures"

    @property
    def status(self) -> Status:
        """How the run stands; "interrupted" means killed, and that resuming will go on."""
        try:
            with self.locked(wait=0):
                pass
        except ByhandError:
            return "running"
        last = next((r["kind"] for r in reversed(self.metrics()) if r["kind"] != "warning"), None)
        return last if last in ("finished", "stopped", "failed") else "interrupted"

    @contextmanager
    def locked(self, wait: float = 1.0) -> Iterator[None]:
        """Hold the run for this process; freed by the system when the process ends, however.

        Somebody who asks for the `status` holds it for an instant, hence the `wait` in seconds.
        Raises      ByhandError where another process is training it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock", timeout=wait)
        try:
            lock.acquire()
        except Timeout:
            raise ByhandError(f"run {self.name} is being trained by another process") from None
        try:
            yield
        finally:
            lock.release()

    def append(self, row: Row) -> None:
        """Add one row to metrics.jsonl. A line that a kill cut short is closed off first."""
        path = self.folder / "metrics.jsonl"
        with naming(path), path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(row).encode() + b"\n")

    def metrics(self) -> list[Row]:
        """All rows of the run's one history, in order.

        A run that was killed and resumed repeats some steps; each "resumed" row tells where it
        went back to, and the rows after that step before it are dropped. A line cut short by a
        kill is dropped as well.
        """
        path = self.folder / "metrics.jsonl"
        rows: list[Row] = []
        for line in path.read_bytes().splitlines() if path.exists() else []:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row["kind"] == "resumed":
                rows = [r for r in rows if r["step"] <= row["step"]]
            rows.append(row)
        return rows

    def rows(self, kind: str) -> list[Row]:
        """The rows of one kind: step, epoch, histograms, warning, resumed, stopped, failed,
        finished."""
        return [row for row in self.metrics() if row["kind"] == kind]

    def best_epoch(self) -> Row | None:
        """The row of the best epoch by the recipe's monitored split; None before any."""
        return best_row(self.rows("epoch"), self.recipe.training.monitor)

    def parameters(self, which: Literal["best", "model"] = "best") -> dict[str, NDArray[Any]]:
        """The parameters of the best epoch, or of the last step.

        Raises      InputError where the run has not finished an epoch; DamagedFileError.
        """
        path = self.folder / f"{which}.safetensors"
        if not path.exists():
            lacking = "finished its first epoch" if which == "best" else "ended"
            raise InputError(
                f"run {self.name} has no {path.name} yet: it has not {lacking}; "
                f"continue it with byhand resume {self.name}"
            )
        return read_tensors(path)[0]

    def save_parameters(
        self, which: Literal["best", "model"], parameters: Mapping[str, NDArray[Any]], epoch: int
    ) -> None:
        path = self.folder / f"{which}.safetensors"
        write_tensors(path, parameters, {"run": self.name, "epoch": str(epoch)})

    def keep_parameters(self, parameters: Mapping[str, NDArray[Any]], epoch: int) -> None:
        """Keep the parameters after an epoch, 0 the start, beside those of the others."""
        path = self.folder / "epochs" / f"{epoch:04d}.safetensors"
        write_tensors(path, parameters, {"run": self.name, "epoch": str(epoch)})

    def kept_parameters(self) -> dict[int, dict[str, NDArray[Any]]]:
        """By epoch, 0 the start, what `training.keep_epochs` kept; none without it.

        Raises      DamagedFileError
        """
        paths = sorted((self.folder / "epochs").glob("*.safetensors"))
        return {int(path.stem): read_tensors(path)[0] for path in paths}
