"""What is minimised. A loss is summed over the outputs of one example and averaged over the batch,
once and only here: no layer divides by the batch size again.

y is the model's output, t the target, n the batch size; dy = ∂L/∂y has y's shape. In an output
y[batch, time, out] every step is an example of its own, so n is batch · time.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.layers.base import FLOATS
from byhand.layers.embedding import PADDING, is_token
from byhand.layers.sigmoid import sigmoid
from byhand.layers.softmax import softmax

Array = NDArray[Any]


class Loss:
    """L(y, t) with its derivative with respect to y.

    forward(y, t) -> (L, cache)     L is a Python float
    backward(cache) -> dy
    """

    equation: ClassVar[str]
    output: ClassVar[str]
    """The symbol of the model's output in the equation: z for scores, a or p for activations."""
    setting_names: ClassVar[tuple[str, ...]] = ()
    """The numbers that the loss was made with."""

    def forward(self, y: Array, t: Array) -> tuple[float, Any]:
        raise NotImplementedError

    def backward(self, cache: Any) -> Array:
        raise NotImplementedError

    def encode(self, labels: Array, classes: int, dtype: DTypeLike) -> Array:
        """Targets in the form that forward takes: class labels become one-hot rows (a column of 0
        and 1 where the model has a single output), real-valued targets stay as they are."""
        if are_labels(labels):
            if classes == 1:
                check_labels(labels, 2)
                return labels[:, None].astype(dtype)
            return one_hot(labels, classes, dtype)
        return labels.astype(dtype, copy=False)

    def probabilities(self, y: Array) -> Array:
        """The model's output read as probabilities (or as values, for the quadratic cost)."""
        return y

    @property
    def settings(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in self.setting_names}

    def __str__(self) -> str:
        return type(self).__name__

    def check_arrays(self, y: Array, t: Array) -> None:
        """Refuse what is not a NumPy array, and outputs that are not floats."""
        for symbol, value in ((self.output, y), ("t", t)):
            if not isinstance(value, np.ndarray):
                raise DTypeError(
                    f"{self}: {symbol} is a {type(value).__name__}, expected a NumPy array "
                    f"({self.equation}); convert it with np.asarray({symbol})"
                )
        if y.dtype not in FLOATS:
            raise DTypeError(
                f"{self}: {self.output} is {y.dtype}, expected float32 or float64 "
                f"({self.equation}); convert it with {self.output}.astype(np.float64)"
            )

    def check(self, y: Array, t: Array) -> None:
        """Refuse targets that do not match the output exactly; nothing is ever broadcast."""
        self.check_arrays(y, t)
        if y.shape != t.shape:
            advice = "give both the same shape"
            if y.size == t.size and (y.ndim, t.ndim) in ((2, 1), (1, 2)):
                advice = (
                    f"broadcasting would compare every output with every target; "
                    f"reshape t with t.reshape{y.shape}"
                )
            raise ShapeError(
                f"{self}: t has shape {t.shape}, {self.output} has shape {y.shape} "
                f"({self.equation}); {advice}"
            )
        if y.dtype != t.dtype:
            raise DTypeError(
                f"{self}: t is {t.dtype}, {self.output} is {y.dtype} ({self.equation}); "
                f"convert it with t.astype(np.{y.dtype})"
            )
        if y.ndim < 1 or len(y) == 0:
            raise ShapeError(f"{self}: the batch is empty, {self.output} has shape {y.shape}")


def count(y: Array, t: Array | None = None) -> int:
    """How many examples the mean is over, n in the equations: those that an output holds, without
    the ones that the targets ask nothing of."""
    if t is not None and are_labels(t):
        return int(np.count_nonzero(_asked(t)))
    return y.shape[0] * y.shape[1] if y.ndim == 3 else len(y)


def are_labels(targets: Array) -> bool:
    """Whether targets are class labels, which are whole numbers; all others are values."""
    return targets.dtype.kind in "iu"


def one_hot(labels: Array, classes: int, dtype: DTypeLike) -> Array:
    """t[n, k] = 1 where k is the label of example n, else 0: labels[batch] -> t[batch, classes].

    Raises      ShapeError where labels has more than one axis, InputError where a label is not one
                of 0 … classes − 1.
    """
    check_labels(labels, classes)
    return _rows_of_one(labels, classes, dtype)


def _asked(labels: Array) -> Array:
    """Which labels ask for something: all but padding within sequences."""
    return is_token(labels) if labels.ndim == 2 else np.ones(labels.shape, bool)


def _rows_of_one(labels: Array, classes: int, dtype: DTypeLike) -> Array:
    t = np.zeros((*labels.shape, classes), dtype)
    np.put_along_axis(t, labels[..., None], 1, axis=-1)
    return t


def check_labels(labels: Array, classes: int) -> None:
    """Refuse labels that are not one whole number from 0 to classes − 1 for each example."""
    if labels.ndim != 1:
        one_hot_rows = labels.ndim == 2 and labels.shape[1] > 1
        advice = "reshape them with labels.reshape(-1)"
        if one_hot_rows:
            advice = "one-hot rows are given as floats, with labels.astype(np.float64)"
        raise ShapeError(
            f"labels have shape {labels.shape}, expected labels[batch] with one class number per "
            f"example; {advice}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        wrong = int(labels.min()) if labels.min() < 0 else int(labels.max())
        raise InputError(
            f"a label is {wrong}, but there are {classes} classes: labels run from 0 to "
            f"{classes - 1}"
        )


class QuadraticCost(Loss):
    """L = 1/(2n) Σₙ ‖a − t‖²

    Shapes      a[batch, ...]   t[batch, ...]
    Derivative  da = (a − t) / n. The ½ cancels the 2.
    Source      Nielsen, ch. 1 eq. 6. With a sigmoid below it, dz = (a − t) σ′(z) / n: learning is
                slow just where the unit is badly wrong and saturated (ch. 3 eq. 55).
    """

    equation = "L = 1/(2n) Σ (a − t)²"
    output = "a"

    def forward(self, a: Array, t: Array) -> tuple[float, Array]:
        self.check(a, t)
        error = a - t
        return 0.5 * float(np.vdot(error, error)) / count(a), error

    def backward(self, error: Array) -> Array:
        return error / count(error)


class SoftmaxCrossEntropy(Loss):
    """L = −1/n Σₙ Σₖ t[n, k] ln p[n, k]   with   p = softmax(z), fused

    Shapes      z[batch, classes]; t[batch] class numbers, or t[batch, classes] distributions
                z[batch, time, classes]; t[batch, time], or t[batch, time, classes]
                A class number of −1 in t[batch, time] asks for nothing: that step is padding and
                no part of the mean, and n is the number of the others.
    Value       ln p[k] = z[k] − max z − ln Σⱼ e^(z[j] − max z): no exponent is above 0 and no
                logarithm is of 0, so the loss is right for logits of ±10⁴.
    smoothing   ε, a share of every target that is taken from it and given to all K classes alike,
                in place of t

                    t′[k] = (1 − ε) t[k] + ε/K

                so that the smallest loss is at finite scores: p = t′ is reached with the right one
                ln((1 − ε) K/ε + 1) above the others, where p = t would ask for ∞. 0 unless given.
    Derivative  ∂L/∂p[k] = −t[k]/p[k], and through softmax's Jacobian

                    dz[j] = Σₖ −t[k]/p[k] · p[k] (δ[k, j] − p[j])  =  p[j] Σₖ t[k] − t[j]

        dz = (p − t) / n      where each target sums to 1, as a distribution does; t is t′ here

                The 1/p, which overflows, and the p, which underflows, cancel before they are ever
                computed: that is what fusing is for. Compare `CrossEntropy`.
    Source      Bridle (1990); Nielsen, ch. 3 eq. 78–84; Szegedy et al., Rethinking the Inception
                architecture (2016), section 7, for the smoothing.
    """

    equation = "L = −1/n Σ t ln softmax(z)"
    output = "z"
    setting_names = ("smoothing",)

    def __init__(self, smoothing: float = 0.0) -> None:
        if not 0 <= smoothing < 1:
            raise InputError(
                f"{self}: smoothing is a share of each target, 0 <= smoothing < 1, "
                f"found {smoothing}"
            )
        self.smoothing = smoothing

    def forward(self, z: Array, t: Array) -> tuple[float, tuple[Array, Array]]:
        self._check_all(z, t)
        shifted = z - z.max(axis=-1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=-1, keepdims=True)
        log_p = shifted - np.log(total)
        if are_labels(t):
            # Where nothing is asked the last class is looked up, and left out.
            terms = np.take_along_axis(log_p, t[..., None], axis=-1)[..., 0][_asked(t)]
            n = len(terms)
            if self.smoothing:
                every = log_p[_asked(t)].mean(axis=-1)
                terms = (1 - self.smoothing) * terms + self.smoothing * every
        else:
            t = self._smoothed(t)
            terms = log_p * t
            n = count(z)
        return -float(terms.sum()) / n, (e / total, t)

    def backward(self, cache: tuple[Array, Array]) -> Array:
        p, t = cache
        dz: Array
        if are_labels(t):
            smooth = self._smoothed(_rows_of_one(t, p.shape[-1], p.dtype))
            dz = np.where(_asked(t)[..., None], p - smooth, 0) / count(p, t)
        else:
            dz = (p * t.sum(axis=-1, keepdims=True) - t) / count(p)
        return dz

    def _smoothed(self, t: Array) -> Array:
        """t′, with all classes on the last axis."""
        if not self.smoothing:
            return t
        smoothed: Array = (1 - self.smoothing) * t + self.smoothing / t.shape[-1]
        return smoothed

    def encode(self, labels: Array, classes: int, dtype: DTypeLike) -> Array:
        return labels if are_labels(labels) else labels.astype(dtype, copy=False)

    def _check_all(self, z: Array, t: Array) -> None:
        self.check_arrays(z, t)
        if z.ndim not in (2, 3) or z.size == 0:
            raise ShapeError(
                f"{self}: z has shape {z.shape}, expected z[batch, classes] with at least one "
                f"example, or z[batch, time, classes] ({self.equation})"
            )
        if not are_labels(t):
            self.check(z, t)
            return
        if z.ndim == 3 and t.shape != z.shape[:2]:
            raise ShapeError(
                f"{self}: t has shape {t.shape}, z has [batch, time] = {z.shape[:2]} "
                f"({self.equation})"
            )
        if z.ndim == 2 and t.ndim == 1 and len(t) != len(z):
            raise ShapeError(
                f"{self}: t has batch = {len(t)}, z has batch = {len(z)} ({self.equation})"
            )
        check_labels(t if z.ndim == 2 else t[_asked(t)], z.shape[-1])
        if not np.any(_asked(t)):
            raise InputError(
                f"{self}: every target is {PADDING}, which asks for nothing: the mean is over no "
                f"example ({self.equation})"
            )

    def probabilities(self, z: Array) -> Array:
        return softmax(z)


class CrossEntropy(Loss):
    """L = −1/n Σₙ Σₖ t[n, k] ln p[n, k], for probabilities p from a `Softmax` layer: not fused

    Shapes      p[batch, classes]   t[batch, classes]
    Derivative  dp = −t / (p n), elementwise; `Softmax.backward` then applies its Jacobian.

    It is here to be compared with `SoftmaxCrossEntropy`, which computes the same numbers from the
    scores. For scores far apart p underflows to 0, the loss is inf and the gradient nan: the
    mathematics is equal, the arithmetic is not.
    Source      Nielsen, ch. 3 eq. 80.
    """

    equation = "L = −1/n Σ t ln p"
    output = "p"

    def forward(self, p: Array, t: Array) -> tuple[float, tuple[Array, Array]]:
        self.check(p, t)
        terms = np.zeros_like(p)
        # 0 ln 0 is 0: only the classes that the target names are looked at.
        np.log(p, out=terms, where=t > 0)
        return -float(np.vdot(t, terms)) / count(p), (p, t)

    def backward(self, cache: tuple[Array, Array]) -> Array:
        p, t = cache
        dp = np.zeros_like(p)
        np.divide(-t, p * count(p), out=dp, where=t > 0)
        return dp


class BinaryCrossEntropyWithLogits(Loss):
    """L = −1/n Σₙ Σⱼ [ t ln σ(z) + (1 − t) ln(1 − σ(z)) ]: one yes-or-no question per output

    Shapes      z[batch, out]   t[batch, out], each target from 0 to 1
    Value       with ln σ(z) = −ln(1 + e⁻ᶻ) the bracket is max(z, 0) − z t + ln(1 + e^−|z|), whose
                exponent is never above 0.
    Derivative  dz = (σ(z) − t) / n: σ′ has cancelled, so a badly wrong unit learns fastest.
                Summed over the outputs, as in the book; PyTorch's mean divides by out as well.
    Source      Nielsen, ch. 3 eq. 57–63.
    """

    equation = "L = −1/n Σ [t ln σ(z) + (1 − t) ln(1 − σ(z))]"
    output = "z"

    def forward(self, z: Array, t: Array) -> tuple[float, tuple[Array, Array]]:
        self.check(z, t)
        terms = np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))
        return float(terms.sum()) / count(z), (z, t)

    def backward(self, cache: tuple[Array, Array]) -> Array:
        z, t = cache
        return (sigmoid(z) - t) / count(z)

    def probabilities(self, z: Array) -> Array:
        return sigmoid(z)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to losses.py::CrossEntropy and the others: two distributions."""
    y, t = rng.dirichlet(np.ones(4), size=(2, 5))
    return {"y": y, "t": t}
