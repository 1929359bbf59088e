"""What llama.cpp makes of each tensor when it quantizes a model: types, bytes, the file's size.

`Q4_K_M` names no type but a mixture of them: norms stay in F32, the output head gets Q6_K, and so
do v and the MLP's second matrix in some layers. So bits per weight differ from model to model, and
a size is a sum over tensors.

Source      llama.cpp, src/llama-quant.cpp, without an importance matrix, as of the files that are
            published. (Since 2026 it gives a fused qkv, as in Phi-3, the type of a v.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from byhand.checkpoints.ggml_types import NAMED, BlockType
from byhand.checkpoints.safetensors_header import BITS
from byhand.errors import InputError, nearest
from byhand.napkin.tensors import Model, Tensor

DEFAULTS = {
    "F32": "F32",
    "F16": "F16",
    "BF16": "BF16",
    "Q8_0": "Q8_0",
    "Q6_K": "Q6_K",
    "Q5_K_M": "Q5_K",
    "Q5_K_S": "Q5_K",
    "Q5_1": "Q5_1",
    "Q5_0": "Q5_0",
    "Q4_K_M": "Q4_K",
    "Q4_K_S": "Q4_K",
    "IQ4_NL": "IQ4_NL",
    "IQ4_XS": "IQ4_XS",
    "Q4_1": "Q4_1",
    "Q4_0": "Q4_0",
    "Q3_K_L": "Q3_K",
    "Q3_K_M": "Q3_K",
    "Q3_K_S": "Q3_K",
    "Q2_K": "Q2_K",
}
"""The type of a tensor for which a mixture has no rule of its own, from large to small."""

ALIASES = {"Q5_K": "Q5_K_M", "Q4_K": "Q4_K_M", "Q3_K": "Q3_K_M"}
FALLBACK = {
    "IQ4_XS": "IQ4_NL",
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""What replaces a type with blocks of 256 where a row is no multiple of it."""

UNQUANTIZED = frozenset({"norm", "bias", "router", "position", "token_type"})

BYTES_PER_WORD = {
    32_000: 22.5,
    49_152: 36.0,
    128_256: 61.0,
    151_936: 39.0,
    152_064: 39.0,
    256_000: 23.6,
    262_144: 24.3,
    262_208: 24.3,
}
"""What the vocabularies of Llama 2, SmolLM2, Llama 3, Qwen, Gemma and Gemma 3 take in published
files, by their number of words. A word takes 8 bytes for its length, 4 for its kind, and its text;
byte-pair vocabularies list merges beside (8 bytes and a text each), the others scores (4 bytes)."""


@dataclass(frozen=True)
class Mixture:
    """A model as llama.cpp would store it.

    types           each stored tensor with its type
    weight_bytes    the sum of their bytes, exact
    header_bytes    metadata, vocabulary and padding: fewest, expected, most. The vocabulary's texts
                    are not known here, so this part is an estimate.
    """

    quantization: str
    types: tuple[tuple[Tensor, BlockType], ...]
    weight_bytes: int
    header_bytes: tuple[int, int, int]

    @property
    def parameters(self) -> int:
        return sum(tensor.parameters for tensor, _ in self.types)

    @property
    def bits_per_weight(self) -> float:
        """8 · bytes / parameters, of the tensors alone."""
        return 8 * self.weight_bytes / self.parameters

    @property
    def file_bytes(self) -> tuple[int, int, int]:
        """The size of the .gguf file: fewest, expected, most."""
        low, expected, high = self.header_bytes
        return self.weight_bytes + low, self.weight_bytes + expected, self.weight_bytes + high

    @property
    def counts(self) -> dict[str, int]:
        """How many tensors have each type."""
        return dict(Counter(kind.name for _, kind in self.types))


def quantization_name(text: str) -> str:
    """The name of a mixture, however it is written.

    Raises      InputError with the nearest name where there is none
    """
    name = text.strip().upper().replace("-", "_")
    name = ALIASES.get(name, name)
    if name not in DEFAULTS:
        advice = nearest(name, DEFAULTS, f"there is {', '.join(DEFAULTS)}")
        raise InputError(f"unknown quantization {text[:40]!r}; {advice}")
    return name


def bits(model: Model, quantization: str) -> Mixture:
    """The type and the bytes of each tensor in this mixture.

    Raises      InputError for an unknown quantization
    """
    name = quantization_name(quantization)
    choose = _Rules(model, name).type_of
    types = tuple((tensor, choose(tensor)) for tensor in model.tensors if tensor.parameters)
    weight_bytes = sum(kind.nbytes(_row(t), t.parameters) for t, kind in types)
    return Mixture(name, types, weight_bytes, _header(model.vocabulary or 0, len(types)))


def stored_bytes(tensor: Tensor) -> int:
    """The bytes of a tensor as its file stores it; 0 where it is stored under another name.

    Raises      InputError where its type isn't known
    """
    if tensor.tied_to:
        return 0
    if tensor.dtype in NAMED:
        return NAMED[tensor.dtype].nbytes(_row(tensor), tensor.parameters)
    if tensor.dtype in BITS:
        return tensor.parameters * BITS[tensor.dtype] // 8
    raise InputError(f"{tensor.name} is stored as {tensor.dtype}, whose size byhand doesn't know")


class _Rules:
    """The rules of one mixture for one model."""

    def __init__(self, model: Model, mixture: str) -> None:
        self.mixture = mixture
        self.default = DEFAULTS[mixture]
        self.layers = model.layers or 0
        self.tied = not any(t.role == "head" and t.parameters for t in model.tensors)
        first = model.attention[0] if model.attention else None
        self.shared = first.heads // first.kv_heads if first else 1
        self.is_70b = self.layers == 80 and self.shared > 1
        self.experts = model.experts or 0

    def type_of(self, tensor: Tensor) -> BlockType:
        if tensor.role in UNQUANTIZED or len(tensor.shape) < 2:
            return NAMED["F32"]
        if NAMED[self.default].block == 1:
            return NAMED[self.default]
        name = self._name(tensor)
        if _row(tensor) % NAMED[name].block:
            name = FALLBACK.get(name, "F16")
        return NAMED[name] if _row(tensor) % NAMED[name].block == 0 else NAMED["F16"]

    def _name(self, tensor: Tensor) -> str:
        if tensor.role == "head" or (self.tied and tensor.role == "embedding"):
            return self._output(_row(tensor))
        rules: dict[str, Callable[[int], str]] = {
            "k": self._k,
            "v": self._v,
            "qkv": self._qkv,
            "o": self._o,
            "down": self._down,
            "expert_down": self._down,
        }
        rule = rules.get(tensor.role)
        return rule(tensor.layer or 0) if rule else self.default

    def _output(self, row: int) -> str:
        if self.default == "Q8_0" or row % NAMED[self.default].block:
            return "Q8_0"
        return "Q6_K"

    def _k(self, layer: int) -> str:
        return "Q8_0" if self.experts == 8 else self.default

    def _v(self, layer: int) -> str:
        if self.experts == 8:
            return "Q8_0"
        wide = self.shared >= 4
        more = more_bits(layer, self.layers)
        name = {
            "Q2_K": "Q4_K" if wide else "Q3_K",
            "Q3_K_M": "Q5_K" if layer < 2 else "Q4_K",
            "Q3_K_L": "Q5_K",
            "IQ4_NL": "Q5_K" if wide else "IQ4_NL",
            "IQ4_XS": "Q5_K" if wide else "IQ4_XS",
            "Q4_K_S": "Q5_K" if layer < 4 else "Q4_K",
            "Q4_K_M": "Q6_K" if more else "Q4_K",
            "Q5_K_M": "Q6_K" if more else "Q5_K",
        }.get(self.mixture, self.default)
        # Eight heads share a v in the 70B models, so it is small and worth more bits.
        return "Q5_K" if self.is_70b and name in ("Q3_K", "Q4_K") else name

    def _qkv(self, layer: int) -> str:
        fused = {"Q3_K_L": "Q4_K", "Q3_K_M": "Q4_K", "Q4_K_M": "Q5_K", "Q5_K_M": "Q6_K"}
        return fused.get(self.mixture, self.default)

    def _o(self, layer: int) -> str:
        if self.experts == 8:
            small = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS")
            return "Q5_K" if self.mixture in small else self.default
        return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(self.mixture, self.default)

    def _down(self, layer: int) -> str:
        more = more_bits(layer, self.layers)
        first = layer < self.layers // 8
        return {
            "Q2_K": "Q3_K",
            "Q3_K_M": "Q5_K" if layer < self.layers // 16 else "Q4_K",
            "Q3_K_L": "Q5_K",
            "IQ4_NL": "Q5_K" if first else "IQ4_NL",
            "IQ4_XS": "Q5_K" if first else "IQ4_XS",
            "Q4_K_S": "Q5_K" if first else "Q4_K",
            "Q4_K_M": "Q6_K" if more else "Q4_K",
            "Q5_K_M": "Q6_K" if more else "Q5_K",
        }.get(self.mixture, self.default)


def more_bits(layer: int, layers: int) -> bool:
    """Whether a mixture spends more bits in this layer: the first and the last eighth, and every
    third in between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _row(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.shape else 1


def _header(words: int, tensors: int) -> tuple[int, int, int]:
    """Bytes of the file that are no tensor's: fewest, expected, most.

    A tensor has about 65 bytes of description; its data begin at a multiple of 32.
    """
    described = 4_000 + 65 * tensors
    if words in BYTES_PER_WORD:
        low, expected, high = (share * BYTES_PER_WORD[words] for share in (0.97, 1.0, 1.03))
    else:
        low, expected, high = 18, 24 if words < 40_000 else 38, 64
    return (
        described + round(words * low),
        described + round(words * expected),
        described + round(words * high),
    )
