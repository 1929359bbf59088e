"""From the tensors of a checkpoint to a decoder, one tensor at a time in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from byhand.checkpoints import Checkpoint
from byhand.checkpoints.families import FAMILIES
from byhand.checkpoints.numbers import to_float32
from byhand.language import rotary
from byhand.language.decoder import Block, Decoder, Parts
from byhand.language.kernels import Int8, Matrix, Plain, Ready
from byhand.language.windows import windows

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "int8": torch.bfloat16}
"""What is computed in, by the name of a dtype."""
Change = Callable[[str, Tensor], Tensor]


def build(
    checkpoint: Checkpoint,
    context: int,
    dtype: str,
    device: torch.device,
    change: Change = lambda name, weight: weight,
    ready: Ready | None = None,
) -> Decoder:
    """The decoder of this checkpoint.

    context     the most tokens that it will see
    dtype       of `TYPES`; int8 leaves W_down as it is, whose inputs are products and far from
                evenly large, so that its rounding does most of the harm
    change      what is made of a matrix as it is loaded, such as by an adapter
    ready       for int8: what is in it is taken from it, what is missing is added
    """
    builder = _Builder(checkpoint, dtype, device, change, {} if ready is None else ready)
    return Decoder(checkpoint.config, builder.parts(context))


class _Builder:
    def __init__(
        self,
        checkpoint: Checkpoint,
        dtype: str,
        device: torch.device,
        change: Change,
        ready: Ready,
    ) -> None:
        self.config, self.tensors = checkpoint.config, checkpoint.tensors
        self.packed, self.ready = dtype == "int8", ready
        self.dtype, self.device, self.change = TYPES[dtype], device, change
        self.offset = FAMILIES[self.config["model_type"]].norm_offset

    def parts(self, context: int) -> Parts:
        if "lm_head.weight" in self.tensors:
            embedding: Matrix = Plain(self._tensor("model.embed_tokens.weight"))
            head = self._matrix("lm_head")
        else:
            embedding = head = self._matrix("model.embed_tokens")
        far = rotary.frequencies(self.config, float(self.config["rope_theta"]))
        local = self.config.get("rope_local_base_freq")
        tables = {False: self._turns(far, context)}
        if local is not None:
            near = rotary.frequencies(self.config, float(local), scaled=False)
            tables[True] = self._turns(near, context)
        blocks = []
        for k, window in enumerate(windows(self.config)):
            turns = tables[local is not None and window is not None]
            blocks.append(self._block(f"model.layers.{k}", window, turns))
        return Parts(embedding, blocks, self._norm("model.norm"), head)

    def _turns(self, found: tuple[Tensor, float], context: int) -> tuple[Tensor, Tensor]:
        cosines, sines = rotary.table(*found, context, self.dtype)
        return cosines.to(self.device), sines.to(self.device)

    def _block(self, name: str, window: int | None, turns: tuple[Tensor, Tensor]) -> Block:
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        gemma = bool(self.offset)
        after = f"{name}.post_attention_layernorm"
        normed = f"{attention}.q_norm.weight" in self.tensors
        return Block(
            norm_in=self._norm(f"{name}.input_layernorm"),
            qkv=self._matrix(*(f"{attention}.{part}_proj" for part in "qkv")),
            q_norm=self._norm(f"{attention}.q_norm") if normed else None,
            k_norm=self._norm(f"{attention}.k_norm") if normed else None,
            o=self._matrix(f"{attention}.o_proj"),
            norm_o=self._norm(after) if gemma else None,
            norm_mlp=self._norm(f"{name}.pre_feedforward_layernorm" if gemma else after),
            gate_up=self._matrix(f"{mlp}.gate_proj", f"{mlp}.up_proj"),
            down=Plain(self._tensor(f"{mlp}.down_proj.weight")),
            norm_down=self._norm(f"{name}.post_feedforward_layernorm") if gemma else None,
            window=window,
            turns=turns,
        )

    def _matrix(self, *names: str) -> Matrix:
        """Several matrices as one, their rows below each other."""
        biases = [self._tensor(f"{n}.bias") for n in names if f"{n}.bias" in self.tensors]
        bias, whole = _joined(biases) if biases else None, "+".join(names)
        if self.packed and whole in self.ready:
            return Int8(*self.ready[whole], bias)
        weight = _joined([self._tensor(f"{name}.weight") for name in names])
        if not self.packed:
            return Plain(weight, bias)
        made = Int8.rounded(weight, bias)
        self.ready[whole] = made.quants, made.scale
        return made

    def _norm(self, name: str) -> Tensor:
        """Gemma's norms are stored as w in (1 + w) x."""
        weight = self._read(f"{name}.weight").float() + self.offset
        return weight.to(self.device, self.dtype)

    def _tensor(self, name: str) -> Tensor:
        return self.change(name, self._read(name)).to(self.device, self.dtype)

    def _read(self, name: str) -> Tensor:
        tensor = self.tensors[name]
        values: Any = np.ascontiguousarray(tensor.read())
        if tensor.dtype == "BF16":
            return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(to_float32(values, tensor.dtype))


def _joined(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)
