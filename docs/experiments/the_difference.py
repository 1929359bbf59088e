"""Two GRUs, two GRUs with attention, and a Transformer translate: what is the difference?

All three have the same number of parameters and the same steps on the same pairs. Trains them in
runs/the-difference, or goes on, or reads what is finished there; on one core that is ten minutes
for each seed of each. Prints parameters, multiplications, BLEU by length, tokens for each
second of processor time, and how far gradients reach; draws BLEU, the gradients, and the alignments
of one sentence.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _shared import output_folder, publish, trained
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU

from byhand.data import Dataset, Split
from byhand.data.languages import sentence
from byhand.data.pairs import Pair, held_out, order_by_length
from byhand.engines import Program
from byhand.layers import (
    PADDING,
    AdditiveAttention,
    Embedding,
    Encoder,
    Layer,
    SelfAttention,
    Sequential,
)
from byhand.layers.cross_attention import CrossAttention
from byhand.layers.memory import MemoryLayer
from byhand.layers.positions import Positions
from byhand.training import Run, find_recipe
from byhand.training.session import compile_recipe, data_of, recipe_of
from byhand.training.translation import Look, Translator
from byhand.views.style import BLUE, GREY, ORANGE, log_scale, plain
from byhand.views.subject import in_our_layers

Array = NDArray[Any]
RUNS = "runs/the-difference"
NATIVE = ("training.engine=native", "training.threads=1")
SEEDS = dict.fromkeys(("translate-plain", "translate-attention", "translate-transformer"), 3)
NAMES = dict(zip(SEEDS, ("GRUs", "GRUs, attention", "Transformer"), strict=True))
COLOURS = dict(zip(SEEDS, (GREY, ORANGE, BLUE), strict=True))
EDGES = (0, 4, 6, 8, 10, 12, 15)  # words of a source, ends of the groups
SENTENCE = "The little girl gave me a red flower in front of the white house."
BEAM, RESAMPLED = 4, 200
LONG, MOST, DISTANCES = 12, 128, (2, 4, 8)
ROUNDS, STEPS, TEXTS, ALONE = 5, 8, 256, 32


@dataclass(frozen=True)
class Model:
    """One of the three, each list by seed; the rest is of seed 0.

    products        multiplications of one pair, forward, the mean over the training pairs
    bleu, within    of the whole test split; where half of 95 % of resampled splits lie
    by_length       the same by groups of sentences: [seed, group], [group]
    speeds          tokens for each second of the processor, by what is done
    reach           [distance] gradient of what the encoder says of a word with respect to a word so
                    far away, 1 at the neighbour; before and after training
    """

    parameters: int
    products: float
    rate: float
    losses: list[float]
    bleu: list[float]
    within: float
    by_length: Array
    by_length_within: Array
    speeds: dict[str, float]
    reach: dict[str, Array]
    look: Look | None


@dataclass(frozen=True)
class Findings:
    """models       by recipe
    sentences       of each group of the test split
    read, long      sentences that the gradients are the mean of, and tokens of each
    """

    models: dict[str, Model]
    sentences: list[int]
    read: int
    long: int


def multiplications(model: Sequential, source: Array, target: Array) -> Array:
    """Of one forward pass over pairs of so many tokens: those of the matrix products, and of each
    attention the scores and the means. The elementwise rest is left out, and a row of an embedding
    is looked up. Backward has two products for each one forward, dx = dz Wᵀ and dW = xᵀ dz."""
    total = np.zeros(len(source))
    for layer, steps in _over(model, source, target):
        if isinstance(layer, Embedding | Positions):
            continue
        for symbol, W in layer.parameters.items():
            reads_memory = isinstance(layer, MemoryLayer) and symbol in ("Wk", "Wv", "U")
            total += (W.ndim == 2) * W.size * (source if reads_memory else steps)
        if isinstance(layer, SelfAttention):
            total += 2 * steps * steps * layer.sizes["width"]
        if isinstance(layer, CrossAttention):
            total += 2 * steps * source * layer.sizes["width"]
        if isinstance(layer, AdditiveAttention):
            total += steps * source * (layer.sizes["hidden"] + layer.sizes["annotation"])
    return total


def _over(model: Sequential, source: Array, target: Array) -> Iterator[tuple[Layer, Array]]:
    """The layers that are none of layers, each with the steps that it reads."""
    for layer in model.layers:
        if isinstance(layer, Sequential):
            yield from _over(layer, source, source if layer.encodes else target)
        else:
            yield layer, target


def reach_within(model: Sequential, ids: Array) -> Array:
    """How the gradient of what the encoder says of one word, in a random direction, falls with the
    distance of the word that it is taken with respect to: [distance] from 1 on, 1 at the first.

    Shapes      ids[sentences, time], without padding
    """
    encoder = model.layers[0]
    assert isinstance(encoder, Encoder)
    embedding, *others = encoder.layers
    after, rng, steps = Sequential(*others), np.random.default_rng(0), ids.shape[1]
    m, caches = after.forward(embedding.forward(ids)[0])
    squares: list[list[Array]] = [[] for _ in range(steps)]
    for said in range(steps):
        dm = np.zeros_like(m)
        dm[:, said] = rng.standard_normal(m[:, said].shape)
        dx, _ = after.backward(dm, caches)
        for read in range(steps):
            squares[abs(said - read)].append((dx[:, read] ** 2).sum(axis=-1))
    rms: Array = np.array([np.sqrt(np.mean(each)) for each in squares[1:]])
    rms /= rms[0]
    return rms


def scores(found: Sequence[str], pairs: Sequence[Pair], rows: Array) -> tuple[float, float]:
    """BLEU of some of the pairs, in lower case, and half of what 95 % of samples of them, drawn
    with replacement, spread over."""
    if not len(rows):
        return float("nan"), float("nan")
    metric = BLEU(lowercase=True)
    references = [[pairs[k][1].lower() for k in rows]]
    score = metric.corpus_score([found[k] for k in rows], references, n_bootstrap=RESAMPLED)
    said = json.loads(score.format(is_json=True, signature=str(metric.get_signature())))
    return score.score, said.get("confidence_var", 0.0)


def groups_of(translator: Translator, pairs: Sequence[Pair]) -> list[Array]:
    """Which pairs have sources of so many words."""
    source = translator.languages.source
    words = np.array([len(sentence(source, text.strip())) - 1 for text, _ in pairs])
    return [np.flatnonzero((low < words) & (words <= high)) for low, high in pairwise(EDGES)]


def speeds_of(
    runs: Sequence[Run], dataset: Dataset, texts: Sequence[str]
) -> list[dict[str, float]]:
    """Of each run, the medians of rounds in which they take turns."""
    programs = [compile_recipe(recipe_of(run), dataset) for run in runs]
    translators = [Translator(run) for run in runs]
    size = runs[0].recipe.training.batch_size
    order = np.resize(order_by_length(dataset.train, size, 0, 0), ROUNDS * STEPS * size)
    seen: list[dict[str, list[float]]] = [{} for _ in runs]
    for rows in np.split(order, ROUNDS):
        tokens = int((dataset.train.inputs[rows] != PADDING).sum())
        for program, translator, rates in zip(programs, translators, seen, strict=True):
            begins = time.process_time()
            train(program, dataset.train, rows, size)
            rates.setdefault("training", []).append(tokens / (time.process_time() - begins))
            for how, some, beam in (
                (f"translating, beam of {BEAM}", texts, BEAM),
                ("one at a time, greedily", texts[:ALONE], 1),
            ):
                parts = [[text] for text in some] if beam == 1 else [list(some)]
                begins = time.process_time()
                said = [each for part in parts for each in translator.translate(part, beam)]
                wrote = sum(len(each.wrote) for each in said)
                rates.setdefault(how, []).append(wrote / (time.process_time() - begins))
    return [{how: statistics.median(each) for how, each in rates.items()} for rates in seen]


def train(program: Program, split: Split, rows: Array, size: int) -> None:
    rates = [program.description.optimizer.learning_rate] * (len(rows) // size)
    program.train(split.inputs, split.targets, rows, size, 0, rates)


def model_of(
    runs: Sequence[Run],
    dataset: Dataset,
    pairs: Sequence[Pair],
    some: Array,
    speeds: dict[str, float],
) -> Model:
    translators = [Translator(run) for run in runs]
    first, groups = translators[0], groups_of(translators[0], pairs)
    model, start = in_our_layers(first.program), compile_recipe(recipe_of(runs[0]), dataset)
    found = [[t.text for t in each.translate([s for s, _ in pairs], BEAM)] for each in translators]
    parts = np.array([[scores(texts, pairs, rows) for rows in groups] for texts in found])
    whole = np.array([scores(texts, pairs, np.arange(len(pairs))) for texts in found])
    source, target = ((dataset.train.inputs[:, side] != PADDING).sum(axis=-1) for side in (0, 1))
    (alone,) = first.translate([SENTENCE], BEAM)
    return Model(
        parameters=sum(value.size for value in model.parameters.values()),
        products=float(multiplications(model, source, target).mean()),
        rate=start.description.optimizer.learning_rate,
        losses=[float((run.best_epoch() or {})["validation_loss"]) for run in runs],
        bleu=whole[:, 0].tolist(),
        within=float(whole[0, 1]),
        by_length=parts[..., 0],
        by_length_within=parts[0, :, 1],
        speeds=speeds,
        reach={
            "before": reach_within(start.description.model, some),
            "after": reach_within(model, some),
        },
        look=first.look(alone) if any(map(looks, model.layers)) else None,
    )


def looks(layer: Layer) -> bool:
    """Whether it looks at the memory, or a layer in it does, and chooses at what."""
    if isinstance(layer, Sequential):
        return any(map(looks, layer.layers))
    return isinstance(layer, CrossAttention | AdditiveAttention)


def mean(values: Sequence[float], places: int) -> str:
    """With the standard deviation where there are several seeds."""
    said = f"{np.mean(values):.{places}f}"
    return f"{said} ± {np.std(values, ddof=1):.{places}f}" if len(values) > 1 else said


def report(found: Findings) -> list[str]:
    models = list(found.models.values())

    def row(name: str, cells: Iterable[str]) -> str:
        return f"{name:32}" + "".join(f"{cell:>18}" for cell in cells)

    lines = [
        row("", (NAMES[name] for name in found.models)),
        row("parameters", (f"{each.parameters:,}" for each in models)),
        row("million multiplications a pair", (f"{each.products / 1e6:.2f}" for each in models)),
        row("  beside the first", (f"{m.products / models[0].products:.3f}" for m in models)),
        row("learning rate", (f"{each.rate:g}" for each in models)),
        row("seeds", (str(len(each.bleu)) for each in models)),
        row("validation loss, nats per token", (mean(each.losses, 3) for each in models)),
        row("BLEU", (mean(each.bleu, 1) for each in models)),
        row("  95 % of resampled sentences", (f"± {each.within:.1f}" for each in models)),
        "BLEU by tokens of the source",
    ]
    for k, (low, high) in enumerate(pairwise(EDGES)):
        name = f"  {low + 1} to {high}, {found.sentences[k]:,} sentences"
        lines.append(row(name, (mean(each.by_length[:, k].tolist(), 1) for each in models)))
    lines.append("tokens for each second of the processor")
    for how in models[0].speeds:
        lines.append(row(f"  {how}", (f"{each.speeds[how]:,.0f}" for each in models)))
    lines.append(f"gradient within {found.read} sources of {found.long} tokens, of the neighbour 1")
    for when in ("before", "after"):
        for far in (each for each in DISTANCES if each < found.long):
            cells = (f"{each.reach[when][far - 1]:.3f}" for each in models)
            lines.append(row(f"  {when} training, {far} words away", cells))
    for name, each in found.models.items():
        if each.look is not None:
            lines += ["", f"{NAMES[name]}: {' '.join(each.look.wrote[:-1])}"]
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(9.6, 6.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.25))
    by_length, within = above.subplots(1, 2)
    for name, each in found.models.items():
        how = {"color": COLOURS[name], "label": NAMES[name]}
        middle = [(low + 1 + high) / 2 for low, high in pairwise(EDGES)]
        by_length.errorbar(middle, each.by_length.mean(axis=0), each.by_length_within, **how)
        distances = np.arange(1, len(each.reach["after"]) + 1)
        within.plot(distances, each.reach["after"], **how)
        within.plot(distances, each.reach["before"], ":", color=COLOURS[name], linewidth=1)
    by_length.set(title="BLEU", xlabel="tokens of the source", ylim=(0, None))
    within.set(title="Gradient within the source, dotted before training", xlabel="words away")
    log_scale(within)
    by_length.legend()
    seen = [(name, each.look) for name, each in found.models.items() if each.look is not None]
    panels = below.subplots(1, len(seen), squeeze=False)[0]
    for axes, (name, look) in zip(panels, seen, strict=True):
        aligned(axes, look, NAMES[name])
    return figure


def aligned(axes: Axes, look: Look, name: str) -> None:
    axes.imshow(look.p, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="none")
    axes.grid(visible=False)
    axes.set_title(f"{name}: each row looks")
    read, wrote = ([plain(word, 12) for word in side] for side in (look.read, look.wrote))
    axes.set_xticks(range(len(read)), read, size=7, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(wrote)), wrote, size=7)


def main(
    folder: Path,
    runs: str = RUNS,
    seeds: Mapping[str, int] = SEEDS,
    changes: Sequence[str] = (),
    long: int = LONG,
) -> Findings:
    """`seeds` is how many runs there are of each recipe; `long` how many tokens the sources have
    over which gradients are taken."""
    learned = {
        name: [
            trained(
                find_recipe(name, [*NATIVE, *changes, f"training.seed={seed}"]),
                Path(runs, f"{name}-{seed}"),
            )
            for seed in range(count)
        ]
        for name, count in seeds.items()
    }
    one = next(iter(learned.values()))[0]
    dataset, table, languages = data_of(one), one.recipe.data, one.languages
    assert languages is not None
    where = table.pairs or str(table.name)
    pairs = held_out(where, languages, longest=table.most_tokens, limit=table.limit)
    rows = np.flatnonzero((dataset.test.inputs[:, 0] != PADDING).sum(axis=-1) == long)[:MOST]
    some = dataset.test.inputs[rows, 0, :long]
    firsts = [each[0] for each in learned.values()]
    texts = [source for source, _ in pairs[:: max(1, len(pairs) // TEXTS)]][:TEXTS]
    speeds = speeds_of(firsts, dataset, texts)
    found = Findings(
        {
            name: model_of(each, dataset, pairs, some, speed)
            for (name, each), speed in zip(learned.items(), speeds, strict=True)
        },
        [len(rows) for rows in groups_of(Translator(one), pairs)],
        len(some),
        long,
    )
    publish("the_difference", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
