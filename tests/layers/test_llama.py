"""Our layers put together are Llama: the same logits as the model that transformers builds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from byhand.layers import Dense, Embedding, Sequential
from byhand.layers.residual import Residual
from byhand.layers.rms_norm import RMSNorm
from byhand.layers.self_attention import SelfAttention
from byhand.layers.swiglu import SwiGLU

transformers = pytest.importorskip("transformers")
PLACES = {
    "attention.norm.gamma": "input_layernorm",
    "attention.heads.Wq": "self_attn.q_proj",
    "attention.heads.Wk": "self_attn.k_proj",
    "attention.heads.Wv": "self_attn.v_proj",
    "attention.heads.Wo": "self_attn.o_proj",
    "forward.norm.gamma": "post_attention_layernorm",
    "forward.gated.W": "mlp.gate_proj",
    "forward.gated.V": "mlp.up_proj",
    "forward.gated.W2": "mlp.down_proj",
}


def ours(words: int, width: int, layers: int) -> Sequential:
    blocks = []
    for k in range(layers):
        heads = SelfAttention(width, 4, kv_heads=2, causal=True, rotary=True, name="heads")
        norms = [RMSNorm(width, name="norm") for _ in range(2)]
        blocks += [
            Residual(norms[0], heads, name=f"{k}_attention"),
            Residual(norms[1], SwiGLU(width, 24, name="gated"), name=f"{k}_forward"),
        ]
    return Sequential(
        Embedding(words, width, name="words"),
        *blocks,
        RMSNorm(width, name="norm"),
        Dense(width, words, name="scores"),
    )


def theirs(model: Sequential, words: int, width: int, layers: int) -> Any:
    """The same numbers in the names and layouts of Llama."""
    config = transformers.LlamaConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=24,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    tensors = {
        "model.embed_tokens.weight": model.parameters["words.E"],
        "model.norm.weight": model.parameters["norm.gamma"],
        "lm_head.weight": model.parameters["scores.W"].T,
    }
    for k in range(layers):
        for name, place in PLACES.items():
            tensors[f"model.layers.{k}.{place}.weight"] = model.parameters[f"{k}_{name}"].T
    llama = transformers.LlamaForCausalLM(config).double().eval()
    llama.load_state_dict({name: torch.tensor(w) for name, w in tensors.items()})
    return llama


def test_logits_and_gradients_are_those_of_transformers() -> None:
    """It takes angles and root mean squares in float32, so not to the last digit."""
    words, width, layers = 11, 16, 2
    model = ours(words, width, layers).initialize(0)
    rng = np.random.default_rng(1)
    noisy = {n: w + 0.3 * rng.standard_normal(w.shape) for n, w in model.parameters.items()}
    noisy["scores.b"] = np.zeros(words)
    model.set_parameters(noisy)
    llama = theirs(model, words, width, layers)
    ids = rng.integers(words, size=(2, 9))
    expected = llama(torch.tensor(ids)).logits
    dy = rng.standard_normal(expected.shape)
    expected.backward(torch.tensor(dy))

    y, caches = model.forward(ids)
    _, gradients = model.backward(dy, caches)
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-5, atol=1e-5)
    for k in range(layers):
        for name, place in PLACES.items():
            their = llama.get_submodule(f"model.layers.{k}.{place}").weight.grad.numpy().T
            scale = np.abs(their).max()
            np.testing.assert_allclose(gradients[f"{k}_{name}"], their, atol=1e-5 * scale)
