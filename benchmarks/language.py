"""Generating with a published model: byhand, transformers and llama.cpp, in turn.

    python benchmarks/language.py

All take the same file, the same prompt and as many threads, and choose the likeliest token. byhand
and transformers (eager, in bfloat16) read the file's conversion to safetensors; llama.cpp reads the
file itself, whose weights have fewer bits. From the times of generating one token and many,

    decoding    (t(n + 1) − t(1)) / n       prefill     t(1) / tokens of the prompt

In every round each engine is measured once; a ratio is the median of the ratios within the rounds.
The quality is that on the prompt, of the predicted tokens, against the conversion in float32:
KL(original ‖ engine) in nats, and how often the likeliest token is the same. The target for byhand
is 1.5 times the rate of transformers in decoding, with a KL of at most 0.01. A missed target is a
finding, not a failure.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from _measure import Worker, WorkerError, busy, is_worker, serve

from byhand.data import fetch_file
from byhand.language.sources import find

MODELS = ("smollm2-135m-instruct", "gemma-3-270m")
OURS, PEER, LLAMA_CPP = "byhand int8", "transformers", "llama.cpp"
ENGINES = (OURS, "byhand bf16", PEER, LLAMA_CPP)
ROUNDS, TOKENS = 7, 48
TARGET, MOST_KL = 1.5, 0.01
PROMPT = (
    "A neural network is a function with many numbers in it, which are called parameters. It is "
    "given examples of what it should say, and for each one it is asked how much its error would "
    "change if a parameter were a little larger. That is the derivative, and it is found by going "
    "backwards through the function, one layer after the other. Then every parameter is moved a "
    "small step in the direction in which the error becomes smaller. After many such steps the "
    "network says the right thing for examples that it has never seen, as long as these are like "
    "the ones that it has learned from. "
)


class Byhand:
    """Our decoder."""

    def __init__(self, model: str, dtype: str, threads: int) -> None:
        import torch

        from byhand import language

        torch.set_num_threads(threads)
        self.model = language.load(model, "cpu", dtype, context=1024)
        self.model.ends = frozenset()

    def generate(self, tokens: int) -> float:
        """Seconds for the prompt and so many tokens."""
        from byhand.language import Sampling
        from byhand.language.decoder import Cache

        self.model._cache = Cache(self.model.decoder, self.model.context)
        begun = time.perf_counter()
        for _ in self.model.generate(PROMPT, Sampling(0), tokens):
            pass
        return time.perf_counter() - begun

    def words(self) -> int:
        return len(self.model.encode(PROMPT))

    def quality(self) -> list[float]:
        """KL and top-1 against transformers in float32."""
        import torch
        from transformers import AutoModelForCausalLM

        ids = self.model.encode(PROMPT)
        path = self.model.checkpoint.path
        original = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        with torch.inference_mode():
            p = original(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        q = self.model.logits(ids).double().log_softmax(-1)
        kl = (p.exp() * (p - q)).sum(-1).mean()
        return [float(kl), float((p.argmax(-1) == q.argmax(-1)).double().mean())]


class Transformers:
    """As its documentation says, in bfloat16."""

    def __init__(self, model: str, threads: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        from byhand.language.tokenizer import Tokenizer

        torch.set_num_threads(threads)
        checkpoint = find(model).checkpoint
        self.ids = torch.tensor([Tokenizer(checkpoint).encode(PROMPT)])
        self.model = AutoModelForCausalLM.from_pretrained(
            checkpoint.path, dtype=torch.bfloat16
        ).eval()
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = 0

    def generate(self, tokens: int) -> float:
        begun = time.perf_counter()
        self.model.generate(self.ids, max_new_tokens=tokens, do_sample=False)
        return time.perf_counter() - begun

    def words(self) -> int:
        return self.ids.shape[1]


class LlamaCpp:
    """Its server, called within the process."""

    def __init__(self, model: str, threads: int) -> None:
        import xllamacpp

        from byhand.language.tokenizer import Tokenizer

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(fetch_file(model))
        parameters.n_ctx = 1024
        parameters.n_parallel = 1
        parameters.verbosity = 0
        for kind in (parameters.cpuparams, parameters.cpuparams_batch):
            kind.n_threads = threads
        self.server = xllamacpp.Server(parameters)
        self.ids = Tokenizer(find(model).checkpoint).encode(PROMPT)

    def generate(self, tokens: int) -> float:
        asked = {"prompt": self.ids, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        begun = time.perf_counter()
        answer = self.server.handle_completions(asked | {"cache_prompt": False})
        seconds = time.perf_counter() - begun
        if (found := answer["usage"]["completion_tokens"]) != tokens:
            raise RuntimeError(f"{found} tokens were generated, and {tokens} were asked for")
        return seconds

    def words(self) -> int:
        return len(self.ids)


def make(argument: dict[str, Any]) -> Any:
    engine, model, threads = argument["engine"], argument["model"], argument["threads"]
    if engine == PEER:
        return Transformers(model, threads)
    if engine == LLAMA_CPP:
        return LlamaCpp(model, threads)
    return Byhand(model, engine.rpartition(" ")[2], threads)


@dataclass
class Entrant:
    """An engine, and what was found out about it; seconds for one token, by round."""

    engine: str
    worker: Worker
    words: int = 0
    decode: list[float] = field(default_factory=list)
    prefill: list[float] = field(default_factory=list)
    memory: float = 0.0
    quality: list[float] | None = None
    failure: str = ""

    def begin(self) -> None:
        """Load the model, and generate once so that memory and caches are as they will be."""
        self.words = self.worker.ask("words")
        self.worker.ask("generate", 4)

    def measure(self) -> None:
        first, whole = (self.worker.ask("generate", n) for n in (1, TOKENS + 1))
        self.prefill.append(first / self.words)
        self.decode.append((whole - first) / TOKENS)

    def end(self) -> None:
        self.memory = self.worker.ask("peak_memory")
        if self.engine not in (PEER, LLAMA_CPP):
            self.quality = self.worker.ask("quality")


def race(entrants: Sequence[Entrant], rounds: int) -> None:
    """Measure all in turn; one that fails leaves the others alone."""
    for step in ("begin", *["measure"] * rounds, "end"):
        for entrant in entrants:
            if entrant.failure:
                continue
            try:
                getattr(entrant, step)()
            except WorkerError as error:
                entrant.failure = str(error)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as fast: the median over the rounds."""
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def table(entrants: Sequence[Entrant]) -> list[str]:
    lines = [
        f"{'engine':14}{'decode tok/s':>14}{'ratio':>8}{'prefill tok/s':>15}{'ratio':>8}"
        f"{'peak MiB':>10}{'KL':>9}{'top-1':>8}"
    ]
    peer = next((e for e in entrants if e.engine == PEER and not e.failure), None)
    for entrant in entrants:
        if entrant.failure:
            lines.append(f"{entrant.engine:14}  {entrant.failure}")
            continue
        line = f"{entrant.engine:14}"
        for name, width in (("decode", 14), ("prefill", 15)):
            own = getattr(entrant, name)
            line += f"{1 / statistics.median(own):>{width}.1f}"
            line += f"{f'{ratio(own, getattr(peer, name)):.2f} x' if peer else '':>8}"
        line += f"{entrant.memory:>10.0f}"
        if entrant.quality is not None:
            line += f"{entrant.quality[0]:>9.4f}{entrant.quality[1]:>8.1%}"
        lines.append(line)
    return lines


def verdict(entrants: Sequence[Entrant]) -> str:
    """The target, met or missed."""
    found = {e.engine: e for e in entrants if not e.failure}
    if OURS not in found or PEER not in found:
        return "target: nothing to compare"
    ours = found[OURS]
    faster, kl = ratio(ours.decode, found[PEER].decode), (ours.quality or [float("nan")])[0]
    met = "met" if faster >= TARGET and kl <= MOST_KL else "missed"
    return f"target: {TARGET} x transformers in decoding with KL ≤ {MOST_KL}: {met}"


def main() -> None:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (warning := busy()) is not None:
        print(f"warning: {warning}", file=sys.stderr)
    for model in MODELS:
        fetch_file(model)
        find(model)  # converted before anyone is measured
        entrants = [
            Entrant(e, Worker(__file__, {"engine": e, "model": model, "threads": threads}, threads))
            for e in ENGINES
        ]
        try:
            race(entrants, ROUNDS)
        finally:
            for entrant in entrants:
                entrant.worker.close()
        words = max(entrant.words for entrant in entrants)
        print(f"\n{model}, {threads} threads, a prompt of {words} tokens, {TOKENS} generated")
        print("\n".join([*table(entrants), verdict(entrants)]), flush=True)


if __name__ == "__main__":
    if is_worker():
        serve(make)
    else:
        main()
