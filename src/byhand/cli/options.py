"""Arguments and options that several verbs share, and what the shell offers for them at Tab."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from byhand.errors import InputError, nearest


def recipe_names(incomplete: str) -> list[str]:
    from byhand.training.recipe import recipe_folder

    return _matching((path.stem for path in recipe_folder().glob("*.toml")), incomplete)


def run_names(incomplete: str) -> list[str]:
    from byhand.training.run import ROOT

    return _matching((path.parent.name for path in ROOT.glob("*/config.toml")), incomplete)


def engine_names(incomplete: str) -> list[str]:
    from byhand.engines import ENGINES

    return _matching(ENGINES, incomplete)


def _known_engine(name: str | None) -> str | None:
    """Refuse an engine that there is not, before anything is read or loaded."""
    if name is None:
        return None
    from byhand.engines import ENGINES

    if name not in ENGINES:
        advice = nearest(name, ENGINES, f"there is {', '.join(ENGINES)}")
        raise InputError(f"no engine {name!r}; {advice}")
    return name


def recipe_argument(metavar: str) -> Any:
    return typer.Argument(
        metavar=metavar,
        help="A name that `byhand recipes` lists, or a .toml file.",
        autocompletion=recipe_names,
        show_default=False,
    )


RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A name that `byhand runs` lists, or a run folder.",
        autocompletion=run_names,
        show_default=False,
    ),
]
RecipeName = Annotated[str, recipe_argument("RECIPE")]
Engine = Annotated[
    str | None,
    typer.Option(
        help="What runs the model: numpy, native or torch.",
        callback=_known_engine,
        autocompletion=engine_names,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="Of a Ray cluster: HOST:PORT, or auto to find it; else this machine."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="At most; otherwise one per core.")]
Device = Annotated[
    str | None,
    typer.Option(
        help="Of engine torch: auto, cpu, cuda or mps.",
        autocompletion=lambda incomplete: _matching(("auto", "cpu", "cuda", "mps"), incomplete),
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option("--compile", help="Of engine torch: compile the training pass."),
]
Amp = Annotated[bool | None, typer.Option("--amp", help="Of engine torch: products in bfloat16.")]

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="[MODEL]",
        help="A folder, a .gguf file, an adapter, a name on the hub, or smollm2 or gemma3.",
        autocompletion=lambda incomplete: _matching(("smollm2", "gemma3"), incomplete),
    ),
]
ModelDevice = Annotated[
    str,
    typer.Option(
        "--device",
        help="auto, cpu, cuda or mps.",
        autocompletion=lambda incomplete: _matching(("auto", "cpu", "cuda", "mps"), incomplete),
    ),
]
ModelDtype = Annotated[
    str | None,
    typer.Option(
        "--dtype", help="f32, f16, bf16 or int8; otherwise int8 on a CPU and bf16 elsewhere."
    ),
]
ContextLength = Annotated[
    int | None,
    typer.Option(
        "--context", metavar="N", help="Tokens of prompt and answer; at most 4,096 if not given."
    ),
]
MaxTokens = Annotated[
    int | None, typer.Option(metavar="N", help="Of an answer; otherwise what the context holds.")
]
Temperature = Annotated[
    float | None,
    typer.Option(help="0 takes the likeliest; otherwise what the model's makers recommend, or 0."),
]
TopK = Annotated[int | None, typer.Option(metavar="K", help="Draw from the K likeliest only.")]
TopP = Annotated[
    float | None,
    typer.Option(metavar="P", help="Draw from the likeliest that sum to P only."),
]
Seed = Annotated[int, typer.Option(min=0, help="One seed is one text.")]
Stops = Annotated[
    list[str] | None,
    typer.Option("--stop", metavar="TEXT", help="End before this text; may be given again."),
]


def _matching(names: Iterable[str], start: str) -> list[str]:
    return sorted(name for name in names if name.startswith(start))
