"""Translating with a run that was trained on pairs of sentences, and how good that is."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from byhand.data import Languages, Split, Words
from byhand.data.languages import begin, end, read, sentence, tokens
from byhand.data.pairs import Pair, held_out, split_of
from byhand.engines import Program
from byhand.errors import InputError
from byhand.layers import PADDING
from byhand.training.alignment import alignments
from byhand.training.run import Run
from byhand.training.search import check_beam, search
from byhand.training.session import data_of, translation_model

Array = NDArray[Any]
AT_ONCE = 64
"""Sentences that are translated together, those of like length."""


class Translation(NamedTuple):
    """A sentence and what was made of it."""

    source: str
    text: str
    read: tuple[int, ...]
    """The ids of the source, with its end."""
    wrote: tuple[int, ...]
    """The ids of the translation, with its end where it has one."""
    log_p: float
    ended: bool
    """False where it was cut off at the longest that the run was trained on."""
    unknown: tuple[str, ...]
    """Words of the source that the run does not know."""


class Look(NamedTuple):
    """What each word that was written has looked at.

    Shapes      p[wrote, read], each row sums to 1
    """

    layer: str
    heads: int
    """Whose mean p is."""
    read: tuple[str, ...]
    wrote: tuple[str, ...]
    p: Array


class Score(NamedTuple):
    """A figure from 0 to 100, and what others have to know to compare theirs."""

    score: float
    signature: str


@dataclass(frozen=True)
class Result:
    """How good the translations of a test split are."""

    sentences: int
    unknown: int
    """Words of their sources that the run does not know."""
    beam: int
    scores: dict[str, Score]
    """BLEU and chrF; none of a task, which has no words."""
    same: float
    """The share that is what stands there, letter by letter."""
    loss: float
    """For each token, in nats."""
    tokens_per_second: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"scores": {n: s._asdict() for n, s in self.scores.items()}}


class Translator:
    """A run's model with the parameters of its best epoch, and its two languages."""

    def __init__(self, run: Run, engine: str | None = None) -> None:
        self.run = run
        self.program: Program
        self.languages: Languages
        self.program, self.languages = translation_model(run, engine)
        self.longest = run.recipe.data.most_tokens
        """Tokens of a sentence at most, in either language."""

    def translate(self, sentences: Sequence[str], beam: int) -> list[Translation]:
        """Each sentence, by a search with this beam; see `search`.

        Raises      InputError for a beam below 1, and for a sentence that is empty or too long
        """
        check_beam(beam)
        return self._translate(sentences, beam, lambda text: None)

    def _translate(
        self, sentences: Sequence[str], beam: int, tell: Callable[[str], None]
    ) -> list[Translation]:
        encoded = [self._encoded(text, number) for number, text in enumerate(sentences, start=1)]
        order = sorted(range(len(encoded)), key=lambda k: len(encoded[k]))
        found: dict[int, Translation] = {}
        target = self.languages.target
        how: dict[str, Any] = {"begin": begin(target), "end": end(target)}
        for first in range(0, len(order), AT_ONCE):
            tell(f"translating: {first:,} of {len(order):,} sentences")
            part = order[first : first + AT_ONCE]
            sources = np.full((len(part), len(encoded[part[-1]])), PADDING, np.int64)
            for row, k in zip(sources, part, strict=True):
                row[: len(encoded[k])] = encoded[k]
            all_written = search(self.program, sources, beam=beam, limit=self.longest + 1, **how)
            for k, written in zip(part, all_written, strict=True):
                found[k] = Translation(
                    sentences[k],
                    read(target, np.array(written.ids, np.int64)),
                    tuple(encoded[k].tolist()),
                    (*written.ids, how["end"]) if written.ended else written.ids,
                    written.log_p,
                    written.ended,
                    self._unknown(sentences[k]),
                )
        return [found[k] for k in range(len(found))]

    def _encoded(self, text: str, number: int) -> NDArray[np.int64]:
        """The ids of a source, its end behind them."""
        source = self.languages.source
        ids = sentence(source, text.strip())
        tokens = len(ids) - 1
        if tokens < 1:
            raise InputError(f"sentence {number} is empty: give a {source.unit} or more")
        if tokens > self.longest:
            raise InputError(
                f"sentence {number} has {tokens} {source.unit}s, and run {self.run.name} was "
                f"trained on at most {self.longest}: divide it"
            )
        return ids

    def look(self, translation: Translation) -> Look:
        """What the last attention of the model looked at, the mean of its heads.

        Raises      InputError where the model has no attention to the source
        """
        model = copy.deepcopy(self.program.description.model)
        model.set_parameters(self.program.parameters())
        before = (begin(self.languages.target), *translation.wrote[:-1])
        pair = np.full((1, 2, max(len(translation.read), len(before))), PADDING, np.int64)
        pair[0, 0, : len(translation.read)] = translation.read
        pair[0, 1, : len(before)] = before
        found = alignments(model, pair)
        if not found:
            raise InputError(
                f"run {self.run.name} has no attention to the source to show: leave --attention out"
            )
        layer, p = list(found.items())[-1]
        return Look(
            layer,
            p.shape[1],
            tokens(self.languages.source, translation.read),
            tokens(self.languages.target, translation.wrote),
            p[0].mean(axis=0)[: len(before), : len(translation.read)],
        )

    def test(self, beam: int, limit: int | None, tell: Callable[[str], None]) -> Result:
        """The test split translated and held against what stands there.

        limit       so many of its sentences, from everywhere in it alike, for a file may begin with
                    the short ones; None is all
        tell        hears what is being done
        Raises      InputError
        """
        check_beam(beam)
        # Words are in lower case, so they are held against sentences in lower case.
        lower = isinstance(self.languages.target, Words)
        metrics = {} if self.run.recipe.data.kind == "task" else _metrics(lower)
        tell("loading the data")
        split, pairs = self._held_out()
        if limit is not None and limit < len(pairs):
            chosen = np.arange(limit) * len(pairs) // limit
            split = Split(split.inputs[chosen], split.targets[chosen])
            pairs = [pairs[k] for k in chosen]
        tell("the loss")
        loss = self.program.evaluate(split.inputs, split.targets).loss
        began = time.perf_counter()
        found = self._translate([source for source, _ in pairs], beam, tell)
        seconds = time.perf_counter() - began
        texts = [each.text for each in found]
        references = [target.lower() if lower else target for _, target in pairs]
        return Result(
            len(found),
            sum(len(each.unknown) for each in found),
            beam,
            {name: _score(metric, texts, references) for name, metric in metrics.items()},
            sum(map(_same, texts, references)) / len(found),
            loss,
            sum(len(each.wrote) for each in found) / seconds,
        )

    def _held_out(self) -> tuple[Split, list[Pair]]:
        """The test split, and its sentences."""
        table = self.run.recipe.data
        if table.kind == "task":
            split = data_of(self.run).test
            source, target = self.languages
            rows = zip(split.inputs[:, 0], split.targets, strict=True)
            return split, [(read(source, s), read(target, t)) for s, t in rows]
        where = table.pairs or str(table.name)
        pairs = held_out(where, self.languages, longest=self.longest, limit=table.limit)
        return split_of(pairs, self.languages, self.longest), pairs

    def _unknown(self, text: str) -> tuple[str, ...]:
        source = self.languages.source
        return tuple(source.unknown(text)) if isinstance(source, Words) else ()


def _metrics(lower: bool) -> dict[str, Any]:
    """BLEU and chrF, by sacrebleu.

    Source      Papineni et al., BLEU (2002); Popović, chrF (2015); Post, A call for clarity in
                reporting BLEU scores (2018), for the signature.
    Raises      InputError where the package is not installed
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise InputError("BLEU needs the package sacrebleu: pip install 'byhand[text]'") from None
    return {"BLEU": BLEU(lowercase=lower), "chrF": CHRF(lowercase=lower)}


def _score(metric: Any, translations: Sequence[str], references: Sequence[str]) -> Score:
    """Of translations, each held against one reference."""
    value = metric.corpus_score(list(translations), [list(references)]).score
    return Score(float(value), str(metric.get_signature()))


def _same(text: str, reference: str) -> bool:
    """But for spaces, which not all vocabularies keep."""
    return "".join(text.split()) == "".join(reference.split())
