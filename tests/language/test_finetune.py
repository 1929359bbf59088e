"""Adapters that are trained: what they learn, what PEFT reads, going on after a stop."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byhand import checkpoints, language, napkin
from byhand.checkpoints import conversion
from byhand.errors import ByhandError, DamagedFileError, InputError, TrainingError
from byhand.language import finetune_memory
from byhand.language.finetune import Session
from byhand.language.finetune_data import IGNORED, Example
from byhand.language.finetune_folder import Folder
from byhand.language.finetune_model import Adapted, collated, rounded
from byhand.language.finetune_settings import Settings, targets_named
from byhand.napkin.training import Plan, train
from byhand.storage import read_tensors

from ..checkpoints import models


class Quiet:
    """Stops after so many steps, where it is asked to."""

    def __init__(self, last: int | None = None) -> None:
        self.last, self.steps, self.rows = last, 0, []

    def start(self, session: Session) -> None:
        pass

    def step(self, session: Session) -> None:
        self.steps = session.progress.step

    def row(self, session: Session, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def end(self) -> None:
        pass

    def stopped(self) -> bool:
        return self.steps == self.last


@pytest.fixture
def settings(tiny: Path, tmp_path: Path) -> Settings:
    rows = [{"prompt": f"the fox {k}", "completion": " jumps over the dog"} for k in range(30)]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return Settings(
        str(tiny),
        str(path),
        rank=4,
        steps=12,
        learning_rate=0.01,
        context=32,
        dtype="f32",
        device="cpu",
    )


def trained(settings: Settings, folder: Path, last: int | None = None) -> tuple[Session, Quiet]:
    session, quiet = Session.begin(settings, folder), Quiet(last)
    session.prepare()
    session.fit(quiet, quiet.stopped)
    return session, quiet


def test_it_learns_and_says_what_it_took(settings: Settings, tmp_path: Path) -> None:
    session, quiet = trained(settings, tmp_path / "lora")
    session.finish()
    progress = session.progress
    losses = [row["validation_loss"] for row in progress.rows]
    assert losses[-1] < 0.7 * losses[0]
    assert progress.rows[1:] == quiet.rows
    assert [row["step"] for row in progress.rows] == [0, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]
    assert session.finished
    assert progress.samples["prompt"] == "the fox 9"
    assert progress.samples["before"] != progress.samples["after"]
    assert progress.expected["seconds"] > 0
    assert progress.peak_bytes > 0
    assert session.trained == session.model.trained == 2 * 4 * (4 * 128 - 2 * 32 + 3 * 160)


# PEFT asks transformers for a name that transformers is about to give up.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_the_folder_is_pefts(settings: Settings, tmp_path: Path) -> None:
    """What PEFT loads computes what byhand loads, and what was trained."""
    from peft import PeftModel

    session, _ = trained(settings, tmp_path / "lora")
    base = models.loaded(Path(settings.model))
    adapted = PeftModel.from_pretrained(base, tmp_path / "lora").eval()
    expected = torch.from_numpy(models.logits(adapted))
    found = language.load(tmp_path / "lora", "cpu", "f32").logits(models.PROMPT)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    own = torch.from_numpy(models.logits(session.model._model.eval()))
    torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-5)
    assert (
        own - torch.from_numpy(models.logits(models.loaded(Path(settings.model))))
    ).abs().max() > 0.1
    config = json.loads((tmp_path / "lora/adapter_config.json").read_text("utf-8"))
    assert (config["r"], config["lora_alpha"]) == (4, 8)
    assert config["base_model_name_or_path"] == settings.model


def test_the_loss_is_that_of_transformers(settings: Settings, tmp_path: Path) -> None:
    session = Session.begin(settings, tmp_path / "lora")
    base = models.loaded(Path(settings.model))
    total = tokens = 0
    with torch.no_grad():
        for example in session.data.validation:
            ids, labels = (torch.from_numpy(part[None]) for part in (example.ids, example.labels))
            total += float(base(input_ids=ids, labels=labels).loss) * example.counted
            tokens += example.counted
    found = session.model.loss_over(session._batches(session.data.validation))
    assert found == pytest.approx(total / tokens, rel=1e-5)


def test_what_was_stopped_and_resumed_is_what_never_stopped(
    settings: Settings, tmp_path: Path
) -> None:
    trained(settings, tmp_path / "whole")
    session, _ = trained(settings, tmp_path / "stopped", last=5)
    assert session.progress.step == 5
    again, quiet = Session.resume(tmp_path / "stopped"), Quiet()
    assert again.progress == session.progress
    assert again.fit(quiet)
    whole, resumed = (Folder(tmp_path / name).state() for name in ("whole", "stopped"))
    assert whole[0].keys() == resumed[0].keys()
    for name, expected in whole[0].items():
        np.testing.assert_array_equal(resumed[0][name], expected)
    rows, expected_rows = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in progress.rows]
        for progress in (resumed[1], whole[1])
    )
    assert rows == expected_rows


def test_an_adapter_upon_an_adapter(settings: Settings, tmp_path: Path) -> None:
    trained(settings, tmp_path / "first")
    upon = replace(settings, model=str(tmp_path / "first"), seed=1)
    second = Session.begin(upon, tmp_path / "second")
    second.prepare()
    before = second.progress.rows[0]["validation_loss"]
    _, progress = Folder(tmp_path / "first").state()
    assert before == pytest.approx(progress.rows[-1]["validation_loss"], rel=1e-4)
    second.fit(Quiet())
    found = language.load(tmp_path / "second", "cpu", "f32").logits(models.PROMPT)
    own = torch.from_numpy(models.logits(second.model._model.eval()))
    torch.testing.assert_close(found, own, rtol=1e-3, atol=1e-3)


def test_by_epochs_and_in_bf16(settings: Settings, tmp_path: Path) -> None:
    short = replace(settings, steps=None, epochs=2, batch_size=8, targets=targets_named("q,v"))
    session = Session.begin(replace(short, dtype="bf16"), tmp_path / "lora")
    assert (session.steps_per_epoch, session.total_steps) == (4, 8)
    seen = [len(session._examples(step)) for step in range(8)]
    assert seen == [8, 8, 8, 3] * 2
    session.prepare()
    assert session.fit(Quiet())
    tensors, _ = Folder(tmp_path / "lora").state()
    assert {a.dtype for a in tensors.values()} == {np.dtype("float32")}
    assert all(".q_proj." in name or ".v_proj." in name for name in tensors)
    losses = [row["validation_loss"] for row in session.progress.rows]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen3", "gemma3"])
def test_memory_is_that_of_the_napkin(tmp_path: Path, name: str) -> None:
    path = models.folder(tmp_path, name)
    found = finetune_memory.training_memory(
        checkpoints.open(path), targets_named("all"), 4, 3 * 32, 3 * 32, "f32"
    )
    plan = Plan("f32", context=32, batch=3, lora_rank=4, targets="all", recompute="selective")
    terms = {q.symbol: q.value for q in train(napkin.load(str(path)), plan).results}
    assert found.adapters == 16 * terms["N_lora"]
    assert found.weights + found.adapters == terms["E"]
    # transformers' norms compute in float32 beside; the rest is the napkin's.
    assert 1 <= found.activations / terms["S"] < 1.5
    assert str(found).startswith("weights 0.00 + adapters 0.00 + activations 0.00 + logits 0.00 +")


def test_sizes_of_batches_are_few_and_the_memory_is_that_of_the_largest(
    settings: Settings, tmp_path: Path
) -> None:
    """Of each size kernels are kept: conversations have nearly as many lengths as there are."""
    lengths = [5, 9, 14, 16, 17, 21, 26, 30, 31, 32]
    batches = [
        collated([Example(np.ones(size, np.int64), np.ones(size, np.int64)) for size in (n, 3)])
        for n in lengths
    ]
    assert {ids.shape for ids, _ in batches} == {(2, 16), (2, 32)}
    assert [(labels != IGNORED).sum() for _, labels in batches] == [n + 3 for n in lengths]

    session = Session(settings, tmp_path / "lora")
    longest = max(len(example.ids) for example in session.data.train)
    assert len(session.areas) == settings.steps
    assert max(session.areas) == settings.batch_size * rounded(longest)
    counted = settings.batch_size * session.data.train[0].counted
    words = session.source.checkpoint.config["vocab_size"]
    assert session.need.logits == rounded(counted) * words * 8


def test_what_does_not_fit_is_refused_before_it_is_loaded(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        Session(settings, tmp_path / "lora", free=10**8)
    assert str(refused.value) == (
        "training needs 0.8 GB (weights 0.00 + adapters 0.00 + activations 0.00 + logits 0.00 + "
        "libraries 0.80) and 0.1 GB are free; take a smaller model"
    )
    assert not (tmp_path / "lora").exists()


@pytest.mark.parametrize(
    ("free", "dtype", "advice"),
    [
        (10, "f32", "take a smaller --batch-size than 4 or --context than 256"),
        (6, "f32", "--dtype bf16 halves the weights"),
        (6, "bf16", "take a smaller model"),
        (4, "f32", "take a smaller model"),
    ],
)
def test_what_to_change_is_what_would_help(free: int, dtype: str, advice: str) -> None:
    giga = 10**9
    need = finetune_memory.TrainingMemory(8 * giga, giga // 10, 2 * giga, giga // 10)
    finetune_memory.check(need, 12 * giga, 4, 256, dtype)
    with pytest.raises(InputError) as refused:
        finetune_memory.check(need, free * giga, 4, 256, dtype)
    assert str(refused.value) == (
        "training needs 11.0 GB (weights 8.00 + adapters 0.10 + activations 2.00 + logits 0.10 + "
        f"libraries 0.80) and {free}.0 GB are free; {advice}"
    )


def test_a_disk_without_room_is_found_out_before(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=200_000)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ByhandError) as refused:
        Session.begin(settings, tmp_path / "lora")
    assert str(refused.value) == (
        f"{tmp_path / 'lora'} needs 0.2 MB and 0.2 MB are free there; nothing was written: make "
        "room or choose another disk"
    )
    assert not (tmp_path / "lora").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 2}, "--steps and --epochs both say how long to train; give one of them"),
        ({"rank": 0}, "--lora-rank is at least 1, found 0"),
        ({"batch_size": 0}, "--batch-size is at least 1, found 0"),
        ({"context": 1}, "--context is at least 2, found 1"),
        ({"learning_rate": 0.0}, "--learning-rate is between 0 and 1, found 0"),
        ({"dtype": "int8"}, "--dtype: training is in f32 or bf16, found 'int8'"),
        ({"rank": 65}, "--lora-rank: the narrowest of the matrices has a side of 32, so the rank"),
        ({"context": 513}, " was trained for a context of 512 tokens; found --context 513"),
    ],
)
def test_settings_that_are_refused(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as refused:
        Session.begin(replace(settings, **changes), tmp_path / "lora")
    assert message in str(refused.value)


def test_the_names_of_matrices() -> None:
    assert targets_named("v_proj, q") == ("q_proj", "v_proj")
    assert targets_named("attn,down") == ("q_proj", "k_proj", "v_proj", "o_proj", "down_proj")
    assert targets_named("all-linear") == targets_named("attn,mlp") == targets_named("all")
    with pytest.raises(InputError) as refused:
        targets_named("q,gates")
    assert str(refused.value) == ("--targets: no matrices are called 'gates'; did you mean gate?")


def test_a_loss_that_is_no_number_ends_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session.begin(settings, tmp_path / "lora")
    session.prepare()
    monkeypatch.setattr(Adapted, "step", lambda *arguments: float("nan"))
    with pytest.raises(TrainingError) as failed:
        session.fit(Quiet())
    assert str(failed.value) == (
        "the loss is nan at step 1: begin again with a lower --learning-rate than 0.01"
    )


def test_folders_that_are_refused(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    with pytest.raises(InputError) as refused:
        Session.resume(folder)
    assert str(refused.value) == (
        f"{folder} has no finetune.json: byhand finetune made no adapter there"
    )
    session, _ = trained(settings, folder, last=1)
    with pytest.raises(InputError) as refused:
        Session.begin(settings, folder)
    assert str(refused.value) == (
        f"{folder} holds an adapter already; go on with byhand finetune --resume {folder}, or "
        "choose another name"
    )
    with pytest.raises(InputError, match=r"exists already; choose another name or remove it"):
        Session.begin(settings, tmp_path)
    with session.folder.locked(), pytest.raises(ByhandError) as locked, Folder(folder).locked():
        pass
    assert str(locked.value) == f"{folder} is being trained by another process"
    state = folder / "state.safetensors"
    assert "progress" in read_tensors(state)[1]
    whole = state.read_bytes()
    state.write_bytes(whole[:-4] + b"\0\1\2\3")
    with pytest.raises(DamagedFileError, match=r"does not match the checksum it carries"):
        Session.resume(folder)
    state.unlink()
    with pytest.raises(InputError, match=r"lora was stopped before its first step; begin again"):
        Session.resume(folder)
    assert Session.begin(replace(settings, seed=1), tmp_path / "other").progress.step == 0
    state.write_bytes(whole)
    data = Path(settings.data)
    data.write_text(data.read_text("utf-8") + '\n{"text": "fox"}', "utf-8")
    with pytest.raises(InputError, match=r"data.jsonl is not what it was when training began; beg"):
        Session.resume(folder)
    (folder / "finetune.json").write_text('{"model": "m"}', "utf-8")
    with pytest.raises(InputError, match=r"finetune.json is not as byhand wrote it \('data_sha256"):
        Session.resume(folder)
