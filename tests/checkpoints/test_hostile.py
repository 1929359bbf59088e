"""Files that are cut, altered or made to harm: one clear line, no code run, no memory taken."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand import checkpoints
from byhand.checkpoints import (
    gguf_model,
    inspection,
    sentencepiece,
    tiktoken,
    tokenizer_json,
)
from byhand.checkpoints.gguf import parse_gguf_header, read_gguf_header
from byhand.checkpoints.pickled import read_pickle
from byhand.checkpoints.safetensors_header import read_safetensors_header
from byhand.checkpoints.torch_file import read_torch_file
from byhand.checkpoints.vocabulary import SENTENCEPIECE, Kind, Vocabulary
from byhand.errors import InputError

from . import models
from .gguf_files import llama_tensors, write_gguf

HERE = Path("here")
LEAST_MUTANTS = 100_000


class Harmful:
    """Makes a file when it is unpickled by a reader that trusts its input."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.target}",)


@pytest.fixture
def state_dict(tmp_path: Path) -> Path:
    path = tmp_path / "consolidated.00.pth"
    torch.save({"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4).bfloat16()}, path)
    return path


def outcome(read: Callable[[], object]) -> object:
    """What is read, or the one line that refuses it; anything else fails the test."""
    try:
        return read()
    except InputError as refused:
        message = str(refused)
    check_one_line(message)
    return message


def check_one_line(message: str) -> None:
    assert "\n" not in message
    assert 10 < len(message) < 600


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        read()
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: {"w": it}, lambda it: {"w": [it]}])
def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, wrap: Callable[[object], object]
) -> None:
    path = tmp_path / "consolidated.00.pth"
    torch.save(wrap(Harmful(tmp_path / "harm")), path)
    message = refusal(lambda: read_torch_file(path))
    assert message.startswith(str(path))
    assert "expected a" in message
    assert not (tmp_path / "harm").exists()


def test_what_a_pickle_would_call_is_named(tmp_path: Path) -> None:
    path = tmp_path / "consolidated.00.pth"
    torch.save({"w": Harmful(tmp_path / "harm")}, path)
    assert refusal(lambda: read_torch_file(path)) == (
        f"{path}: 'w' would call posix.system, which byhand does not do; expected a state_dict of "
        "plain tensors"
    )


def test_a_whole_model_is_no_state_dict(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    assert "expected a state_dict" in refusal(lambda: read_torch_file(path))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"epoch": 3}, "'epoch' is a int, expected a tensor"),
        (
            {"w": torch.ones(2, dtype=torch.int64)},
            "stored in 'torch.LongStorage'; expected float32",
        ),
        ({"w": torch.ones(3, 2).T}, "'w' does not fit into its storage"),
        ([1, 2], "holds a list, expected a state_dict"),
    ],
)
def test_other_contents_are_named(tmp_path: Path, value: object, message: str) -> None:
    path = tmp_path / "model.pth"
    torch.save(value, path)
    assert message in refusal(lambda: read_torch_file(path))


def test_an_old_file_of_pytorch_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert refusal(lambda: read_torch_file(path)) == (
        f"{path} is truncated or no file of torch.save since PyTorch 1.6 (File is not a zip file); "
        "fetch it again, or load it in PyTorch and save it again"
    )


def test_a_file_of_pytorch_that_is_cut_anywhere_is_refused(state_dict: Path) -> None:
    whole = state_dict.read_bytes()
    assert set(read_torch_file(state_dict)) == {"a", "b"}
    for length in range(1, len(whole), 7):
        state_dict.write_bytes(whole[:length])
        refusal(lambda: read_torch_file(state_dict))


def test_claims_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", pickle.dumps({}, 2), zipfile.ZIP_STORED)
        archive.writestr("m/data/0", bytes(10_000_000))
    assert "m/data/0 is compressed" in refusal(lambda: read_torch_file(path))


def test_a_memo_of_billions_takes_no_memory() -> None:
    """The number of a memo is a key here, and in Python's own reader the size of a table."""
    content = b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b"."
    assert read_pickle(content, HERE) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x02",
        b"0.",
        b"}u.",
        b"(u.",
        b"h\x05.",
        b"\x80\x02cos\nsystem\n(tR.",
        b"\x95",
    ],
)
def test_programs_that_are_no_table(content: bytes) -> None:
    assert not isinstance(outcome(lambda: read_pickle(content, HERE)), dict)


def test_a_shape_that_is_not_the_configuration_s(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    config = source / "config.json"
    text = config.read_text()
    config.write_text(json.dumps(json.loads(text) | {"intermediate_size": 100}))
    assert refusal(lambda: checkpoints.open(source)) == (
        f"{source}: the tensor model.layers.0.mlp.gate_proj.weight is 96 × 64, and by the "
        "configuration 100 × 64; fetch the model again"
    )
    config.write_text(json.dumps(json.loads(text) | {"num_hidden_layers": 3}))
    assert refusal(lambda: checkpoints.open(source)) == (
        f"{source}: the tensor model.layers.2.input_layernorm.weight is missing; "
        "fetch the model again"
    )
    config.write_text(json.dumps(json.loads(text) | {"num_hidden_layers": 1}))
    assert refusal(lambda: checkpoints.open(source)).startswith(
        f"{source}: the tensor model.layers.1."
    )
    config.write_text(text[:50])
    assert refusal(lambda: checkpoints.open(source)) == (
        f"{config} is truncated or no JSON; fetch it again"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba2"}, "the model_type 'mamba2' is not one that byhand converts; "),
        ({"model_type": "gemma3"}, "is Gemma 3 with a vision tower, which byhand does not convert"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers is 1000000000000, expected a count "),
        ({"hidden_size": "64"}, "hidden_size is '64', expected a count from 1 to 16,777,216"),
        ({"num_key_value_heads": 3}, "4 heads cannot share 3 keys and values evenly"),
        ({"head_dim": 15}, "a head of 15 cannot be turned in pairs"),
        ({"rms_norm_eps": -1}, "rms_norm_eps is -1, expected a positive number"),
        (
            {"rope_parameters": {"rope_type": "longrope"}},
            "positions are scaled by 'longrope'; supported are linear, llama3, yarn",
        ),
    ],
)
def test_impossible_settings_are_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    config = source / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    assert message in refusal(lambda: checkpoints.open(source))


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("temperature", "x", "'x'"),
        ("temperature", 1e308, "1e+308"),
        ("top_p", float("nan"), "nan"),
        ("top_k", -1, "-1"),
        ("top_k", 1.5, "1.5"),
        ("min_p", True, "True"),
    ],
)
def test_numbers_to_draw_by_that_are_none(
    tmp_path: Path, name: str, value: object, found: str
) -> None:
    path = models.folder(tmp_path / "hf", "llama") / "generation_config.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"temperature": None}))
    assert checkpoints.open(path.parent).generation.keys() == whole.keys() - {"temperature"}
    path.write_text(json.dumps(whole | {name: value}))
    assert refusal(lambda: checkpoints.open(path.parent)) == (
        f"{path}: {name} is {found}, expected a number from 0 on; correct it, or fetch the model "
        "again"
    )


@pytest.mark.parametrize("value", [None, -1, 0, "x", 1e308])
@pytest.mark.parametrize("name", ["query_pre_attn_scalar", "rope_local_base_freq"])
def test_impossible_settings_of_gemma(tmp_path: Path, name: str, value: object) -> None:
    path = models.folder(tmp_path / "hf", "gemma3") / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    assert refusal(lambda: checkpoints.open(path.parent)) == (
        f"{path}: {name} is {value!r}, expected a positive number"
    )


JUNK = (None, True, -1, 0, 1.5, 1e308, "x", [], ["x"], {}, {"x": 1}, 10**30)


@pytest.mark.parametrize("place", ["hf/config.json", "meta/params.json", "hf/tokenizer.json"])
def test_junk_in_place_of_any_setting_is_used_or_refused(tmp_path: Path, place: str) -> None:
    source = models.folder(tmp_path / "hf", "llama-3")
    checkpoints.convert(source, tmp_path / "meta", "pth")
    (tmp_path / "meta/config.json").unlink()
    path = tmp_path / place
    whole = json.loads(path.read_text())
    refused = 0
    for key, value in whole.items():
        inside = value if isinstance(value, dict) and len(value) < 30 else {}
        for junk in [*JUNK, *({**inside, k: junk} for k in inside for junk in JUNK)]:
            path.write_text(json.dumps(whole | {key: junk}))
            found = outcome(partial(tokenizer_of, path.parent))
            refused += isinstance(found, str)
    assert refused > 3 * len(JUNK)


def tokenizer_of(folder: Path) -> object:
    """Everything that is read of a model but its tensors."""
    tokenizer = checkpoints.open(folder).tokenizer
    assert tokenizer is not None
    return tokenizer.vocabulary()


@pytest.mark.parametrize("value", [None, -1, "x", [1, 2], True, 2**40])
def test_junk_in_place_of_any_field_of_gguf(tmp_path: Path, value: Any) -> None:
    """The fields as they are after a header was read whole."""
    source = models.folder(tmp_path / "hf", "gemma3")
    checkpoints.convert(source, tmp_path / "m.gguf")
    header = read_gguf_header(tmp_path / "m.gguf")
    for key in header.metadata:
        changed = replace(header, metadata={**header.metadata, key: value})
        with pytest.MonkeyPatch.context() as patch:
            for reader in (gguf_model, inspection):
                patch.setattr(reader, "read_gguf_header", lambda path, changed=changed: changed)
            outcome(partial(checkpoints.open, tmp_path / "m.gguf"))
            checkpoints.inspect(tmp_path / "m.gguf")


def test_a_word_that_would_take_hours() -> None:
    words = Vocabulary(SENTENCEPIECE, "default", ["a", "a" * 10**6], [Kind.NORMAL] * 2, [0.0, 0.0])
    assert refusal(lambda: tokenizer_json.written(words, HERE)) == (
        "here: its tokenizer has a word of more than 1024 letters; fetch the model again"
    )


def test_an_index_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    (source / "model.safetensors").rename(tmp_path / "model.safetensors")
    index = source / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    assert refusal(lambda: checkpoints.open(source)) == (
        f"{index} names the file '../model.safetensors', which is not in its folder"
    )


def pickle_of_tensors() -> bytes:
    import io

    out = io.BytesIO()
    torch.save({"a": torch.arange(6.0), "b": torch.ones(4).bfloat16()}, out)
    with zipfile.ZipFile(out) as archive:
        return archive.read("archive/data.pkl")


def mutated(content: bytes, rng: random.Random) -> bytes:
    """With bytes overwritten, cut out or put in: at random places, some with telling values."""
    bytes_ = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, what = rng.randrange(len(bytes_)), rng.randrange(4)
        if what == 0:
            bytes_[at] = rng.randrange(256)
        elif what == 1:
            size = rng.choice((1, 2, 4, 8))
            bytes_[at : at + size] = rng.choice((b"\xff", b"\x00", b"\x7f", b"\x80")) * size
        elif what == 2:
            del bytes_[at : at + rng.randint(1, 9)]
        else:
            bytes_[at:at] = bytes_[rng.randrange(len(bytes_)) :][: rng.randint(1, 12)]
        if not bytes_:
            break
    return bytes(bytes_)


def limited_memory(extra: int) -> Callable[[], None]:
    """Let this process have only so many bytes more; gives what takes the limit away again."""
    old = resource.getrlimit(resource.RLIMIT_AS)
    with Path("/proc/self/statm").open() as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, old[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_AS, old)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited as on Linux")
def test_a_hundred_thousand_mutants_neither_crash_nor_take_memory(tmp_path: Path) -> None:
    """All readers, each with its own whole file, in 500 MB."""
    gguf = write_gguf(tmp_path / "m.gguf", llama_tensors(), words=40).read_bytes()
    source = models.folder(tmp_path / "hf", "llama-tied")
    header = (source / "model.safetensors").read_bytes()
    header = header[: 8 + int.from_bytes(header[:8], "little")]
    torch.save({"a": torch.arange(6.0), "b": torch.ones(4)}, tmp_path / "m.pth")
    scratch = tmp_path / "scratch"
    words = models.sentencepiece_model()[:1500]

    def by_file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def from_bytes(content: bytes) -> object:
            scratch.write_bytes(content)
            return read(scratch)

        return from_bytes

    readers: list[tuple[bytes, Callable[[bytes], object], int]] = [
        (gguf, lambda content: parse_gguf_header(content, HERE), 37_000),
        (pickle_of_tensors(), lambda content: read_pickle(content, HERE), 40_000),
        (header, by_file(read_safetensors_header), 8_000),
        ((tmp_path / "m.pth").read_bytes(), by_file(read_torch_file), 5_000),
        (words, lambda content: sentencepiece.read(content, HERE), 10_000),
        (b"YQ== 0\nYg== 1\nYWI= 2\n", lambda content: tiktoken.read(content, HERE), 10_000),
    ]
    rng, tried, refused = random.Random(0), 0, 0
    release = limited_memory(500_000_000)
    try:
        for whole, read, count in readers:
            for _ in range(count):
                tried += 1
                content = mutated(whole, rng)
                refused += isinstance(outcome(partial(read, content)), str)
    finally:
        release()
    assert tried >= LEAST_MUTANTS
    assert refused > tried / 4


@given(content=st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_a_pickle_or_are_refused(content: bytes) -> None:
    outcome(lambda: read_pickle(b"\x80\x02" + content, HERE))


@given(content=st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_a_tokenizer_or_are_refused(content: bytes) -> None:
    for read in (sentencepiece.read, tiktoken.read):
        found = outcome(partial(read, content, HERE))
        assert isinstance(found, str | Vocabulary)
