"""What autograd keeps of each operation for its derivative, and so what a forward pass costs.

d(xW) = dx W + x dW: the product's derivative needs both factors, each only for the other's
gradient. d tanh(x) = (1 − tanh²(x)) dx needs the result. d(x + y) needs nothing. A table of such
rules predicts the memory of a forward pass from shapes alone; `measure` holds it against what
PyTorch really keeps.

Source      the derivatives themselves; for which side of an equality is kept, PyTorch's
            tools/autograd/derivatives.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Keeps:
    """What one operation keeps, by the places of its arguments and results.

    factors     two arguments of a product: each is kept if the other needs a gradient
    """

    arguments: tuple[int, ...] = ()
    results: tuple[int, ...] = ()
    factors: tuple[int, int] | None = None

    def of(self, arguments: Sequence[Any], results: Sequence[Any]) -> Iterator[torch.Tensor]:
        """The tensors that are kept of a call with these arguments and results."""
        kept = [arguments[place] for place in self.arguments if place < len(arguments)]
        kept += [results[place] for place in self.results if place < len(results)]
        if self.factors:
            left, right = (arguments[place] for place in self.factors)
            kept += [left] if needs_gradient(right) else []
            kept += [right] if needs_gradient(left) else []
        return (tensor for tensor in flat(kept) if hasattr(tensor, "untyped_storage"))


INPUT, RESULT, NOTHING = Keeps(arguments=(0,)), Keeps(results=(0,)), Keeps()
PRODUCT = Keeps(factors=(0, 1))

RULES = {
    "mm": PRODUCT,
    "bmm": PRODUCT,
    "mv": PRODUCT,
    "dot": PRODUCT,
    "mul": PRODUCT,
    "div": PRODUCT,
    "addmm": Keeps(factors=(1, 2)),
    "baddbmm": Keeps(factors=(1, 2)),
    "addcmul": Keeps(factors=(1, 2)),
    "convolution": INPUT,
    "native_layer_norm": Keeps(arguments=(0,), results=(1, 2)),
    "native_group_norm": Keeps(arguments=(0,), results=(1, 2)),
    "native_batch_norm": Keeps(arguments=(0,), results=(1, 2)),
    "_native_batch_norm_legit": Keeps(arguments=(0,), results=(1, 2)),
    "_fused_rms_norm": Keeps(arguments=(0,), results=(1,)),
    "embedding": Keeps(arguments=(1,)),
    "_embedding_bag": Keeps(arguments=(1, 2), results=(1, 2, 3)),
    "nll_loss_forward": Keeps(arguments=(0, 1), results=(1,)),
    "log_sigmoid_forward": Keeps(arguments=(0,), results=(1,)),
    "native_dropout": Keeps(results=(1,)),
    "where": INPUT,
    "masked_fill": Keeps(arguments=(1,)),
    "index": Keeps(arguments=(1,)),
    "index_select": Keeps(arguments=(2,)),
    "gather": Keeps(arguments=(0, 2)),
    "lerp": Keeps(arguments=(2,)),
    "_trilinear": Keeps(arguments=(0, 1, 2)),
    "_scaled_dot_product_flash_attention_for_cpu": Keeps(arguments=(0, 1, 2), results=(0, 1)),
    # Input and both states, before and after, of all steps; the rest is oneDNN's own: see below.
    "mkldnn_rnn_layer": Keeps(arguments=(0, 5, 6), results=(0, 1, 2)),
    **dict.fromkeys(
        ("max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d"),
        Keeps(arguments=(0,), results=(1,)),
    ),
    **dict.fromkeys(("max", "min", "sort", "topk"), Keeps(results=(1,))),
    **dict.fromkeys(
        ("maximum", "minimum", "mse_loss", "smooth_l1_loss", "huber_loss", "_prelu_kernel",
         "binary_cross_entropy_with_logits"),
        Keeps(arguments=(0, 1)),
    ),
    **dict.fromkeys(
        ("amax", "amin", "logsumexp", "linalg_vector_norm", "prod", "std"),
        Keeps(arguments=(0,), results=(0,)),
    ),
    **dict.fromkeys(
        ("gelu", "silu", "mish", "log", "log1p", "abs", "pow", "square", "sin", "cos", "atan",
         "erf", "leaky_relu", "softplus", "hardtanh", "hardswish", "hardsigmoid", "glu", "clamp",
         "clamp_min", "clamp_max", "var", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d",
         "reflection_pad1d", "reflection_pad2d", "replication_pad2d"),
        INPUT,
    ),
    **dict.fromkeys(
        ("relu", "sigmoid", "tanh", "exp", "sqrt", "rsqrt", "reciprocal", "elu",
         "_softmax", "_log_softmax", "_safe_softmax"),
        RESULT,
    ),
    **dict.fromkeys(
        ("add", "sub", "rsub", "neg", "sum", "mean", "cumsum", "view", "_unsafe_view", "reshape",
         "t", "transpose", "permute", "expand", "select", "slice", "split", "unsafe_split",
         "split_with_sizes", "unsafe_split_with_sizes", "unsafe_chunk", "chunk", "unsqueeze",
         "squeeze", "clone", "detach", "cat", "stack", "_to_copy", "alias", "unbind", "copy",
         "repeat", "constant_pad_nd", "as_strided", "unfold", "flip", "roll", "tril", "triu",
         "upsample_nearest2d", "upsample_bilinear2d", "pixel_shuffle", "empty_like", "new_empty",
         "zeros_like", "ones_like", "eq", "ne", "gt", "ge", "lt", "le"),
        NOTHING,
    ),
}  # fmt: skip
"""By the operation's name in ATen, without the underscore of operations in place."""


def flat(values: Any) -> Iterator[Any]:
    """The values in lists, tuples and dicts, however deep."""
    for value in values:
        if isinstance(value, list | tuple | dict):
            yield from flat(value.values() if isinstance(value, dict) else value)
        else:
            yield value


def needs_gradient(value: Any) -> bool:
    return bool(getattr(value, "requires_grad", False))


def lstm_workspace(steps: int, batch: int, inputs: int, hidden: int) -> int:
    """The bytes that oneDNN keeps of one layer and direction of an LSTM in float32: the four gates
    and h of all steps, and the states with those that the backward pass will fill in.

    Source      oneDNN, src/cpu/rnn/rnn_utils.hpp, for the parts, each of which starts on a page of
                4,096 bytes; their widths are as measured.
    """
    states = 2 * (steps + 1) * batch
    parts = [
        steps * batch * _aligned(4 * hidden),
        steps * batch * _aligned(hidden),
        *[states * _aligned(max(inputs, hidden))] * 3,
        *[states * hidden] * 2,
    ]
    return sum(-(-4 * part // 4096) * 4096 for part in parts)


def _aligned(width: int) -> int:
    """A row in cache lines of 16 numbers, and one more where rows would fall onto one another."""
    aligned = -(-width // 16) * 16
    return aligned + 16 if aligned % 256 == 0 else aligned
