from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from byhand import checkpoints
from byhand.errors import ByhandError, InputError
from byhand.language import sources
from byhand.language.sources import SEAL, find


@pytest.fixture
def gguf(tiny: Path, tmp_path: Path) -> Path:
    checkpoints.convert(tiny, tmp_path / "tiny.gguf")
    return tmp_path / "tiny.gguf"


def converted(cache: Path) -> Path:
    (found,) = (cache / "models").iterdir()
    return found


def adapter(folder: Path, base: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": base}), "utf-8"
    )
    return folder


def test_a_folder_is_opened_where_it_is(tiny: Path, own_cache: Path) -> None:
    found = find(tiny)
    assert (found.checkpoint.path, found.adapters) == (tiny, ())
    assert not own_cache.exists()


@pytest.mark.parametrize("to", ["gguf", "pth"])
def test_other_formats_are_converted_once(
    tiny: Path, tmp_path: Path, own_cache: Path, to: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ("tiny.gguf" if to == "gguf" else "meta")
    checkpoints.convert(tiny, path, to)
    with caplog.at_level(logging.INFO):
        first = find(path).checkpoint
        there = converted(own_cache)
        assert first.path == there
        assert caplog.messages == [f"converting {path.name}, once, into {there}"]
        times = {file.name: file.stat().st_mtime_ns for file in there.iterdir()}
        assert find(path).checkpoint.path == there
    assert {file.name: file.stat().st_mtime_ns for file in there.iterdir()} == times
    assert len(caplog.messages) == 1
    assert first.format == "safetensors"


def test_another_file_of_the_same_name_is_converted_as_well(gguf: Path, own_cache: Path) -> None:
    find(gguf)
    stat = gguf.stat()
    os.utime(gguf, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    find(gguf)
    assert len(list((own_cache / "models").iterdir())) == 2


@pytest.mark.parametrize("harm", ["altered", "lost", "unsealed"])
def test_a_damaged_conversion_is_made_again(
    gguf: Path, own_cache: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    find(gguf)
    there = converted(own_cache)
    weights = there / "model.safetensors"
    whole = weights.read_bytes()
    if harm == "altered":
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    else:
        (there / ("tokenizer.json" if harm == "lost" else SEAL)).unlink()
    with caplog.at_level(logging.WARNING):
        assert find(gguf).checkpoint.path == there
    reason = "was not finished" if harm == "unsealed" else "was altered"
    warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warned == [f"{there} {reason}: converting tiny.gguf again"]
    assert weights.read_bytes() == whole
    assert (there / SEAL).is_file()


def test_the_default_is_fetched_as_data_is(monkeypatch: pytest.MonkeyPatch, gguf: Path) -> None:
    asked = []
    monkeypatch.setattr(sources, "fetch_file", lambda name: asked.append(name) or gguf)
    assert find("smollm2").name == "smollm2"
    assert find("gemma-3-270m").checkpoint.format == "safetensors"
    assert asked == ["smollm2-135m-instruct", "gemma-3-270m"]


def test_the_base_of_an_adapter(tiny: Path, tmp_path: Path) -> None:
    first = adapter(tmp_path / "first", str(tiny))
    second = adapter(tmp_path / "second", "first")  # beside it
    found = find(second)
    assert found.checkpoint.path == tiny
    assert found.adapters == (first, second)


def test_adapters_without_a_model_below(tmp_path: Path) -> None:
    ring = adapter(tmp_path / "ring", "ring")
    with pytest.raises(InputError) as refused:
        find(ring)
    assert str(refused.value) == (
        f"{ring}: adapters upon adapters, and no model below eight of them"
    )
    nameless = adapter(tmp_path / "nameless", None)
    with pytest.raises(InputError) as refused:
        find(nameless)
    assert str(refused.value) == (
        f"{nameless / 'adapter_config.json'} names no base_model_name_or_path; add it"
    )


@pytest.mark.parametrize(
    "name", ["nothing", "./a/b", "no/such/folder", "../x", "/absent", "models/x.gguf"]
)
def test_what_is_no_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        find(name)
    assert str(refused.value) == (
        f"{name} does not exist; expected a folder with a model, a .gguf file, a name on the "
        "Hugging Face hub (org/name), or smollm2 or gemma3"
    )


def test_an_unknown_architecture(tiny: Path, tmp_path: Path) -> None:
    config = json.loads((tiny / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "mamba"}), "utf-8")
    with pytest.raises(InputError) as refused:
        find(tmp_path)
    assert "'mamba'" in str(refused.value)
    assert "supported are Llama, Mistral, SmolLM2, TinyLlama, Qwen2, Qwen3 and Gemma 3" in str(
        refused.value
    )


def test_a_truncated_file(gguf: Path) -> None:
    gguf.write_bytes(gguf.read_bytes()[:-1000])
    with pytest.raises(InputError) as refused:
        find(gguf)
    assert str(gguf) in str(refused.value)
    assert "\n" not in str(refused.value)


class Hub:
    """A hub that answers with what it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answer = answer
        monkeypatch.setattr("huggingface_hub.snapshot_download", self)

    def __call__(self, name: str, **settings: Any) -> str:
        self.asked.append((name, settings))
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


def test_a_name_on_the_hub(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    hub = Hub(monkeypatch, tiny)
    assert find("org/tiny").checkpoint.path == tiny
    ((name, settings),) = hub.asked
    assert name == "org/tiny"
    assert "*.safetensors" in settings["allow_patterns"]
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in settings["allow_patterns"])


def hub_error(kind: str) -> Exception:
    from huggingface_hub import errors

    if kind == "offline":
        return errors.LocalEntryNotFoundError("Cannot find the files.\nCheck the connection.")
    if kind == "refused":
        return ConnectionError("connection refused")
    named = {"unknown": errors.RepositoryNotFoundError, "gated": errors.GatedRepoError}
    return named[kind].__new__(named[kind])  # made of a response that there is none of here


OFFLINE = (
    "org/x is neither here nor can the Hugging Face hub be reached ({}); connect to a network, or "
    "name a folder or .gguf file"
)


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("offline", 1, OFFLINE.format("Cannot find the files.")),
        ("refused", 1, OFFLINE.format("connection refused")),
        ("unknown", 2, "the Hugging Face hub has no model org/x; check its name"),
        ("gated", 2, "org/x asks for consent on the hub; give it, and run hf auth login"),
    ],
)
def test_a_hub_that_does_not_give_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, code: int, message: str
) -> None:
    Hub(monkeypatch, hub_error(kind))
    with pytest.raises(ByhandError) as refused:
        find("org/x")
    assert (str(refused.value), refused.value.exit_code) == (message, code)


def test_without_the_library_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError) as refused:
        find("org/x")
    assert str(refused.value) == (
        "org/x is fetched with huggingface_hub: pip install 'byhand[language]'"
    )
