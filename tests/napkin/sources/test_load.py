"""MODEL as a person writes it: which source answers, and what is said where none does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from byhand.errors import InputError
from byhand.napkin.sources import load

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "vocab_size": 100,
    "num_attention_heads": 4,
}
RECIPE = """\
title = "Three heaps of points"
loss = "softmax_cross_entropy"

[data]
table = "points.csv"

[model]
sizes = [4, 6, 3]

[optimizer]
name = "sgd"
learning_rate = 0.3

[training]
epochs = 4
batch_size = 7
dtype = "float64"
"""


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(text: str) -> str:
    with pytest.raises(InputError) as error:
        load(text)
    assert "\n" not in str(error.value)
    return str(error.value)


def make_run(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(RECIPE, "utf-8")


def test_names_configs_and_counts_need_no_heavy_library() -> None:
    Path("config.json").write_text(json.dumps(CONFIG), "utf-8")
    code = (
        "import sys\n"
        "from byhand.napkin.mixtures import bits\n"
        "from byhand.napkin.sources import load\n"
        "for text in ('llama-2-7b', '7B', 'config.json'):\n"
        "    bits(load(text), 'q4_k_m')\n"
        "print({'numpy', 'torch', 'pydantic', 'safetensors', 'gguf'} & set(sys.modules))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "set()"


def test_a_name_and_a_count() -> None:
    assert load(" llama-2-7b ").parameters == 6_738_415_616
    assert load("7B").counted is not None


def test_a_config_and_the_folder_it_is_in() -> None:
    Path("mine").mkdir()
    Path("mine/config.json").write_text(json.dumps(CONFIG), "utf-8")
    assert load("mine/config.json") == load("mine/config.json")
    assert load("mine").tensors == load("mine/config.json").tensors
    assert load("mine").name == "mine"


def test_a_folder_that_is_called_like_a_model() -> None:
    Path("7B").mkdir()
    assert load("7B").counted is not None
    Path("7B/config.json").write_text(json.dumps(CONFIG), "utf-8")
    assert load("7B").family == "llama"


def test_a_run_by_its_folder_and_by_its_name() -> None:
    make_run(Path("runs/heaps"))
    for text in ("heaps", "runs/heaps"):
        run = load(text)
        assert run.parameters == 4 * 6 + 6 + 6 * 3 + 3
        assert (run.name, run.family, run.causal) == ("heaps", "byhand", False)
        assert {(row.role, row.dtype) for row in run.tensors} == {("other", "F64"), ("bias", "F64")}


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("lama-2-7b", "Llama-2-7B, Llama-2-70B or Llama-1-7B"),
        ("gpt2-xll", "GPT-2-XL, GPT-2 or GPT-2-large"),
        ("smolm2-135m", "SmolLM2-135M, SmolLM2-360M or SmolLM2-1.7B"),
    ],
)
def test_an_unknown_name_gets_the_nearest(text: str, near: str) -> None:
    assert refused(text) == (
        f"unknown model '{text}'; did you mean {near}? MODEL is a known name such as "
        "Llama-3.1-8B, a config.json, a .safetensors or .gguf file, a run, a module, or a count "
        "such as 7B"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "MODEL is a name, a file or a count such as 7B; found no such text"),
        ("a\0b", "MODEL is a name, a file or a count such as 7B; found no such text"),
        ("x" * 5000, "MODEL is a name, a file or a count such as 7B; found no such text"),
        (
            "xyzzy",
            "unknown model 'xyzzy'; MODEL is a known name such as Llama-3.1-8B, a config.json, a "
            ".safetensors or .gguf file, a run, a module, or a count such as 7B",
        ),
        ("there/is/none.gguf", "there/is/none.gguf: no such file"),
        ("none.safetensors", "none.safetensors: no such file"),
        ("0B", "0B: a model has from 1M to 100T parameters; found 0; write it as 350M, 7B or 1.1B"),
        (
            "999999T",
            "999999T: a model has from 1M to 100T parameters; found 999,999,000,000,000,000; "
            "write it as 350M, 7B or 1.1B",
        ),
        (
            "rwkv-4-world-7b",
            "rwkv-4-world-7b: RWKV is a state-space, recurrent or hybrid architecture, whose "
            "memory isn't a key-value cache; byhand sizes Transformers only",
        ),
        (
            "ai21labs/Jamba-v0.1",
            "ai21labs/Jamba-v0.1: Jamba is a state-space, recurrent or hybrid architecture, whose "
            "memory isn't a key-value cache; byhand sizes Transformers only",
        ),
    ],
)
def test_bad_input_is_one_line(text: str, message: str) -> None:
    assert refused(text) == message


def test_a_folder_and_a_file_that_are_no_model() -> None:
    Path("empty").mkdir()
    Path("notes.txt").write_text("7B", "utf-8")
    assert refused("empty") == (
        "empty: expected a model's config.json or .gguf, or a run's config.toml, in this folder; "
        "found none"
    )
    assert refused("notes.txt") == (
        "notes.txt is no model; expected a config.json, a .safetensors or .gguf file, the folder "
        "of a run or of a model, or a module written FILE.py::NAME"
    )
