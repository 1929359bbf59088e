"""byhand weights: what it says of models, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

transformers = pytest.importorskip("transformers")


@pytest.fixture
def model(folder: Path) -> Path:
    """A small Llama without a tokenizer, in the working folder."""
    transformers.utils.logging.disable_progress_bar()
    config = transformers.LlamaConfig(
        vocab_size=128,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder / "tiny")
    return folder / "tiny"


def test_without_a_verb_it_lists_them(byhand: Any) -> None:
    result = byhand("weights")
    assert result.exit_code == 0
    assert {"inspect", "convert", "verify"} <= set(result.stdout.split())


def test_inspect(byhand: Any, model: Path) -> None:
    result = byhand("weights", "inspect", "tiny")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "format         safetensors",
        "architecture   llama",
        "name           tiny",
        "licence        not stated",
        "parameters     23,712",
        "size           0.1 MB",
        "layers         2 of width 32",
        "context        64 words",
        "tokenizer      none",
        "chat template  no",
        "",
        "type  tensors  numbers    size",
        "F32        21   23,712  0.1 MB",
    ]


def test_what_a_file_calls_itself_does_not_command_the_terminal(byhand: Any, model: Path) -> None:
    config = model / "config.json"
    named = json.loads(config.read_text("utf-8")) | {"_name_or_path": "a\x1b[2J\nlicence  mine"}
    config.write_text(json.dumps(named), "utf-8")
    lines = byhand("weights", "inspect", "tiny").stdout.splitlines()
    assert lines[2:4] == ["name           a�[2J�licence  mine", "licence        not stated"]


def test_inspect_as_json(byhand: Any, model: Path) -> None:
    said = json.loads(byhand("weights", "inspect", "tiny", "--json").stdout)
    assert (said["format"], said["architecture"], said["vocabulary"]) == (
        "safetensors",
        "llama",
        128,
    )
    assert said["types"] == {"F32": {"tensors": 21, "numbers": 23_712, "bytes": 94_848}}
    assert {"name": "model.norm.weight", "shape": [32], "type": "F32", "bytes": 128} in said[
        "tensors"
    ]


def test_convert_and_verify(byhand: Any, model: Path) -> None:
    result = byhand("weights", "convert", "tiny", "tiny.gguf")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "written     tiny.gguf",
        "format      gguf",
        "parameters  23,712 in 21 tensors",
        "next        byhand weights verify tiny tiny.gguf",
    ]
    result = byhand("weights", "verify", "tiny", "tiny.gguf")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "tensors  21 equal bit by bit, 0 in another type, 0 rounded, 0 different",
        "verdict  identical",
    ]
    said = json.loads(
        byhand(
            "weights", "convert", "tiny", "meta", "--to", "pth", "--dtype", "bf16", "--json"
        ).stdout
    )
    assert said == {"path": "meta", "format": "pth", "parameters": 23_712, "tensors": 21}
    said = json.loads(byhand("weights", "verify", "tiny", "meta", "--json").stdout)
    assert (said["agree"], said["identical"], said["equal_tensors"]) == (True, False, 0)
    assert len(said["layers"]) == 3


def test_a_difference_ends_with_1(byhand: Any, model: Path) -> None:
    byhand("weights", "convert", "tiny", "other")
    path = Path("other/model.safetensors")
    state = load_file(path)
    state["model.layers.1.mlp.up_proj.weight"] *= -3
    save_file(state, path)
    result = byhand("weights", "verify", "tiny", "other")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: tiny and other differ, first at layer 1 (KL ")
    assert result.stderr.endswith("; model.layers.1.mlp.up_proj.weight: other numbers\n")
    assert "20 equal bit by bit, 0 in another type, 0 rounded, 1 different" in result.stdout
    said = json.loads(byhand("weights", "verify", "tiny", "other", "--json").stdout)
    assert (said["agree"], said["first"]) == (False, "layer 1")
    assert said["kl"] > 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("inspect", "nothing"),
            "nothing does not exist; expected a .gguf file or a folder with a",
        ),
        (("convert", "tiny", "tiny"), "tiny exists already; choose another name or remove it"),
        (("convert", "tiny", "x", "--to", "onnx"), "cannot convert to 'onnx'; there is pth, "),
        (("convert", "points.toml", "x"), "points.toml is no GGUF file: it begins with b'\\ntit'"),
        (
            ("verify", "tiny", "nothing"),
            "nothing does not exist; expected a .gguf file or a folder",
        ),
    ],
)
def test_bad_input_is_one_line_and_ends_with_2(
    byhand: Any, model: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = byhand("weights", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
    assert not Path("x").exists()


def test_inspect_loads_nothing_heavy(byhand: Any, model: Path) -> None:
    byhand("weights", "convert", "tiny", "meta", "--to", "pth")
    program = (
        "import sys; from byhand import checkpoints; checkpoints.inspect('tiny'); "
        "checkpoints.inspect('meta'); "
        "print([m for m in ('torch', 'transformers', 'gguf', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_model_that_byhand_fetches(
    byhand: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("byhand.language.sources.fetch_file", lambda name: model)
    assert "architecture   llama" in byhand("weights", "inspect", "smollm2").stdout
    converted = byhand("weights", "convert", "smollm2", "small.gguf")
    assert (
        converted.stdout.splitlines()[-1] == "next        byhand weights verify smollm2 small.gguf"
    )
    verified = byhand("weights", "verify", "smollm2", "small.gguf")
    assert (verified.exit_code, verified.stdout.splitlines()[-1]) == (0, "verdict  identical")


@pytest.fixture
def with_words(model: Path) -> Path:
    """The same with a tokenizer of letters, and a text to read."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {chr(k): k - 32 for k in range(32, 127)}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(model)
    Path("text.txt").write_text("a-fox-and-a-dog," * 4, "utf-8")
    return model


def test_quantize(byhand: Any, model: Path) -> None:
    result = byhand("weights", "quantize", "tiny", "small.gguf", "--type", "q8_0")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "written     small.gguf",
        "format      gguf",
        "parameters  23,712 in 21 tensors",
        "next        byhand weights verify tiny small.gguf",
    ]


def table(byhand: Any, *options: str) -> Any:
    asked = ("--table", "--types", "q8_0,q4_0", "--text", "text.txt", "--tokens", "40")
    return byhand("weights", "quantize", "tiny", *asked, *options)


def test_a_table_of_types(byhand: Any, with_words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byhand.language.bits.find_spec", lambda name: None)
    result = table(byhand)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert " ".join(lines[0].split()) == ("type MB bits perplexity KL KL, 99 % same word tokens/s")
    assert [line.split()[0] for line in lines[1:4]] == ["original", "q8_0", "q4_0"]
    assert lines[1].split()[1:] == [
        "0.1",
        "32.00",
        lines[1].split()[3],
        "0.0000",
        "0.000",
        "100.00",
        "%",
    ]
    assert lines[5:] == [
        "text       text.txt, at most 40 tokens",
        "KL         nats to the original; in one place of 100 it is above KL, 99 %",
        "same word  the likeliest one is the original's",
        "tokens/s   not measured: pip install xllamacpp",
    ]
    assert max(map(len, lines)) <= 80
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == [
        "original",
        "q8_0",
        "q4_0",
    ]
    said = json.loads(table(byhand, "--json").stdout)
    assert (said["model"], said["text"], said["tokens"]) == ("tiny", "text.txt", 40)
    kinds = [row["kind"] for row in said["types"]]
    kls = [row["kl"] for row in said["types"]]
    assert kinds == ["original", "q8_0", "q4_0"]
    assert kls[0] == 0 < kls[1] < kls[2]


def test_a_table_says_who_was_timed(
    byhand: Any, with_words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("byhand.language.bits.find_spec", lambda name: name)
    monkeypatch.setattr("byhand.language.bits._tokens_per_second", lambda path, prompt: 12.34)
    lines = table(byhand).stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["12.3"] * 3
    assert lines[-1] == "tokens/s   generated by llama.cpp in one thread, by the processor's time"


def test_a_table_that_is_stopped(
    byhand: Any, with_words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from byhand import checkpoints

    quantize = checkpoints.quantize

    def stopped(source: Path, made: Path, kind: str, *rest: Any) -> Any:
        if kind == "q4_0":
            raise KeyboardInterrupt
        return quantize(source, made, kind, *rest)

    monkeypatch.setattr("byhand.language.bits.find_spec", lambda name: None)
    monkeypatch.setattr(checkpoints, "quantize", stopped, raising=False)
    result = table(byhand)
    assert result.exit_code == 130
    assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == ["original", "q8_0"]
    assert result.stderr.endswith("stopped: 1 of 2 types are measured\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny",), "quantize needs TO_PATH and --type, or else --table"),
        (
            ("tiny", "x.gguf", "--table"),
            "--table writes no file: leave out TO_PATH, and say --types for types",
        ),
        (
            ("tiny", "x.gguf", "--type", "q8_0", "--tokens", "5"),
            "--tokens belongs to --table",
        ),
        (
            ("tiny", "--table", "--text", "no.txt"),
            "no.txt cannot be read (No such file or directory); name a text file",
        ),
        (("tiny", "--table", "--types", "q9"), "cannot quantize to 'q9'; there is q2_k, "),
    ],
)
def test_wrong_wishes_to_quantize(
    byhand: Any, model: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = byhand("weights", "quantize", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
