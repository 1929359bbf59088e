"""A language model that is loaded: it generates, answers and gives logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from byhand.checkpoints import Checkpoint
from byhand.checkpoints.numbers import dtype_named
from byhand.engines.torch.device import choose
from byhand.errors import InputError
from byhand.language import memory, packed
from byhand.language.adapters import changes
from byhand.language.building import build
from byhand.language.decoder import Cache, Decoder
from byhand.language.generation import Answer, check_stops
from byhand.language.kernels import Ready, has_int8
from byhand.language.sources import Source
from byhand.language.tokenizer import Message, Tokenizer, check_messages
from byhand.randomness import stream
from byhand.sampling import Sampling

USUAL_CONTEXT = 4096
"""Tokens, of models that allow as many or more."""


class Model:
    """A model in memory, for one sequence at a time.

    name        as it was asked for
    tokenizer   text to tokens and back, and the chat template
    context     the most tokens of prompt and answer together
    dtype       f32, f16, bf16, or int8 for weights of eight bits
    sampling    what its makers recommend, or else the likeliest token always
    needed      the memory it was expected to take
    """

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        tokenizer: Tokenizer,
        decoder: Decoder,
        context: int,
        dtype: str,
        needed: memory.Needed,
    ) -> None:
        self.name, self.checkpoint = name, checkpoint
        self.tokenizer, self.decoder = tokenizer, decoder
        self.context, self.dtype, self.needed = context, dtype, needed
        self.sampling = _recommended(checkpoint)
        self.ends = frozenset(_ends(checkpoint, tokenizer))
        self._cache: Cache | None = None

    @property
    def chats(self) -> bool:
        """Whether it was trained to answer: it has a chat template."""
        return self.tokenizer.chat_template is not None

    def sampled(
        self,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Sampling:
        """`sampling` with what is given in its place. Where it always takes the likeliest token and
        only top_k or top_p is given, the temperature is 1.

        Raises      InputError, which names the setting
        """
        own = self.sampling
        if temperature is None:
            drawn = own.temperature == 0 and not (top_k is None and top_p is None)
            temperature = 1.0 if drawn else own.temperature
        return Sampling(
            temperature,
            own.top_k if top_k is None else top_k,
            own.top_p if top_p is None else top_p,
        )

    def encode(self, prompt: str | Sequence[Message]) -> list[int]:
        """The tokens of a text, or of a conversation that is to be answered.

        Raises      InputError for a conversation with a model that has no chat template
        """
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt)
        text = self.tokenizer.prompt(check_messages(prompt))
        return self.tokenizer.encode(text, special=False)

    def generate(
        self,
        prompt: str | Sequence[Message],
        sampling: Sampling | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] = (),
        seed: int = 0,
    ) -> Answer:
        """Go on with a text, or answer a conversation; the pieces come as they are generated.

        What the last prompt and answer have in common with this prompt is not computed again.

        sampling    which token is taken; `self.sampling` without one
        max_tokens  at most so many; otherwise as many as the context has room for
        stop        texts before which the answer ends
        seed        one seed is one answer

        Raises      InputError for an empty prompt, and for one that the context has no room for
        """
        ids = self.encode(prompt)
        stops = check_stops(stop)
        if max_tokens is not None and max_tokens < 1:
            raise InputError(f"max-tokens is at least 1, found {max_tokens}")
        self._check_room(ids, one_more=True)
        most = self.context - len(ids)
        cache, self._cache = self._cache or Cache(self.decoder, self.context), None
        cache.keep(min(_common(cache.ids, ids), len(ids) - 1))
        answer = Answer(ids, len(cache.ids))
        tokens = self._tokens(
            answer, cache, sampling or self.sampling, min(most, max_tokens or most), seed
        )
        return answer.begin(self.tokenizer.spelled(tokens, after=_said(ids, prompt)), stops)

    def logits(self, ids: Sequence[int]) -> Tensor:
        """Scores of every token that may follow each of these.

        Shapes      ids[tokens] -> [tokens, vocabulary], float32

        Raises      InputError for none or too many, and for numbers that are no token
        """
        self._check_room(ids)
        words = self.checkpoint.config["vocab_size"]
        for k in ids:
            if not 0 <= k < words:
                raise InputError(f"a token is a number from 0 to {words - 1:,}, found {k}")
        return self.decoder.logits(list(ids), Cache(self.decoder, len(ids)), every=True)

    def _check_room(self, ids: Sequence[int], one_more: bool = False) -> None:
        if not ids:
            raise InputError("the prompt has no tokens; give a word or more")
        if len(ids) + one_more > self.context:
            most = self.checkpoint.config["max_position_embeddings"]
            larger = f", or load the model with a context of up to {most:,}"
            raise InputError(
                f"the prompt has {len(ids):,} tokens and the context is {self.context:,}: "
                f"shorten it{larger if most > self.context else ''}"
            )

    def _tokens(
        self, answer: Answer, cache: Cache, sampling: Sampling, most: int, seed: int
    ) -> Iterator[int]:
        random = stream(seed, "sampling")
        new = list(answer.prompt[len(cache.ids) :])
        for _ in range(most):
            if self._cache is not cache and answer.tokens:
                # Another answer has begun since the last token, with what was kept of this one.
                cache, new = Cache(self.decoder, self.context), [*answer.prompt, *answer.tokens]
            # After Ctrl-C in the middle of this nobody has the cache, which is half-written.
            self._cache = None
            scores = self.decoder.logits(new, cache)
            p = torch.softmax(scores, 0).cpu().numpy()
            token = sampling.draw(p, random.random())
            self._cache = cache
            if token in self.ends:
                answer.finish = "stop"
                return
            answer.tokens.append(token)
            yield token
            new = [token]
        answer.finish = "length"


def _said(ids: Sequence[int], prompt: str | Sequence[Message]) -> Sequence[int]:
    """The tokens that a text goes on from; an answer begins a text of its own."""
    return ids if isinstance(prompt, str) else ()


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens at the beginning are the same."""
    for k, (one, other) in enumerate(zip(a, b, strict=False)):
        if one != other:
            return k
    return min(len(a), len(b))


def _recommended(checkpoint: Checkpoint) -> Sampling:
    """As generation_config.json says."""
    settings: dict[str, Any] = dict(checkpoint.generation)
    if not settings.get("do_sample"):
        return Sampling(0)
    top_k = settings.get("top_k")
    return Sampling(settings.get("temperature", 1.0), top_k or None, settings.get("top_p"))


def _ends(checkpoint: Checkpoint, tokenizer: Tokenizer) -> list[int]:
    """The tokens after which nothing comes."""
    found: list[Any] = list(tokenizer.ends())
    for settings in (checkpoint.generation, checkpoint.config):
        ends = settings.get("eos_token_id")
        found += ends if isinstance(ends, list) else [ends]
    return [k for k in found if type(k) is int]


def open_model(
    source: Source, device: str, dtype: str | None, context: int | None, free: int | None = None
) -> Model:
    """`byhand.language.load`, with what it needs imported.

    free        bytes for the model; what is free on the device without it
    """
    where = choose(device, "float32")
    checkpoint, kind = source.checkpoint, _dtype(dtype, where)
    tokens = _context(context, checkpoint, source.name)
    tokenizer = Tokenizer(checkpoint, source.name)
    need = memory.check(
        checkpoint, tokens, kind, memory.free_on(where) if free is None else free, source.name
    )
    change = changes(source.adapters, set(checkpoint.tensors))
    ready, known = _ready(source), len(source.kept or ())
    decoder = build(checkpoint, tokens, kind, where, change, ready)
    if source.kept is not None and len(ready) > known:
        packed.write(checkpoint, _arrays(ready))
    return Model(source.name, checkpoint, tokenizer, decoder, tokens, kind, need)


def _ready(source: Source) -> Ready:
    return {
        name: (torch.from_numpy(quants), torch.from_numpy(scale).view(torch.bfloat16))
        for name, (quants, scale) in (source.kept or {}).items()
    }


def _arrays(ready: Ready) -> packed.Arrays:
    return {
        name: (quants.numpy(), scale.view(torch.int16).numpy())
        for name, (quants, scale) in ready.items()
    }


def _dtype(name: str | None, device: torch.device) -> str:
    """Eight bits a weight where there is a kernel for it, which is on a CPU."""
    if name is None or name == "auto":
        return "int8" if device.type == "cpu" and has_int8() else "bf16"
    if name == "int8":
        if device.type != "cpu" or not has_int8():
            raise InputError(
                f"dtype int8: PyTorch {torch.__version__} has no kernel for it on {device.type}; "
                "use bf16"
            )
        return name
    try:
        return dtype_named(name).lower()
    except InputError:
        raise InputError(f"no dtype is called {name!r}; there is f32, f16, bf16 and int8") from None


def _context(wanted: int | None, checkpoint: Checkpoint, name: str) -> int:
    most = int(checkpoint.config["max_position_embeddings"])
    if wanted is None:
        return min(most, USUAL_CONTEXT)
    if not 1 <= wanted <= most:
        raise InputError(f"{name} was trained for a context of {most:,} tokens; found {wanted:,}")
    return wanted
