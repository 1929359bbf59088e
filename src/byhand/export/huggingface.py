"""A run as a folder that Hugging Face's transformers loads: a Llama, built and trained by hand."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from byhand.checkpoints import conversion, tokenizer_json
from byhand.checkpoints.description import Checkpoint, Config, Tensor
from byhand.checkpoints.numbers import Array
from byhand.checkpoints.tokenizer_files import FileTokenizer
from byhand.checkpoints.vocabulary import BYTE_LEVEL, Kind, Vocabulary
from byhand.data.vocabulary import Characters
from byhand.errors import InputError
from byhand.layers import RMSNorm
from byhand.layers.rotary import BASE
from byhand.training import Run
from byhand.training.model_tables import GPTTable

LLAMA = {"positions": "rotary", "norm": "rms", "place": "pre", "feed_forward": "swiglu"}
"""The settings of a `gpt` that make it one."""
OUTSIDE = {
    "embedding1.E": "model.embed_tokens",
    "rmsnorm1.gamma": "model.norm",
    "output.W": "lm_head",
}
ATTENTION = {
    "rmsnorm1.gamma": "input_layernorm",
    "selfattention1.Wq": "self_attn.q_proj",
    "selfattention1.Wk": "self_attn.k_proj",
    "selfattention1.Wv": "self_attn.v_proj",
    "selfattention1.Wo": "self_attn.o_proj",
}
FEED_FORWARD = {
    "rmsnorm1.gamma": "post_attention_layernorm",
    "swiglu1.W": "mlp.gate_proj",
    "swiglu1.V": "mlp.up_proj",
    "swiglu1.W2": "mlp.down_proj",
}


def export_huggingface(run: Run, folder: Path) -> Checkpoint:
    """Write config.json, model.safetensors, the tokenizer and generation_config.json.

    folder          one that does not exist or is empty
    Shapes          ours W[in, out], theirs weight[out, in]; an embedding is [vocabulary, width] in
                    both. All numbers are float32.
    Raises          InputError where the run's model is no Llama, and what differs; where GGUF and
                    transformers could not spell its characters
    """
    model = _llama(run)
    parameters = run.parameters("best")
    names = _names(model.depth)
    tensors = {
        theirs: _tensor(theirs, parameters[ours], ours != "embedding1.E")
        for ours, theirs in names.items()
    }
    described = Checkpoint(
        run.folder,
        "safetensors",
        _config(model, run, parameters["feed_forward1.swiglu1.W"].shape[1]),
        tensors,
        _RunTokenizer(run),
        {"do_sample": True, "max_length": run.recipe.data.steps},
        {"name": run.name},
    )
    return conversion.write(described, folder, "safetensors")


def _llama(run: Run) -> GPTTable:
    model = run.recipe.model
    if not isinstance(model, GPTTable):
        raise InputError(
            f"--to huggingface writes a Llama, and run {run.name} is of model.kind = "
            f'"{model.kind}": train gpt-llama, or export to torch or onnx'
        )
    found = {key: str(getattr(model, key)) for key in LLAMA}
    other = [
        f'model.{key} = "{value}", found "{found[key]}"'
        for key, value in LLAMA.items()
        if found[key] != value
    ]
    if other:
        raise InputError(
            f"--to huggingface writes a Llama, and run {run.name} is none: expected "
            f"{'; '.join(other)}; train gpt-llama, or export to torch or onnx"
        )
    return model


def _names(depth: int) -> dict[str, str]:
    """Our names of the parameters, in the order of the model, and theirs."""
    names = {}
    for k in range(depth):
        for block, inside in (("attention", ATTENTION), ("feed_forward", FEED_FORWARD)):
            for ours, theirs in inside.items():
                names[f"{block}{k + 1}.{ours}"] = f"model.layers.{k}.{theirs}.weight"
    first, *last = ((ours, f"{theirs}.weight") for ours, theirs in OUTSIDE.items())
    return dict((first, *names.items(), *last))


def _tensor(name: str, value: Array, transposed: bool) -> Tensor:
    theirs = np.ascontiguousarray(value.T if transposed else value, np.float32)
    return Tensor(name, theirs.shape, "F32", partial(np.asarray, theirs))


def _config(model: GPTTable, run: Run, hidden: int) -> Config:
    assert run.vocabulary is not None  # a gpt is trained on a text
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": len(run.vocabulary),
        "hidden_size": model.width,
        "intermediate_size": hidden,
        "num_hidden_layers": model.depth,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads or model.heads,
        "head_dim": model.width // model.heads,
        "hidden_act": "silu",
        "max_position_embeddings": run.recipe.data.steps,
        "rms_norm_eps": RMSNorm(model.width).epsilon,
        "rope_theta": BASE,
        "rope_scaling": None,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        # Left out they are 1 and 2, which are letters here: a text would end at the first of them.
        "bos_token_id": None,
        "eos_token_id": None,
    }


class _RunTokenizer:
    """The tokens of a run, as its checkpoint has them: no template, and no special words."""

    chat_template = None

    def __init__(self, run: Run) -> None:
        self._run = run
        self._vocabulary = _bytes_of_characters(run)

    def files(self) -> dict[str, bytes]:
        return tokenizer_json.written(self._vocabulary, self._run.folder)

    def vocabulary(self) -> Vocabulary:
        return self._vocabulary


def _bytes_of_characters(run: Run) -> Vocabulary:
    """Byte pairs as they are; characters as byte pairs of which none is merged.

    Raises      InputError for a character of several bytes, which would be several tokens
    """
    characters = run.vocabulary
    if not isinstance(characters, Characters):
        return FileTokenizer(run.folder).vocabulary()
    several = [c for c in characters.characters if not c.isascii()]
    if several:
        raise InputError(
            f"--to huggingface: the vocabulary of run {run.name} has {several[0]!r} "
            f"(U+{ord(several[0]):04X}) as one token, and a tokenizer of bytes would make "
            f"{len(several[0].encode('utf-8', 'surrogatepass'))} of it: train with "
            "--set data.tokens=bpe"
        )
    # GPT-2's letters for bytes: those that can be seen stand for themselves.
    words = [c if "!" <= c <= "~" else chr(ord(c) + 256) for c in characters.characters]
    if "\x7f" in characters.characters:
        words[characters.characters.index("\x7f")] = "\u0121"
    return Vocabulary(BYTE_LEVEL, "gpt-2", words, [Kind.NORMAL] * len(words))
