"""A model as its list of tensors. Everything else on the napkin is sums over these rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import prod

ROLES = (
    "embedding",
    "position",
    "token_type",
    "head",
    "q",
    "k",
    "v",
    "o",
    "qkv",
    "q_down",
    "q_up",
    "kv_down",
    "kv_up",
    "gate",
    "up",
    "down",
    "router",
    "expert_gate",
    "expert_up",
    "expert_down",
    "norm",
    "bias",
    "convolution",
    "other",
)
"""What a tensor is for. `qkv` is the fused projection of GPT-2; the `_down` and `_up` pairs of q
and kv are the low-rank projections of latent attention; `convolution` includes a ViT's patches."""


@dataclass(frozen=True)
class Tensor:
    """One row: a parameter tensor, as it is stored.

    shape   as in PyTorch for a matrix: (out, in); experts of one layer may be stacked in front.
    layer   the block it belongs to, counted from 0; None outside of the blocks.
    dtype   the type in the file ("F32", "BF16", "Q4_K", ...); None where only the shape is known.
    tied_to the tensor whose storage this one shares; such a row counts no parameters.
    active  the share of its parameters that one token uses (the experts of a mixture: chosen/all).
    """

    name: str
    shape: tuple[int, ...]
    role: str
    layer: int | None = None
    dtype: str | None = None
    tied_to: str | None = None
    active: Fraction = Fraction(1)

    @property
    def parameters(self) -> int:
        """How many numbers it stores; 0 if they are stored under another name."""
        return 0 if self.tied_to else prod(self.shape)

    @property
    def elements(self) -> int:
        """How many numbers it has, whoever stores them."""
        return prod(self.shape)


@dataclass(frozen=True)
class Attention:
    """How one layer attends, and so what it keeps of every token.

    kind      "full", "sliding" (the last `window` tokens) or "latent" (DeepSeek's compressed KV).
    head_dim  the width of a head of q and k; it is the config's, not hidden / heads.
    value_dim the width of a head of v where it differs from head_dim (latent attention).
    """

    kind: str
    heads: int
    kv_heads: int
    head_dim: int
    window: int | None = None
    value_dim: int | None = None
    kv_lora_rank: int | None = None
    rope_dim: int | None = None


@dataclass(frozen=True)
class Model:
    """The rows of a model and the few sizes that are no tensor's.

    layers, hidden, intermediate, vocabulary, context are None where the source doesn't say.
    intermediate  the width of one dense MLP (of one expert in a pure mixture).
    attention     one entry per layer; empty where unknown or where nothing attends.
    gated         the MLP has a gate beside `up`: three matrices, not two.
    dropout       it trains with dropout (GPT-2, GPT-3, BERT), whose masks are activations too.
    causal        it generates, so it has a KV cache; BERT and ViT do not.
    counted       for a bare count such as "7B": the lowest, the named and the highest number of
                  parameters that the text can mean; None where the tensors are known.
    assumed       what was assumed because the source doesn't say, one sentence each.
    """

    name: str
    family: str
    tensors: tuple[Tensor, ...]
    source: str
    layers: int | None = None
    hidden: int | None = None
    intermediate: int | None = None
    vocabulary: int | None = None
    context: int | None = None
    attention: tuple[Attention, ...] = ()
    gated: bool = False
    dropout: bool = False
    causal: bool = True
    experts: int | None = None
    experts_used: int | None = None
    counted: tuple[int, int, int] | None = None
    assumed: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """The number of parameters stored: tied tensors once."""
        return sum(tensor.parameters for tensor in self.tensors)

    @property
    def parameters_active(self) -> int:
        """The number of parameters that one token uses."""
        return round(sum(tensor.parameters * tensor.active for tensor in self.tensors))

    def of(self, roles: Iterable[str]) -> tuple[Tensor, ...]:
        """The rows with one of these roles, in their order."""
        wanted = frozenset(roles)
        return tuple(tensor for tensor in self.tensors if tensor.role in wanted)
