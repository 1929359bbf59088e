"""The table [model] of a recipe: one class for each kind of model."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from byhand.data import Dataset
from byhand.data.languages import size
from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.models import char_rnn, cnn, gpt, mlp, seq2seq, transformer
from byhand.training import parts

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Table(BaseModel):
    """A part of a recipe: unknown keys and wrong types are errors, nothing is guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


FROM_THE_DATA = {"vocabulary", "context", "source_vocabulary", "target_vocabulary", "longest"}
"""What a table leaves to the data; a run writes it down when it begins."""
READ = {"text": "a text", "pairs": "pairs of sentences"}
"""What is no examples each of which has an answer."""


class AnyModel(Table):
    """What the tables have in common. `start` sets parameters to a constant."""

    reads: ClassVar[str] = "examples"
    output: Literal["sigmoid", "tanh", "softmax"] | None = None
    dropout: Share = 0.0
    weights: parts.InitializerName = "normal_fan_in"
    biases: parts.InitializerName = "zeros"
    start: dict[str, float] = {}

    @property
    def common(self) -> dict[str, Any]:
        """The arguments that all models have."""
        return {
            "dropout": self.dropout,
            "weights": parts.INITIALIZERS[self.weights](),
            "biases": parts.INITIALIZERS[self.biases](),
        }

    def layers(self) -> Sequential:
        """The model before its parameters are drawn."""
        raise NotImplementedError

    def build(self, seed: int, dtype: str) -> Sequential:
        """The model with its starting parameters."""
        model = self.layers().initialize(seed, dtype)
        parameters = model.parameters
        for name, value in self.start.items():
            if name not in parameters:
                raise InputError(
                    f"model.start: no parameter is named {name}; there is {', '.join(parameters)}"
                )
            parameters[name][...] = value
        return model

    def fitted(self, dataset: Dataset, loss: str) -> AnyModel:
        """The table with what it leaves to the data.

        Raises      InputError where inputs or outputs are not those of the data.
        """
        if self.reads != dataset.kind:
            none = f"no {self.reads}"
            what = READ.get(dataset.kind, none)
            kinds = " or ".join(kind for kind, t in KINDS.items() if t.reads == dataset.kind)
            raise InputError(f"model.kind: {dataset.name} is {what}, which takes {kinds}")
        self.check_sizes(dataset, loss)
        return self

    def check_sizes(self, dataset: Dataset, loss: str) -> None:
        """Raises      InputError where a size is not that of the data."""
        raise NotImplementedError


class MLPTable(AnyModel):
    """A multi-layer perceptron; see `models.mlp`."""

    kind: Literal["mlp"] = "mlp"
    sizes: Annotated[list[Positive], Field(min_length=2)]
    activation: Literal["sigmoid", "tanh", "relu"] = "sigmoid"
    input_dropout: Share = 0.0

    def layers(self) -> Sequential:
        return mlp(
            self.sizes,
            activation=self.activation,
            output=self.output,
            input_dropout=self.input_dropout,
            **self.common,
        )

    def check_sizes(self, dataset: Dataset, loss: str) -> None:
        inputs = math.prod(dataset.input_shape)
        if self.sizes[0] != inputs:
            raise InputError(
                f"model.sizes: {dataset.name} has {inputs} inputs ({_shape(dataset)}), "
                f"the first size is {self.sizes[0]}"
            )
        _check_outputs(dataset, loss, self.sizes[-1], "model.sizes", "the last size")


class CNNTable(AnyModel):
    """A convolutional network; see `models.cnn`."""

    kind: Literal["cnn"]
    image: Annotated[list[Positive], Field(min_length=3, max_length=3)] = [1, 28, 28]
    channels: Annotated[list[Positive], Field(min_length=1)]
    kernel: Positive = 5
    pool: Positive = 2
    hidden: list[Positive] = []
    outputs: Positive = 10
    activation: Literal["sigmoid", "tanh", "relu"] = "relu"

    def layers(self) -> Sequential:
        return cnn(
            self.channels,
            self.hidden,
            self.outputs,
            image=tuple(self.image),
            kernel=self.kernel,
            pool=self.pool,
            activation=self.activation,
            output=self.output,
            **self.common,
        )

    def check_sizes(self, dataset: Dataset, loss: str) -> None:
        if list(dataset.input_shape) != self.image:
            raise InputError(
                f"model.image: {dataset.name} has examples of {_shape(dataset)}, "
                f"the model takes {' x '.join(map(str, self.image))}"
            )
        _check_outputs(dataset, loss, self.outputs, "model.outputs", "outputs")


class OfText(AnyModel):
    """A model that guesses the next token of a text, whose vocabulary it takes."""

    reads = "text"

    kind: str
    output: None = None
    vocabulary: Positive | None = None

    def fitted(self, dataset: Dataset, loss: str) -> AnyModel:
        super().fitted(dataset, loss)
        assert dataset.vocabulary is not None
        return self.model_copy(update={"vocabulary": len(dataset.vocabulary)})

    def check_sizes(self, dataset: Dataset, loss: str) -> None:
        assert dataset.vocabulary is not None
        tokens, unit = len(dataset.vocabulary), dataset.vocabulary.unit
        if self.vocabulary not in (None, tokens):
            raise InputError(
                f"model.vocabulary: {dataset.name} has {tokens} different {unit}s, the model takes "
                f"{self.vocabulary}; leave it out to have it from the text"
            )
        if loss != "softmax_cross_entropy":
            raise InputError(
                f'loss: {self.kind} is trained with "softmax_cross_entropy", found "{loss}"'
            )


class CharRNNTable(OfText):
    """Recurrent layers over a text; see `models.char_rnn`."""

    kind: Literal["char_rnn"]
    hidden: Annotated[list[Positive], Field(min_length=1)] = [128, 128]
    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    embedding: Positive | None = None

    def layers(self) -> Sequential:
        assert self.vocabulary is not None  # see `fitted`
        return char_rnn(
            self.vocabulary,
            hidden=self.hidden,
            cell=self.cell,
            embedding=self.embedding,
            **self.common,
        )


class GPTTable(OfText):
    """A Transformer without an encoder over a text; see `models.gpt`. `context` is data.steps."""

    kind: Literal["gpt"]
    width: Positive = 128
    depth: Positive = 4
    heads: Positive = 4
    kv_heads: Positive | None = None
    context: Positive | None = None
    positions: Literal["learned", "sinusoidal", "rotary", "none"] = "learned"
    norm: Literal["layer", "rms"] = "layer"
    place: Literal["pre", "post"] = "pre"
    feed_forward: Literal["gelu", "swiglu"] = "gelu"

    def layers(self) -> Sequential:
        assert self.vocabulary is not None  # see `fitted`
        assert self.context is not None
        return gpt(
            self.vocabulary,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            kv_heads=self.kv_heads,
            context=self.context,
            positions=self.positions,
            norm=self.norm,
            place=self.place,
            feed_forward=self.feed_forward,
            **self.common,
        )

    def fitted(self, dataset: Dataset, loss: str) -> AnyModel:
        table = super().fitted(dataset, loss)
        return table.model_copy(update={"context": dataset.input_shape[0]})

    def check_sizes(self, dataset: Dataset, loss: str) -> None:
        super().check_sizes(dataset, loss)
        if self.context not in (None, dataset.input_shape[0]):
            raise InputError(
                f"model.context: the windows have data.steps = {dataset.input_shape[0]} tokens, "
                f"the model takes {self.context}; leave it out"
            )


class OfPairs(AnyModel):
    """A model that reads a sentence and writes another, whose vocabularies it takes."""

    reads = "pairs"

    kind: str
    output: None = None
    source_vocabulary: Positive | None = None
    target_vocabulary: Positive | None = None

    def fitted(self, dataset: Dataset, loss: str) -> AnyModel:
        super().fitted(dataset, loss)
        return self.model_copy(update=_sizes(dataset))

    def check_sizes(self, dataset: Dataset, loss: str) -> None:
        for key, ids in _sizes(dataset).items():
            if getattr(self, key) not in (None, ids):
                raise InputError(
                    f"model.{key}: {dataset.name} has {ids} ids, the model takes "
                    f"{getattr(self, key)}; leave it out to have it from the sentences"
                )
        if loss != "softmax_cross_entropy":
            raise InputError(
                f'loss: {self.kind} is trained with "softmax_cross_entropy", found "{loss}"'
            )


class Seq2SeqTable(OfPairs):
    """Two recurrent networks, with or without attention; see `models.seq2seq`."""

    kind: Literal["seq2seq"]
    embedding: Positive = 128
    hidden: Positive = 128
    depth: Positive = 1
    bidirectional: bool = True
    attention: Literal["none", "dot", "general", "additive"] = "additive"

    def layers(self) -> Sequential:
        assert self.source_vocabulary is not None  # see `fitted`
        assert self.target_vocabulary is not None
        return seq2seq(
            self.source_vocabulary,
            self.target_vocabulary,
            embedding=self.embedding,
            hidden=self.hidden,
            depth=self.depth,
            bidirectional=self.bidirectional,
            attention=self.attention,
            **self.common,
        )


class TransformerTable(OfPairs):
    """An encoder and a decoder of attention; see `models.transformer`. `longest` is what the
    sentences of the data have."""

    kind: Literal["transformer"]
    width: Positive = 128
    depth: Positive = 3
    heads: Positive = 4
    longest: Positive | None = None
    positions: Literal["sinusoidal", "learned", "none"] = "sinusoidal"
    norm: Literal["layer", "rms"] = "layer"
    place: Literal["pre", "post"] = "post"
    feed_forward: Literal["relu", "gelu", "swiglu"] = "relu"

    def layers(self) -> Sequential:
        assert self.source_vocabulary is not None  # see `fitted`
        assert self.target_vocabulary is not None
        assert self.longest is not None
        return transformer(
            self.source_vocabulary,
            self.target_vocabulary,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            longest=self.longest,
            positions=self.positions,
            norm=self.norm,
            place=self.place,
            feed_forward=self.feed_forward,
            **self.common,
        )

    def fitted(self, dataset: Dataset, loss: str) -> AnyModel:
        table = super().fitted(dataset, loss)
        return table.model_copy(update={"longest": dataset.input_shape[-1]})

    def check_sizes(self, dataset: Dataset, loss: str) -> None:
        super().check_sizes(dataset, loss)
        if self.longest not in (None, dataset.input_shape[-1]):
            raise InputError(
                f"model.longest: with their ends the sentences of {dataset.name} have up to "
                f"{dataset.input_shape[-1]} ids, the model takes {self.longest}; leave it out"
            )


def _sizes(dataset: Dataset) -> dict[str, int]:
    assert dataset.languages is not None
    source, target = dataset.languages
    return {"source_vocabulary": size(source), "target_vocabulary": size(target)}


def _shape(dataset: Dataset) -> str:
    return " x ".join(map(str, dataset.input_shape))


def _check_outputs(dataset: Dataset, loss: str, outputs: int, key: str, what: str) -> None:
    if dataset.classes:
        expected, kind = len(dataset.classes), "classes"
        if expected == 2 and outputs == 1 and loss != "softmax_cross_entropy":
            return
    else:
        expected, kind = dataset.train.targets.shape[1], "values to predict"
    if outputs != expected:
        raise InputError(f"{key}: {dataset.name} has {expected} {kind}, {what} is {outputs}")


def _kind(table: Any) -> Any:
    """The kind that a table names, "mlp" where it names none."""
    return table.get("kind", "mlp") if isinstance(table, dict) else getattr(table, "kind", "mlp")


ModelTable = Annotated[
    Annotated[MLPTable, Tag("mlp")]
    | Annotated[CNNTable, Tag("cnn")]
    | Annotated[CharRNNTable, Tag("char_rnn")]
    | Annotated[GPTTable, Tag("gpt")]
    | Annotated[Seq2SeqTable, Tag("seq2seq")]
    | Annotated[TransformerTable, Tag("transformer")],
    Discriminator(_kind),
]
KINDS: dict[str, type[AnyModel]] = {
    "mlp": MLPTable,
    "cnn": CNNTable,
    "char_rnn": CharRNNTable,
    "gpt": GPTTable,
    "seq2seq": Seq2SeqTable,
    "transformer": TransformerTable,
}
