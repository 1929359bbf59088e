"""Each format into each other and back: transformers and llama.cpp judge."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch

from byhand import checkpoints
from byhand.checkpoints import conversion, gguf_write, huggingface
from byhand.checkpoints.gguf import read_gguf_header
from byhand.data import fetch_file
from byhand.errors import ByhandError, InputError

from . import models
from .models import CONFIGS, SAMPLES, check_llama_cpp, loaded, logits

IN_META = [name for name in CONFIGS if name.startswith(("llama", "mistral")) and "bias" not in name]


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def same_tensors(a: Path, b: Path) -> bool:
    left, right = load_torch(a / "model.safetensors"), load_torch(b / "model.safetensors")
    assert set(left) == set(right)
    return all(
        x.dtype == right[name].dtype and torch.equal(x, right[name]) for name, x in left.items()
    )


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", CONFIGS)
def test_gguf_computes_what_transformers_does(tmp_path: Path, name: str) -> None:
    source = models.folder(tmp_path / "hf", name)
    checkpoints.convert(source, tmp_path / "model.gguf")
    expected = logits(loaded(source))
    check_llama_cpp(tmp_path / "model.gguf", expected)

    checkpoints.convert(tmp_path / "model.gguf", tmp_path / "back")
    assert np.array_equal(logits(loaded(tmp_path / "back")), expected) or name == "gemma3"
    # Gemma's norms are stored as 1 + w, which costs small w their last bits.
    assert np.allclose(logits(loaded(tmp_path / "back")), expected, atol=1e-4)
    assert same_tensors(source, tmp_path / "back") or name == "gemma3"


@pytest.mark.parametrize("name", IN_META)
def test_meta_and_back_is_bit_identical(tmp_path: Path, name: str) -> None:
    source = models.folder(tmp_path / "hf", name, torch.bfloat16)
    checkpoints.convert(source, tmp_path / "meta", "pth")
    checkpoints.convert(tmp_path / "meta", tmp_path / "back", "safetensors")
    assert same_tensors(source, tmp_path / "back")
    assert np.array_equal(logits(loaded(tmp_path / "back")), logits(loaded(source)))
    opened = [checkpoints.open(tmp_path / place) for place in ("hf", "back")]
    keys = ("rope_theta", "rope_scaling", "max_position_embeddings", "tie_word_embeddings")
    assert [o.config[key] for o in opened[:1] for key in keys] == [
        opened[1].config[key] for key in keys
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_all_ways_round_are_bit_identical(tmp_path: Path, dtype: torch.dtype) -> None:
    source = models.folder(tmp_path / "hf", "llama", dtype)
    checkpoints.convert(source, tmp_path / "a.gguf")
    checkpoints.convert(tmp_path / "a.gguf", tmp_path / "meta", "pth")
    checkpoints.convert(tmp_path / "meta", tmp_path / "b.gguf")
    checkpoints.convert(tmp_path / "b.gguf", tmp_path / "back")
    assert same_tensors(source, tmp_path / "back")
    a, b = (read_gguf_header(tmp_path / name) for name in ("a.gguf", "b.gguf"))
    assert [(t.name, t.shape, t.type) for t in a.tensors] == [
        (t.name, t.shape, t.type) for t in b.tensors
    ]
    assert {t.type.name for t in a.tensors if "norm" in t.name} == {"F32"}


def test_what_meta_reads_is_what_torch_saved(tmp_path: Path) -> None:
    """By Meta's own names, in Meta's own order of rows."""
    source = models.folder(tmp_path / "hf", "llama")
    checkpoints.convert(source, tmp_path / "meta", "pth")
    state = torch.load(
        tmp_path / "meta/consolidated.00.pth", mmap=True, weights_only=True, map_location="cpu"
    )
    params = json.loads((tmp_path / "meta/params.json").read_text())
    expected = logits(loaded(source))
    assert np.allclose(meta_forward(state, params), expected, atol=1e-4)


def meta_forward(state: dict[str, torch.Tensor], params: dict[str, Any]) -> Any:
    """Llama as Meta's code computes it, with neighbouring numbers as complex ones."""
    dim, heads, kv = params["dim"], params["n_heads"], params["n_kv_heads"]
    width, words = dim // heads, torch.tensor(models.PROMPT)
    inner = int(2 * 4 * dim / 3)
    inner = int(params.get("ffn_dim_multiplier", 1) * inner)
    inner = -(-inner // params["multiple_of"]) * params["multiple_of"]
    frequencies = params["rope_theta"] ** (-torch.arange(0, width, 2) / width)
    angles = torch.outer(torch.arange(len(words)).float(), frequencies)
    turn = torch.polar(torch.ones_like(angles), angles)[:, None]

    def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + params["norm_eps"]) * weight

    def rotate(x: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * turn).flatten(2)

    h = state["tok_embeddings.weight"][words]
    for k in range(params["n_layers"]):
        part = {
            name.removeprefix(f"layers.{k}."): value
            for name, value in state.items()
            if name.startswith(f"layers.{k}.")
        }
        assert part["feed_forward.w1.weight"].shape == (inner, dim)
        x = norm(h, part["attention_norm.weight"])
        q = rotate((x @ part["attention.wq.weight"].T).view(-1, heads, width))
        key = rotate((x @ part["attention.wk.weight"].T).view(-1, kv, width))
        v = (x @ part["attention.wv.weight"].T).view(-1, kv, width)
        key, v = (t.repeat_interleave(heads // kv, 1) for t in (key, v))
        out = torch.nn.functional.scaled_dot_product_attention(
            *(t.transpose(0, 1) for t in (q, key, v)), is_causal=True
        )
        h = h + out.transpose(0, 1).flatten(1) @ part["attention.wo.weight"].T
        x = norm(h, part["ffn_norm.weight"])
        gate = torch.nn.functional.silu(x @ part["feed_forward.w1.weight"].T)
        h = h + (gate * (x @ part["feed_forward.w3.weight"].T)) @ part["feed_forward.w2.weight"].T
    return (norm(h, state["norm.weight"]) @ state["output.weight"].T).numpy()


@pytest.mark.parametrize("embedding", [0, 1])
def test_slices_for_several_machines_are_joined(tmp_path: Path, embedding: int) -> None:
    """Llama 3 cuts the embedding by words, Llama 1 and 2 by its width."""
    source = models.folder(tmp_path / "hf", "llama")
    checkpoints.convert(source, tmp_path / "one", "pth")
    state = torch.load(tmp_path / "one/consolidated.00.pth", weights_only=True)
    cut = {"wo": 1, "w2": 1, "tok_embeddings": embedding}
    sliced = tmp_path / "two"
    shutil.copytree(tmp_path / "one", sliced)
    for rank in range(2):
        part = {
            name: value
            if value.dim() == 1
            else value.chunk(2, cut.get(name.split(".")[-2], 0))[rank].clone()
            for name, value in state.items()
        }
        part["rope.freqs"] = torch.ones(8)  # a table that follows from the settings
        torch.save(part, sliced / f"consolidated.{rank:02}.pth")
    checkpoints.convert(sliced, tmp_path / "back", "safetensors")
    assert same_tensors(source, tmp_path / "back")
    (sliced / "consolidated.00.pth").rename(sliced / "consolidated.02.pth")
    with pytest.raises(InputError) as error:
        checkpoints.open(sliced)
    assert str(error.value) == f"{sliced}: consolidated.00.pth is missing; fetch it as well"


def test_meta_alone_says_what_it_can(tmp_path: Path) -> None:
    """Without Hugging Face's files beside it, as Meta publishes a model."""
    source = models.folder(tmp_path / "hf", "llama-3", torch.bfloat16)
    checkpoints.convert(source, tmp_path / "meta", "pth")
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        (tmp_path / "meta" / name).unlink()
    opened = checkpoints.open(tmp_path / "meta")
    # Meta's small models, this one's width among them, divide by 32.
    assert opened.config["rope_scaling"] == {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    assert opened.config["max_position_embeddings"] == 131_072
    assert opened.config["tie_word_embeddings"] is False


@pytest.mark.parametrize(
    ("params", "context"),
    [
        ({"norm_eps": 1e-6}, 2048),
        ({"norm_eps": 1e-5}, 4096),
        ({"use_scaled_rope": True}, 131_072),
    ],
)
def test_the_context_of_each_llama(tmp_path: Path, params: dict[str, Any], context: int) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    checkpoints.convert(source, tmp_path / "meta", "pth")
    (tmp_path / "meta/config.json").unlink()
    path = tmp_path / "meta/params.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | params))
    assert checkpoints.open(tmp_path / "meta").config["max_position_embeddings"] == context


def test_settings_tokenizer_and_template_travel(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama", torch.bfloat16)
    checkpoints.convert(source, tmp_path / "model.gguf")
    checkpoints.convert(tmp_path / "model.gguf", tmp_path / "meta", "pth")
    checkpoints.convert(tmp_path / "meta", tmp_path / "back", "safetensors")
    ours = transformers.AutoTokenizer.from_pretrained(tmp_path / "back")
    theirs = transformers.AutoTokenizer.from_pretrained(source)
    cpp = models.LlamaCpp(tmp_path / "model.gguf")
    for text in SAMPLES:
        assert ours(text).input_ids == theirs(text).input_ids
        assert cpp.words(text) == theirs(text).input_ids
        assert ours.decode(ours(text).input_ids) == theirs.decode(theirs(text).input_ids)
    talk = [{"role": "user", "content": "hi"}]
    assert ours.apply_chat_template(talk, tokenize=False) == theirs.apply_chat_template(
        talk, tokenize=False
    )
    assert (ours.bos_token_id, ours.eos_token_id, ours.unk_token_id) == (1, 2, 0)
    generation = transformers.GenerationConfig.from_pretrained(tmp_path / "back")
    assert (generation.temperature, generation.top_k, generation.do_sample) == (0.5, 20, True)
    assert generation.eos_token_id == 2
    assert json.loads((tmp_path / "back/config.json").read_text())["torch_dtype"] == "bfloat16"
    assert checkpoints.open(tmp_path / "back").about["licence"] == "mit"


def test_the_real_model_round_in_all_formats(tmp_path: Path, smollm2: Path) -> None:
    checkpoints.convert(smollm2, tmp_path / "hf")
    checkpoints.convert(tmp_path / "hf", tmp_path / "meta", "pth")
    checkpoints.convert(tmp_path / "meta", tmp_path / "model.gguf")
    checkpoints.convert(tmp_path / "model.gguf", tmp_path / "back")
    assert digest(tmp_path / "hf") == digest(tmp_path / "back")
    tokenizer = "tokenizer.json"
    assert (tmp_path / "hf" / tokenizer).read_bytes() == (
        tmp_path / "back" / tokenizer
    ).read_bytes()


def test_the_real_model_computes_what_transformers_reads(tmp_path: Path, smollm2: Path) -> None:
    """Blocks of few bits in float32: transformers' own reader of GGUF gives the same bits."""
    checkpoints.convert(smollm2, tmp_path / "hf", dtype="f32")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        smollm2.parent, gguf_file=smollm2.name, dtype=torch.float32
    ).eval()
    assert np.array_equal(logits(loaded(tmp_path / "hf")), logits(theirs))
    ours = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    cpp = models.LlamaCpp(smollm2)
    for text in ("Hello world 1234, it's", "héllo\n\n\tworld <|im_start|>user\nhi<|im_end|>"):
        assert ours(text).input_ids == cpp.words(text)
    assert ours.eos_token == "<|im_end|>"


@pytest.mark.slow
def test_the_second_real_family(tmp_path: Path) -> None:
    """Gemma 3 270M: the same words as llama.cpp, and nearly the same probabilities."""
    source = fetch_file("gemma-3-270m")
    made = checkpoints.convert(source, tmp_path / "hf")
    assert made.parameters == 268_098_176
    ours, cpp = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf"), models.LlamaCpp(source)
    for text in ("The capital of France is", "\n\n  héllo\tworld 你好 🙂 a_b    c <b>1234</b>"):
        assert ours(text).input_ids == cpp.words(text)
        assert ours.decode(ours(text).input_ids[1:]) == text
    prompt = tuple(ours("The capital of France is").input_ids)
    expected = torch.log_softmax(
        torch.from_numpy(logits(loaded(tmp_path / "hf", "bfloat16"), prompt)[-1]), -1
    )
    found = cpp.log_probabilities(prompt)
    # llama.cpp rounds the other factor of a product to 8 bits as well.
    likely = {k: v for k, v in found.items() if v > -6}
    assert max(abs(float(expected[k]) - v) for k, v in likely.items()) < 0.6
    assert int(expected.argmax()) == max(found, key=found.__getitem__)


def test_many_files(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    opened = checkpoints.open(source)
    (tmp_path / "many").mkdir()
    huggingface.write_folder(opened, tmp_path / "many", conversion.plan(opened, None), 50_000)
    shards = sorted(path.name for path in (tmp_path / "many").glob("*.safetensors"))
    assert shards[0] == f"model-00001-of-{len(shards):05}.safetensors"
    assert np.array_equal(logits(loaded(tmp_path / "many")), logits(loaded(source)))
    checkpoints.convert(tmp_path / "many", tmp_path / "one")
    assert same_tensors(source, tmp_path / "one")
    (tmp_path / "many" / shards[1]).unlink()
    with pytest.raises(InputError) as error:
        checkpoints.open(tmp_path / "many")
    index = tmp_path / "many/model.safetensors.index.json"
    assert str(error.value) == f"{index} names {shards[1]}, which is missing; fetch it as well"


@pytest.mark.parametrize("dtype", ["f32", "fp16", "bfloat16"])
def test_another_type(tmp_path: Path, dtype: str) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    checkpoints.convert(source, tmp_path / "other", dtype=dtype)
    kind = {"f32": torch.float32, "fp16": torch.float16, "bfloat16": torch.bfloat16}[dtype]
    expected = load_torch(source / "model.safetensors")
    for name, tensor in load_torch(tmp_path / "other/model.safetensors").items():
        assert torch.equal(tensor, expected[name].to(kind))


def test_a_sliding_window_is_kept(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "mistral")
    config = source / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sliding_window": 4}))
    checkpoints.convert(source, tmp_path / "model.gguf")
    checkpoints.convert(tmp_path / "model.gguf", tmp_path / "back")
    back = checkpoints.open(tmp_path / "back")
    assert (back.config["model_type"], back.config["sliding_window"]) == ("mistral", 4)
    assert np.array_equal(logits(loaded(tmp_path / "back")), logits(loaded(source)))


@pytest.mark.parametrize(
    ("name", "change", "to", "message"),
    [
        ("qwen2", {}, "pth", "is of the family qwen2, which Meta's format does not know; "),
        ("llama-biased", {}, "pth", "has the bias model.layers.0.self_attn.q_proj.bias, which "),
        ("llama", {"hidden_act": "gelu"}, "gguf", "has the activation 'gelu', which GGUF's llama "),
        ("gemma3", {"query_pre_attn_scalar": 7}, "gguf", "has query_pre_attn_scalar 7, which "),
        ("gemma3", {"final_logit_softcapping": 30.0}, "gguf", "has soft-capped logits, which "),
    ],
)
def test_what_the_target_does_not_know_is_refused(
    tmp_path: Path, name: str, change: dict[str, Any], to: str, message: str
) -> None:
    source = models.folder(tmp_path / "hf", name)
    config = source / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    destination = tmp_path / ("model.gguf" if to == "gguf" else "out")
    with pytest.raises(InputError) as error:
        checkpoints.convert(source, destination, to)
    assert str(error.value).startswith(f"{source} {message}")
    assert not destination.exists()
    assert files(tmp_path) == {"hf"}


@pytest.mark.parametrize(
    ("destination", "to", "dtype", "message"),
    [
        ("out", "safetensor", None, "cannot convert to 'safetensor'; did you mean safetensors?"),
        ("out", "gguf", None, "gguf is written as a file that ends in .gguf, and the destination "),
        ("out.gguf", "pth", None, "pth is written as a folder, and the destination is "),
        ("out", None, "int8", "no dtype is called 'int8'; there is f32, f16 and bf16"),
        ("hf", None, None, "hf exists already; choose another name or remove it"),
    ],
)
def test_wrong_wishes(
    tmp_path: Path, destination: str, to: str | None, dtype: str | None, message: str
) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    with pytest.raises(InputError) as error:
        checkpoints.convert(source, tmp_path / destination, to, dtype)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("destination", ["out.gguf", "out"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, destination: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = models.folder(tmp_path / "hf", "llama")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for room in (gguf_write, huggingface):
        monkeypatch.setattr(room.np, "ascontiguousarray", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        checkpoints.convert(source, tmp_path / destination)
    assert error.value.filename == str(tmp_path / destination)
    assert files(tmp_path) == {"hf"}


def test_a_disk_that_is_too_small_is_found_out_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    usage = shutil.disk_usage(tmp_path)._replace(free=400_000)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ByhandError) as error:
        checkpoints.convert(source, tmp_path / "out")
    assert str(error.value) == (
        f"{tmp_path / 'out'} needs 0.5 MB and 0.4 MB are free there; nothing was written: "
        "make room or choose another disk"
    )
    assert files(tmp_path) == {"hf"}


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    for read in (checkpoints.open, checkpoints.inspect):
        with pytest.raises(InputError) as error:
            read(folder)
        assert str(error.value) == (
            f"{folder} is an adapter, and no model by itself; byhand weights merge BASE {folder} "
            "TO_PATH makes one of it and its base"
        )


def test_two_names_of_one_storage_count_once(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama-tied")
    checkpoints.convert(source, tmp_path / "meta", "pth")
    made = models.model("llama-tied")
    assert checkpoints.open(tmp_path / "meta").parameters == made.num_parameters()
    assert "lm_head.weight" not in load_file(source / "model.safetensors")
    state = torch.load(tmp_path / "meta/consolidated.00.pth", weights_only=True)
    assert state["output.weight"].data_ptr() == state["tok_embeddings.weight"].data_ptr()
