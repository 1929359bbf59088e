"""Two checkpoints beside each other: tensor by tensor, layer by layer, and in what they predict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from byhand.checkpoints.conversion import open as open_checkpoint
from byhand.checkpoints.description import Checkpoint, Tensor
from byhand.checkpoints.families import BLOCK
from byhand.checkpoints.guesses import guess, within_rounding
from byhand.checkpoints.numbers import Array, to_float32
from byhand.checkpoints.tokenizer_files import loaded
from byhand.errors import InputError

PROMPT = "A neural network is a function with many parameters: it is trained, and then it is used."
MOST_WORDS = 256
LAYER_BOUND = 0.02
"""‖a − b‖ / ‖a‖ of a layer's output: rounding to bfloat16 stays below."""
KL_BOUND = 0.01
SETTINGS = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "intermediate_size", "vocab_size", "rms_norm_eps", "rope_theta", "rope_scaling"),
    *("tie_word_embeddings", "sliding_window", "query_pre_attn_scalar", "rope_local_base_freq"),
)
SAME, ROUNDED, DIFFERENT = "same", "rounded", "different"


@dataclass(frozen=True)
class TensorVerdict:
    """same: the same numbers in another type; rounded: as far apart as their types explain;
    different."""

    name: str
    verdict: str
    difference: float
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What was found.

    tensors     those that are not equal bit by bit, in the order of the model
    equal       how many are
    settings    what the configurations disagree about, as (name, a, b)
    layers      ‖a − b‖ / ‖a‖ of what leaves the embedding and each layer; None where none was run
    kl          KL(a ‖ b) of the predicted words in nats, the mean over the prompt
    top1        the share of the prompt's places where the likeliest word is the same
    """

    equal: int
    tensors: tuple[TensorVerdict, ...]
    settings: tuple[tuple[str, object, object], ...]
    tokens_agree: bool | None
    layers: tuple[float, ...] | None = None
    kl: float | None = None
    top1: float | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def identical(self) -> bool:
        """Every tensor bit by bit, and the same settings."""
        return not self.tensors and not self.settings

    @property
    def agree(self) -> bool:
        """Whether b can stand for a: the same up to rounding, or by what it predicts."""
        if self.tokens_agree is False:
            return False
        if self.kl is not None:
            return self.kl <= KL_BOUND
        return not self.settings and all(t.verdict != DIFFERENT for t in self.tensors)

    @property
    def first(self) -> str | None:
        """The first layer that differs, by its output, or else by its tensors; None where b can
        stand for a."""
        if self.agree:
            return None
        if self.layers is not None:
            for number, error in enumerate(self.layers):
                if not error <= LAYER_BOUND:
                    return "the embedding" if number == 0 else f"layer {number - 1}"
        for tensor in self.tensors:
            if tensor.verdict == DIFFERENT:
                match = BLOCK.fullmatch(tensor.name)
                return f"layer {match[2]}" if match else tensor.name
        return None

    @property
    def reason(self) -> str | None:
        """Why, as far as the tensors tell: that of the first which is not equal in the first layer
        that differs, or before."""
        there = [t for t in self.tensors if t.verdict == DIFFERENT] or list(self.tensors)
        if there:
            return f"{there[0].name}: {there[0].reason}"
        if self.settings:
            name, a, b = self.settings[0]
            return f"{name} is {a} and {b}"
        return None


def verify(
    a: str | Path,
    b: str | Path,
    prompt: str | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Verdict:
    """Set b beside a. A prompt is run through both where their numbers or settings differ, or where
    one is given.

    tell        is told what is being done

    Raises      InputError where one cannot be opened, or they are not of one family
    """
    left, right = open_checkpoint(a), open_checkpoint(b)
    families = (left.config["architectures"], right.config["architectures"])
    interchangeable = {"LlamaForCausalLM", "MistralForCausalLM"}
    if families[0] != families[1] and not {*families[0], *families[1]} <= interchangeable:
        raise InputError(
            f"{left.path} is a {families[0][0]} and {right.path} a {families[1][0]}: "
            "they cannot be compared"
        )
    settings = tuple(
        (name, left.config.get(name), right.config.get(name))
        for name in SETTINGS
        if left.config.get(name) != right.config.get(name)
    )
    equal, found = _tensors(left, right, tell)
    words, same = _words(left, right, prompt or PROMPT)
    verdict = Verdict(equal, tuple(found), settings, same)
    if verdict.identical and prompt is None:
        return verdict
    return _compared(verdict, left, right, words, tell)


def _tensors(
    left: Checkpoint, right: Checkpoint, tell: Callable[[str], None]
) -> tuple[int, list[TensorVerdict]]:
    equal, found = 0, []
    for name in dict.fromkeys((*left.tensors, *right.tensors)):
        tell(name)
        a, b = left.tensors.get(name), right.tensors.get(name)
        if a is None or b is None:
            found.append(_alone(name, left.path if b is None else right.path))
            continue
        judged = _judged(a, b, left)
        if judged is None:
            equal += 1
        else:
            found.append(judged)
    return equal, found


def _alone(name: str, path: Path) -> TensorVerdict:
    if name == "lm_head.weight":
        reason = f"untied head: only {path} has a head of its own, the other uses the embedding"
    elif name.endswith(".bias"):
        reason = f"missing bias: only {path} has it"
    else:
        reason = f"missing: only {path} has it"
    return TensorVerdict(name, DIFFERENT, float("inf"), reason)


def _judged(a: Tensor, b: Tensor, checkpoint: Checkpoint) -> TensorVerdict | None:
    """None where they are equal bit by bit."""
    if a.shape != b.shape:
        reason = f"its shape is {a.shape} and {b.shape}"
        if a.shape == b.shape[::-1]:
            reason = f"transpose: {reason}"
        return TensorVerdict(a.name, DIFFERENT, float("inf"), reason)
    left, right = a.read(), b.read()
    if a.dtype == b.dtype and _digest(left) == _digest(right):
        return None
    left, right = to_float32(left, a.dtype), to_float32(right, b.dtype)
    with np.errstate(invalid="ignore"):
        difference = float(np.max(np.abs(left - right), initial=0))
    kinds = (a.dtype, b.dtype)
    if difference == 0:
        return TensorVerdict(a.name, SAME, 0.0, f"dtype: {a.stored} and {b.stored}")
    reason = guess(a, b, left, right, checkpoint.config)
    rounded = within_rounding(left, right, kinds)
    return TensorVerdict(a.name, ROUNDED if rounded else DIFFERENT, difference, reason)


def _digest(values: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).data).digest()


def _words(left: Checkpoint, right: Checkpoint, prompt: str) -> tuple[list[int], bool | None]:
    """The prompt in the words of the first, and whether the second cuts it the same way."""
    cut = [_cut(side, prompt) for side in (left, right)]
    agree = cut[0] == cut[1] if None not in cut else None
    words = cut[0] or cut[1]
    if words is None:
        size = min(left.config["vocab_size"], right.config["vocab_size"])
        words = [k % size for k in range(1, 33)]
    return words[:MOST_WORDS], agree


def _cut(side: Checkpoint, prompt: str) -> list[int] | None:
    if side.tokenizer is None:
        return None
    try:
        words = loaded(side.tokenizer, side.path)
    except ImportError:
        return None
    return list(words.encode(prompt).ids)


def _compared(
    verdict: Verdict,
    left: Checkpoint,
    right: Checkpoint,
    words: Sequence[int],
    tell: Callable[[str], None],
) -> Verdict:
    """Run both on the prompt, one after the other."""
    from byhand.checkpoints.forward import run

    smaller = min(left.config["vocab_size"], right.config["vocab_size"])
    layers = {side.config["num_hidden_layers"] for side in (left, right)}
    if len(layers) > 1 or max(words) >= smaller:
        return replace(verdict, notes=("not run: they have other sizes",))
    try:
        tell(f"running {left.path}")
        ours = run(left, words)
        tell(f"running {right.path}")
        theirs = run(right, words)
    except InputError as error:
        return replace(verdict, notes=(f"not run: {error}",))
    errors = tuple(_error(a, b) for a, b in zip(ours.hidden, theirs.hidden, strict=True))
    p, q = _log_softmax(ours.logits[:, :smaller]), _log_softmax(theirs.logits[:, :smaller])
    kl = float(np.mean(np.sum(np.exp(p) * (p - q), axis=1)))
    top1 = float(np.mean(p.argmax(axis=1) == q.argmax(axis=1)))
    return replace(verdict, layers=errors, kl=np.inf if np.isnan(kl) else max(kl, 0.0), top1=top1)


def _error(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return float("inf")
    scale = float(np.linalg.norm(a))
    return float(np.linalg.norm(a - b)) / scale if scale else float(np.linalg.norm(b))


def _log_softmax(logits: Array) -> Array:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
