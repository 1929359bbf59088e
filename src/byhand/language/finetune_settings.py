"""How a model is to be adapted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from byhand.errors import InputError, nearest

MATRICES = ("q", "k", "v", "o", "gate", "up", "down")
GROUPS = {"attn": MATRICES[:4], "mlp": MATRICES[4:], "all": MATRICES, "all-linear": MATRICES}
"""Words for several matrices of a layer, as `byhand napkin finetune` has them."""
DTYPES = ("f32", "bf16")
ALPHA = 2
"""α / r: how much of what an adapter says is added."""


def targets_named(text: str) -> tuple[str, ...]:
    """The matrices that `q,v` or `q_proj,v_proj`, `attn`, `mlp` or `all` means, as in q_proj.

    Raises      InputError for another word
    """
    found: set[str] = set()
    for word in text.lower().replace(" ", "").split(","):
        name = word.removesuffix("_proj")
        if name not in MATRICES and name not in GROUPS:
            known = (*MATRICES, "attn", "mlp", "all")
            advice = nearest(name, known, f"there is {', '.join(known)}")
            raise InputError(f"--targets: no matrices are called {word!r}; {advice}")
        found |= set(GROUPS.get(name, (name,)))
    return tuple(f"{name}_proj" for name in MATRICES if name in found)


@dataclass(frozen=True)
class Settings:
    """What decides the adapter that comes out.

    model           as `byhand.language.load` takes it
    data            a .txt or .jsonl file
    rank            r of the adapters
    targets         the matrices that get one, as in q_proj
    steps           batches to learn from; None to go by epochs
    epochs          passes over the data
    learning_rate   of AdamW, at its highest: it rises over the first twentieth and falls to 0
    batch_size      examples of a step
    context         the most tokens of an example
    dtype           f32 or bf16, of the frozen weights; the adapters are in float32
    seed            of the adapters' beginning, the order of the examples, and the samples
    sample          what samples begin with; by default what the data suggests
    """

    model: str
    data: str
    rank: int = 8
    targets: tuple[str, ...] = targets_named("all")
    steps: int | None = None
    epochs: int | None = None
    learning_rate: float = 2e-4
    batch_size: int = 4
    context: int = 256
    dtype: str = "bf16"
    device: str = "auto"
    seed: int = 0
    sample: str | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise InputError("--steps and --epochs both say how long to train; give one of them")
        counts: Iterable[tuple[str, int | None, int]] = (
            ("--lora-rank", self.rank, 1),
            ("--steps", self.steps, 1),
            ("--epochs", self.epochs, 1),
            ("--batch-size", self.batch_size, 1),
            ("--context", self.context, 2),
        )
        for name, value, least in counts:
            if value is not None and value < least:
                raise InputError(f"{name} is at least {least}, found {value}")
        if not 0 < self.learning_rate < 1:
            raise InputError(f"--learning-rate is between 0 and 1, found {self.learning_rate:g}")
        if self.dtype not in DTYPES:
            raise InputError(f"--dtype: training is in {' or '.join(DTYPES)}, found {self.dtype!r}")
