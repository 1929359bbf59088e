"""The terms of the kept activations, beside what PyTorch keeps of such a block."""

from __future__ import annotations

from typing import Any

import pytest

from byhand.napkin.activations import Activations, Trained
from byhand.napkin.quantity import given
from byhand.napkin.sources.config import from_config
from byhand.napkin.symbols import Symbols
from byhand.napkin.tensors import Model

torch = pytest.importorskip("torch")

BATCH, TOKENS = 2, 24
H, HEADS, HEAD_DIM, F = 32, 4, 8, 56
Tensor = Any


def dropout(x: Tensor) -> Tensor:
    """As on a GPU: the mask has one byte for each element."""
    return torch.native_dropout(x, 0.1, True)[0]


class Block(torch.nn.Module):
    """A Transformer's block: GPT-2's with dropout, or Llama's with a gate and grouped heads."""

    def __init__(self, kv_heads: int, gated: bool) -> None:
        super().__init__()
        linear, norm = torch.nn.Linear, torch.nn.LayerNorm
        self.kv_heads, self.gated = kv_heads, gated
        self.norms = torch.nn.ModuleList([norm(H), norm(H)])
        self.q, self.o = linear(H, HEADS * HEAD_DIM), linear(HEADS * HEAD_DIM, H)
        self.k, self.v = linear(H, kv_heads * HEAD_DIM), linear(H, kv_heads * HEAD_DIM)
        self.up, self.down = linear(H, F), linear(F, H)
        self.gate = linear(H, F) if gated else None

    def forward(self, x: Tensor) -> Tensor:
        drop = (lambda y: y) if self.gated else dropout
        x = x + drop(self.o(self.attend(self.norms[0](x))))
        y = self.norms[1](x)
        up = self.up(y)
        if self.gate is None:
            inside = torch.nn.functional.gelu(up)
        else:
            inside = torch.nn.functional.silu(self.gate(y)) * up
        return x + drop(self.down(inside))

    def attend(self, x: Tensor) -> Tensor:
        """The heads of q that share k and v stand below each other, so that nothing is repeated."""
        shared = HEADS // self.kv_heads * TOKENS
        q = self.q(x).view(BATCH, TOKENS, self.kv_heads, -1, HEAD_DIM).permute(0, 2, 3, 1, 4)
        q = q.reshape(BATCH, self.kv_heads, shared, HEAD_DIM) / HEAD_DIM**0.5
        k, v = (
            part(x).view(BATCH, TOKENS, self.kv_heads, HEAD_DIM).transpose(1, 2).contiguous()
            for part in (self.k, self.v)
        )
        weights = torch.softmax(q @ k.transpose(-1, -2), -1)
        out = (weights if self.gated else dropout(weights)) @ v
        out = out.view(BATCH, self.kv_heads, -1, TOKENS, HEAD_DIM).permute(0, 3, 1, 2, 4)
        return out.reshape(BATCH, TOKENS, HEADS * HEAD_DIM)


def kept_bytes(block: Block) -> int:
    """What the forward pass keeps for the backward pass: each storage once, and no parameters."""
    own = {parameter.untyped_storage().data_ptr() for parameter in block.parameters()}
    kept: dict[int, int] = {}
    alive = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    x = torch.randn(BATCH, TOKENS, H, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = block(x)
    assert out.requires_grad
    return sum(kept.values())


def model(kv_heads: int, gated: bool) -> Model:
    if gated:
        config = {
            "model_type": "llama",
            "num_hidden_layers": 1,
            "hidden_size": H,
            "intermediate_size": F,
            "num_attention_heads": HEADS,
            "num_key_value_heads": kv_heads,
            "vocab_size": 10,
            "max_position_embeddings": TOKENS,
        }
    else:
        config = {
            "model_type": "gpt2",
            "n_layer": 1,
            "n_embd": H,
            "n_inner": F,
            "n_head": HEADS,
            "vocab_size": 10,
            "n_positions": TOKENS,
        }
    return from_config(config, "block", "a test")


# With heads that are not shared, k and v are as wide as the model.
@pytest.mark.parametrize(("kv_heads", "gated"), [(HEADS, False), (HEADS, True), (2, True)])
def test_a_block_keeps_what_is_predicted(kv_heads: int, gated: bool) -> None:
    s = Symbols(model(kv_heads, gated), TOKENS, BATCH)
    predicted = Activations(s, 4, Trained()).layer(scores=True).value * BATCH * TOKENS
    torch.manual_seed(0)
    measured = kept_bytes(Block(kv_heads, gated))
    # The norms keep mean and deviation of each token as well: two float32 each.
    statistics = 2 * 2 * 4 * BATCH * TOKENS
    assert measured - statistics == int(predicted)


def test_an_adapter_keeps_its_rank() -> None:
    s = Symbols(model(HEADS, True), TOKENS, BATCH)
    without = Activations(s, 4, Trained(frozenset({"q"}))).layer(scores=False).value
    rank = given("r", 3)
    beside = Activations(s, 4, Trained(frozenset({"q"}), rank)).layer(scores=False).value
    assert beside - without == 3 * 4
