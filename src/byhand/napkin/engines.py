"""What each inference engine takes beyond the weights and the cache.

Weights and cache follow from the model. The rest is the engine's: how many tokens it passes at
once, how many rows of logits it keeps, what its pages and its runtime cost. Each of these is an
assumption with a source, and those that vary are intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from byhand.napkin.checks import one_of

MiB, GiB = 2**20, 2**30
Range = tuple[int, int, int]


@dataclass(frozen=True)
class Engine:
    """The memory policy of an inference engine.

    at_once         tokens in one pass of the prefill; None where only decoding is counted
    logit_rows      rows of float32 logits in the prefill; None for one of each sequence, and in its
                    ceiling one of each token
    logit_copies    of those rows: logits, probabilities, sorted
    width           bytes of a number in the working set
    scores          the attention scores of a pass may be written out, so they are in the ceiling
    block           tokens in a page of the cache
    sliding         what a layer with a sliding window keeps
    cache_in_dtype  the cache has the model's dtype; otherwise it has 16 bits
    grows           the cache is copied while it grows, one layer at a time
    share           of the device's memory that the engine takes
    runtime         floor, expected and ceiling of context, kernels and graphs
    bandwidth       share of the memory bandwidth that decoding reaches
    flops           share of the peak rate that prefill reaches
    """

    name: str
    at_once: Range | Literal["all"] | None
    logit_rows: Range | None
    cache: str = ""
    source: str = ""
    logit_copies: int = 1
    width: int = 2
    scores: bool = False
    block: int = 1
    sliding: Literal["capped", "likely capped", "likely full"] = "capped"
    cache_in_dtype: bool = True
    grows: bool = False
    share: float = 1.0
    runtime: Range = (0, 0, 0)
    runtime_source: str = ""
    bandwidth: tuple[float, float, float] = (1, 1, 1)
    flops: tuple[float, float, float] = (1, 1, 1)


BANDWIDTH, FLOPS = (0.5, 0.7, 0.9), (0.3, 0.5, 0.7)

ENGINES = {
    engine.name: engine
    for engine in (
        Engine("theory", at_once=None, logit_rows=None),
        Engine(
            "llama.cpp",
            at_once=(512, 512, 512),
            logit_rows=(512, 512, 512),
            cache="llama.cpp keeps 16 bits, and of local layers the window",
            source="llama.cpp's log of its compute buffer, n_ubatch 512",
            width=4,
            scores=True,
            cache_in_dtype=False,
            runtime=(0, 300 * MiB, 600 * MiB),
            runtime_source="0 on a CPU; a CUDA context takes some hundred MiB",
            bandwidth=BANDWIDTH,
            flops=FLOPS,
        ),
        Engine(
            "vllm",
            at_once=(2048, 8192, 8192),
            logit_rows=(256, 256, 256),
            cache="vLLM's pages of 16 tokens; local layers may reserve the full length",
            source="vLLM's profile run: max_num_batched_tokens, max_num_seqs 256",
            logit_copies=3,
            block=16,
            sliding="likely full",
            share=0.9,
            runtime=(160 * MiB, GiB // 2, 1833 * MiB),
            runtime_source="0.16 to 1.79 GiB in the logs of vLLM's pull requests 10511 and 12126",
            bandwidth=BANDWIDTH,
            flops=FLOPS,
        ),
        Engine(
            "transformers",
            at_once="all",
            logit_rows=None,
            cache="recent versions crop local layers to the window",
            source="transformers' generate: one prefill, logits in float32",
            sliding="likely capped",
            grows=True,
            runtime=(300 * MiB, 500 * MiB, 1343 * MiB),
            runtime_source="up to 1343 MB in transformers' page on GPU memory",
            bandwidth=BANDWIDTH,
            flops=FLOPS,
        ),
    )
}


def engine_of(name: str) -> Engine:
    """The engine of this name; InputError with the nearest name for an unknown one."""
    return ENGINES[one_of("engine", name, ENGINES)]
