"""What a model loses with every bit less: each type beside the original, on one text.

    KL          Σ_w p(w) ln(p(w) / q(w)), the mean over the places of the text, in nats
    perplexity  exp of the mean of −ln q(the word that came)
    top-1       the share of places where both find the same word likeliest

p is the original's and q the other's, both computed in float32 with the numbers that are in the
file, so that nothing but their rounding is measured.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from byhand import checkpoints
from byhand.checkpoints import Checkpoint
from byhand.checkpoints.conversion import format_of
from byhand.checkpoints.quantization import type_named
from byhand.data import fetch_file
from byhand.engines.torch.device import choose
from byhand.errors import ByhandError, InputError
from byhand.language import memory
from byhand.language.building import build
from byhand.language.decoder import Cache, Decoder
from byhand.language.tokenizer import Tokenizer

ORIGINAL = "original"
TYPES = ("q8_0", "q6_k", "q5_1", "q5_0", "q5_k", "q4_1", "q4_0", "q4_k", "q3_k", "q2_k")
"""All of them, from many bits to few."""
TOKENS = 2048
WINDOW = 256
"""Tokens that are read without knowing those before."""
AT_ONCE = 64
"""Places whose words are compared together."""
GENERATED = 48
PROMPT = 32
TIMES = 3
"""That llama.cpp generates after it has once; the fastest counts."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One type.

    nbytes  of all tensors
    bits    of one weight, on average
    kl_99   in one place of a hundred the KL is larger
    speed   tokens that llama.cpp generates in a second of one core; None where it was not asked
    """

    kind: str
    nbytes: int
    bits: float
    perplexity: float
    kl: float
    kl_99: float
    top1: float
    speed: float | None = None


def measure(
    source: str | Path,
    kinds: Sequence[str] = TYPES,
    text: str | None = None,
    tokens: int = TOKENS,
    speed: bool = True,
    tell: Tell = lambda text: None,
) -> Iterator[Row]:
    """Quantize the model to each of these types, one after the other, and compare: the original
    comes first. What is written on the way is removed.

    kinds       of `quantization.FILE_TYPES`
    text        what is read; the validation part of tiny Shakespeare without one
    tokens      of the text, at most
    speed       ask llama.cpp, where xllamacpp is installed
    tell        is told what is being done

    Raises      InputError for wrong wishes, a model without a tokenizer, or one that does not fit
                into the memory in float32; ByhandError where the disk has no room
    """
    names = [type_named(kind).lower() for kind in kinds]
    if tokens < 2:
        raise InputError(f"tokens is at least 2, found {tokens}")
    checkpoint = checkpoints.open(source)
    tokenizer = Tokenizer(checkpoint, str(source))
    ids = tokenizer.encode(shakespeare() if text is None else text, special=False)[:tokens]
    if len(ids) < 2:
        raise InputError(f"the text has {len(ids)} tokens, and two or more are needed")
    windows = list(windows_of(ids, tokenizer.encode("")))
    speed = speed and find_spec("xllamacpp") is not None
    with tempfile.TemporaryDirectory(prefix="byhand-") as name:
        folder = Path(name)
        _check_room(checkpoint, len(ids), folder)
        comparison = Comparison(windows, folder / "original.npy", checkpoint.config["vocab_size"])
        for kind in (ORIGINAL, *names):
            made = folder / f"{kind}.gguf"
            if kind != ORIGINAL:
                path = checkpoints.quantize(source, made, kind, tell).path
            elif format_of(Path(source)) == "gguf":
                path = Path(source)
            else:
                tell("writing the original as GGUF")
                path = checkpoints.convert(source, made).path
            found = checkpoints.inspect(path)
            scores = comparison.of(_decoder(path, kind), partial(_told, tell, kind))
            tell(f"{kind}: timing llama.cpp")
            rate = _tokens_per_second(path, ids[:PROMPT]) if speed else None
            bits = 8 * found.nbytes / found.parameters
            yield Row(kind, found.nbytes, bits, *scores, rate)
            made.unlink(missing_ok=True)


def _told(tell: Tell, kind: str, at: str) -> None:
    tell(f"{kind}: {at}")


def shakespeare() -> str:
    """The validation part of tiny Shakespeare, as `byhand.data.text` cuts it."""
    content = fetch_file("tiny-shakespeare").read_text("utf-8")
    return content[len(content) * 9 // 10 : len(content) * 19 // 20]


def windows_of(ids: list[int], before: list[int]) -> Iterator[tuple[list[int], int]]:
    """Each with what the tokenizer puts before a text, and the number of its first token that is
    to be predicted."""
    for first in range(0, len(ids), WINDOW):
        window = [*before, *ids[first : first + WINDOW]]
        if len(window) > max(1, len(before)):
            yield window, max(1, len(before))


def _check_room(checkpoint: Checkpoint, tokens: int, folder: Path) -> None:
    needed = 4 * tokens * checkpoint.config["vocab_size"] + 4 * checkpoint.parameters
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ByhandError(
            f"{folder.parent} needs {needed / 1e9:.1f} GB for a while and {free / 1e9:.1f} GB are "
            "free there: make room, set TMPDIR to another disk, or compare fewer tokens"
        )


def _decoder(path: Path, name: str) -> Decoder:
    checkpoint, device = checkpoints.open(path), choose("auto", "float32")
    memory.check(checkpoint, 2 * WINDOW, "f32", memory.free_on(device), name)
    return build(checkpoint, 2 * WINDOW, "f32", device)


class Comparison:
    """Decoders beside the first one that is asked about; what that one predicts lies in a file.

    windows     tokens, and the number of the first one that is to be predicted
    words       of the vocabulary
    """

    def __init__(self, windows: list[tuple[list[int], int]], path: Path, words: int) -> None:
        self.windows = windows
        self.places = sum(len(ids) - first for ids, first in windows)
        self.original: NDArray[np.float32] = np.lib.format.open_memmap(
            path, "w+", np.float32, (self.places, words)
        )
        self.known = False

    def of(self, decoder: Decoder, tell: Tell) -> tuple[float, float, float, float]:
        """Perplexity, KL, its 99th percentile, and top-1."""
        losses, kls, same = [], [], []
        for place, q, came in self._predicted(decoder):
            rows = slice(place, place + len(q))
            if not self.known:
                self.original[rows] = q.numpy()
            p = torch.from_numpy(self.original[rows])
            losses.append(-q.gather(1, came[:, None])[:, 0])
            kls.append((p.exp() * (p - q)).sum(1))
            same.append(p.argmax(1) == q.argmax(1))
            tell(f"{place + len(q):,} of {self.places:,} tokens")
        self.known = True
        kl = torch.cat(kls).double().clamp(min=0)
        loss, top1 = torch.cat(losses).double().mean(), torch.cat(same).double().mean()
        return math.exp(loss), float(kl.mean()), float(kl.quantile(0.99)), float(top1)

    def _predicted(self, decoder: Decoder) -> Iterator[tuple[int, Tensor, Tensor]]:
        """By place: logarithms of the probabilities, and the words that came."""
        place = 0
        for ids, first in self.windows:
            logits = decoder.logits(ids, Cache(decoder, len(ids)), every=True)
            for k in range(first, len(ids), AT_ONCE):
                came = torch.tensor(ids[k : k + AT_ONCE])
                scores = logits[k - 1 : k - 1 + len(came)].cpu()
                yield place, torch.log_softmax(scores, 1), came
                place += len(came)


def _tokens_per_second(path: Path, prompt: list[int]) -> float | None:
    """Of llama.cpp in one thread, which computes with the blocks as they are; None where it cannot
    read the file. The seconds are the processor's, so that other programs hardly matter."""
    llama_cpp: Any = import_module("xllamacpp")
    settings = llama_cpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx = 2 * (PROMPT + GENERATED)
    settings.n_parallel = 1
    settings.verbosity = 0
    settings.cpuparams.n_threads = 1
    asked: dict[str, Any] = {"prompt": prompt, "max_tokens": GENERATED, "temperature": 0}
    try:
        server = llama_cpp.Server(settings)
        rates = []
        for _ in range(1 + TIMES):
            begun = time.process_time()
            server.handle_completions(asked | {"ignore_eos": True})
            rates.append(GENERATED / (time.process_time() - begun))
    except RuntimeError:
        return None
    return max(rates[1:])
