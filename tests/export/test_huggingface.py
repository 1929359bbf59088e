"""A gpt that is a Llama, in the folder of one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import checkpoints
from byhand.errors import InputError
from byhand.export import export_huggingface
from byhand.training import Run, read_recipe, trainer_for

transformers = pytest.importorskip("transformers")
LLAMA = 'positions = "rotary", norm = "rms", feed_forward = "swiglu"'
RECIPE = """
title = "Cats and dogs"
loss = "softmax_cross_entropy"
data = {{ text = "{text}", steps = 8{data} }}
model = {{ kind = {model} }}
optimizer = {{ name = "adamw", learning_rate = 0.01 }}
training = {{ epochs = 1, steps_per_epoch = 2, batch_size = 4 }}
"""
SMALL = f'"gpt", width = 16, depth = 2, heads = 4, kv_heads = 2, {LLAMA}'
TEXT = "the cat sat on the mat.\nthe dog, too!\n" * 30


def run_of(folder: Path, model: str = SMALL, text: str = TEXT, data: str = "") -> Run:
    (folder / "cats.txt").write_text(text, "utf-8")
    settings = RECIPE.format(text=(folder / "cats.txt").as_posix(), data=data, model=model)
    (folder / "cats.toml").write_text(settings, "utf-8")
    recipe = read_recipe(folder / "cats.toml")
    run = Run.create(recipe, root=folder / "runs")
    trainer_for(recipe, run).fit()
    return run


def logits(run: Run, ids: Any) -> Any:
    assert run.vocabulary is not None
    model = run.recipe.with_vocabulary(len(run.vocabulary)).model.build(0, "float64")
    model.set_parameters(run.parameters("best"))
    return model.forward(ids)[0]


@pytest.mark.parametrize("data", ["", ', tokens = "bpe", vocabulary = 270'])
def test_transformers_reads_it_and_says_the_same(tmp_path: Path, data: str) -> None:
    run, folder = run_of(tmp_path, data=data), tmp_path / "llama"
    made = export_huggingface(run, folder)
    assert made.parameters == sum(w.size for w in run.parameters("best").values())
    assert run.vocabulary is not None
    words = transformers.AutoTokenizer.from_pretrained(folder)
    sentence = "the dog sat on the cat.\n"
    ids = run.vocabulary.encode(sentence)
    assert words.encode(sentence) == ids.tolist()
    assert words.decode(ids) == sentence
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert type(theirs) is transformers.LlamaForCausalLM
    found = theirs(words(sentence, return_tensors="pt")["input_ids"]).logits.detach().numpy()
    np.testing.assert_allclose(found, logits(run, ids[None]), rtol=1e-4, atol=1e-5)


def test_no_letter_ends_a_text(tmp_path: Path) -> None:
    export_huggingface(run_of(tmp_path), tmp_path / "llama")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "llama")
    assert (theirs.config.bos_token_id, theirs.config.eos_token_id) == (None, None)
    assert theirs.generation_config.eos_token_id is None


def test_the_way_goes_on_to_gguf_and_back(tmp_path: Path) -> None:
    export_huggingface(run_of(tmp_path), tmp_path / "llama")
    checkpoints.convert(tmp_path / "llama", tmp_path / "llama.gguf")
    back = checkpoints.convert(tmp_path / "llama.gguf", tmp_path / "back")
    for name, tensor in checkpoints.open(tmp_path / "llama").tensors.items():
        assert np.array_equal(back.tensor(name).read(), tensor.read()), name
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "back")
    assert words.decode(words.encode("the cat.\n")) == "the cat.\n"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            '"gpt", width = 8, depth = 1, heads = 2, norm = "rms"',
            "--to huggingface writes a Llama, and run cats is none: expected model.positions = "
            '"rotary", found "learned"; model.feed_forward = "swiglu", found "gelu"; train '
            "gpt-llama, or export to torch or onnx",
        ),
        (
            '"char_rnn", hidden = [4]',
            "--to huggingface writes a Llama, and run cats is of model.kind = "
            '"char_rnn": train gpt-llama, or export to torch or onnx',
        ),
    ],
)
def test_another_model_is_refused(tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        export_huggingface(run_of(tmp_path, model), tmp_path / "llama")
    assert not (tmp_path / "llama").exists()


def test_a_character_of_several_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        export_huggingface(run_of(tmp_path, text="où est le chat?\n" * 60), tmp_path / "llama")
    assert str(caught.value) == (
        "--to huggingface: the vocabulary of run cats has 'ù' (U+00F9) as one token, and a "
        "tokenizer of bytes would make 2 of it: train with --set data.tokens=bpe"
    )


def test_nothing_is_written_over(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    export_huggingface(run, tmp_path / "llama")
    with pytest.raises(InputError, match="llama exists already; choose another name or remove it"):
        export_huggingface(run, tmp_path / "llama")
