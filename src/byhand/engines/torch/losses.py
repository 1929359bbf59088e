"""What is minimised, in PyTorch: a loss is a function of the output y and the targets t, summed
over the outputs and averaged over the batch, of sequences over batch and time, and of the settings
that the loss was made with; a regularizer is one of a weight array."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from byhand import losses, regularizers
from byhand.layers import PADDING
from byhand.losses import Loss
from byhand.regularizers import Regularizer


def _n(y: Tensor) -> int:
    """How many examples an output holds."""
    return y.shape[0] * y.shape[1] if y.ndim == 3 else len(y)


def _softmax_cross_entropy(z: Tensor, t: Tensor, smoothing: float) -> Tensor:
    """Class numbers have an axis less than z, and where one is PADDING nothing is asked."""
    t = t.flatten() if t.ndim < z.ndim else t.flatten(0, -2)
    return functional.cross_entropy(
        z.flatten(0, -2), t, ignore_index=PADDING, label_smoothing=smoothing
    )


def _cross_entropy(p: Tensor, t: Tensor) -> Tensor:
    """−1/n Σ t ln p, where 0 ln 0 is 0, and so is its derivative."""
    named = t > 0
    return -(t * torch.where(named, p, 1.0).log()).sum() / _n(p)


LOSSES: dict[type[Loss], Callable[..., Tensor]] = {
    # PyTorch's mse_loss is the mean over the outputs, too, and has no ½.
    losses.QuadraticCost: lambda a, t: 0.5 * (a - t).square().sum() / _n(a),
    losses.SoftmaxCrossEntropy: _softmax_cross_entropy,
    losses.CrossEntropy: _cross_entropy,
    losses.BinaryCrossEntropyWithLogits: lambda z, t: (
        functional.binary_cross_entropy_with_logits(z, t, reduction="sum") / _n(z)
    ),
}
PENALTIES: dict[type[Regularizer], Callable[[Tensor], Tensor]] = {
    regularizers.L2: lambda w: 0.5 * w.square().sum(),
    regularizers.L1: lambda w: w.abs().sum(),
}
"""R(w) for a strength of λ/n = 1."""
PROBABILITIES: dict[type[Loss], Callable[[Tensor], Tensor]] = {
    losses.SoftmaxCrossEntropy: lambda z: torch.softmax(z, -1),
    losses.BinaryCrossEntropyWithLogits: torch.sigmoid,
}
"""What a loss reads in the output; the others take it as it is."""
