"""byhand weights: what published weights hold, other formats of them, whether two agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.progress import status
from byhand.cli.say import percent, print_facts, print_json, print_table
from byhand.errors import ByhandError, InputError

if TYPE_CHECKING:
    from byhand.checkpoints import Checkpoint
    from byhand.checkpoints.inspection import Inspection
    from byhand.checkpoints.verification import Verdict

LISTED = 10
ModelPath = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A .gguf file, a folder as Hugging Face or Meta has it, or smollm2 or gemma3.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

app = typer.Typer(
    rich_markup_mode=None, help="Published weights: inspect, convert, quantize, compare."
)


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("inspect")
def inspect_(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A .gguf, .safetensors or .pth file, a folder with a model, or smollm2 or gemma3.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what a file or folder of weights holds, by its headers alone."""
    from byhand.checkpoints import inspect
    from byhand.checkpoints.conversion import readable

    found = inspect(_there(path))
    if as_json:
        print_json(_plain(found))
        return
    print_facts(_facts(found))
    rows = [
        (kind, f"{count:,}", f"{numbers:,}", readable(nbytes))
        for kind, (count, numbers, nbytes) in found.types.items()
    ]
    print()
    print_table(("type", "tensors", "numbers", "size"), rows, ("tensors", "numbers", "size"))


def _there(path: Path) -> Path:
    """What a person names: a path, or one of the models that byhand fetches."""
    if path.exists():
        return path
    from byhand.language.sources import KNOWN, located

    return located(path) if str(path) in KNOWN else path


def _facts(found: Inspection) -> list[tuple[str, str]]:
    from byhand.checkpoints.conversion import readable

    words = f", {found.vocabulary:,} words" if found.vocabulary else ""
    template = found.chat_template
    lines = [
        ("format", found.format),
        ("architecture", found.architecture),
        ("name", found.name),
        ("licence", found.licence),
        ("parameters", f"{found.parameters:,}"),
        ("size", readable(found.nbytes)),
        ("layers", found.layers and f"{found.layers} of width {found.hidden_size}"),
        ("context", found.context and f"{found.context:,} words"),
        ("tokenizer", f"{found.tokenizer}{words}" if found.tokenizer else "none"),
        ("chat template", f"yes: {template.splitlines()[0][:80]}" if template else "no"),
    ]
    return [(name, _printed(str(text or "not stated"))) for name, text in lines]


def _printed(text: str) -> str:
    """Somebody else's words, without what would command the terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _plain(found: Inspection) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "format": found.format,
        "architecture": found.architecture,
        "name": found.name,
        "licence": found.licence,
        "parameters": found.parameters,
        "bytes": found.nbytes,
        "layers": found.layers,
        "hidden_size": found.hidden_size,
        "context": found.context,
        "tokenizer": found.tokenizer,
        "vocabulary": found.vocabulary,
        "chat_template": found.chat_template,
        "types": {
            kind: {"tensors": count, "numbers": numbers, "bytes": nbytes}
            for kind, (count, numbers, nbytes) in found.types.items()
        },
        "tensors": [
            {"name": t.name, "shape": t.shape, "type": t.type, "bytes": t.nbytes}
            for t in found.tensors
        ],
    }


@app.command()
def convert(
    source: ModelPath,
    destination: Annotated[
        Path,
        typer.Argument(
            metavar="TO_PATH",
            help="A new .gguf file, or a new folder.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(help="pth, safetensors or gguf; otherwise by the ending of TO_PATH."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="f32, f16 or bf16; otherwise as it is, and quantised blocks as bf16."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a model in another format: weights, tokenizer, chat template and settings.

    A tensor at a time is in memory. The result appears under its name when it is complete.
    """
    from byhand import checkpoints

    with status(as_json) as tell:
        tell(f"converting {source}")
        made = checkpoints.convert(_there(source), destination, to, dtype)
    _say_written(source, made, as_json)


def _say_written(
    source: Path, made: Checkpoint, as_json: bool, following: str | None = None
) -> None:
    said = {
        "path": str(made.path),
        "format": made.format,
        "parameters": made.parameters,
        "tensors": len(made.tensors),
    }
    if as_json:
        print_json(said)
        return
    print_facts(
        [
            ("written", str(made.path)),
            ("format", made.format),
            ("parameters", f"{made.parameters:,} in {len(made.tensors)} tensors"),
            ("next", following or f"byhand weights verify {source} {made.path}"),
        ]
    )


@app.command()
def quantize(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A folder, a .gguf file, or smollm2 or gemma3.",
            show_default=False,
        ),
    ],
    destination: Annotated[
        Path | None,
        typer.Argument(
            metavar="TO_PATH", help="A new .gguf file; none with --table.", show_default=False
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            help="q4_0, q4_1, q5_0, q5_1 or q8_0; or q2_k, q3_k, q4_k, q5_k or q6_k, by "
            "llama.cpp's library.",
        ),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Write nothing; compare types with the original.")
    ] = False,
    types: Annotated[
        str | None, typer.Option(help="For --table: such as q8_0,q4_0; otherwise all.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            help="For --table: the text that is read; otherwise the validation part of tiny "
            "Shakespeare.",
            show_default=False,
        ),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="For --table: so many of the text; otherwise 2048.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a GGUF file whose matrices are in blocks of few bits; or measure what that costs.

    Embedding and head are in q8_0, vectors in float32.
    """
    from byhand import checkpoints
    from byhand.language.sources import located

    if table:
        if destination is not None or kind is not None:
            raise InputError("--table writes no file: leave out TO_PATH, and say --types for types")
        from byhand.cli.bits import compare

        compare(source, types, text, tokens, as_json)
        return
    if destination is None or kind is None:
        raise InputError("quantize needs TO_PATH and --type, or else --table")
    for option, value in (("--types", types), ("--text", text), ("--tokens", tokens)):
        if value is not None:
            raise InputError(f"{option} belongs to --table")
    path = located(source)
    with status(as_json) as tell:
        tell(f"quantizing {source}")
        made = checkpoints.quantize(path, destination, kind, tell)
    _say_written(path, made, as_json)


@app.command()
def merge(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="The model: a folder, a .gguf file, or smollm2 or gemma3.",
            show_default=False,
        ),
    ],
    adapter: Annotated[
        Path,
        typer.Argument(metavar="ADAPTER", help="A folder as PEFT saves it.", show_default=False),
    ],
    destination: Annotated[
        Path,
        typer.Argument(
            metavar="TO_PATH", help="A new folder, or a new .gguf file.", show_default=False
        ),
    ],
    dtype: Annotated[
        str | None, typer.Option(help="f32, f16 or bf16; otherwise as the base has it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a model with an adapter added into its weights: W + s · B A.

    The base is the one that is named, whatever the adapter calls its own.
    """
    from byhand.language.merging import merge as merged

    with status(as_json) as tell:
        tell(f"merging {adapter} into {base}")
        made = merged(base, adapter, destination, dtype)
    _say_written(adapter, made, as_json, f"byhand generate {made.path}")


@app.command()
def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="The original.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other one.", show_default=False)],
    prompt: Annotated[
        str | None,
        typer.Option(help="Run both on this text, also where their numbers are the same."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether two models are the same: tensor by tensor, layer by layer, in what they predict.

    Exit code 0 where B can stand for A, 1 where it cannot, 2 where they cannot be compared.
    """
    from byhand import checkpoints

    with status(as_json) as tell:
        found = checkpoints.verify(_there(a), _there(b), prompt, tell)
    if as_json:
        print_json(_plain_verdict(found))
    else:
        _print_verdict(found)
    if not found.agree:
        raise ByhandError(_disagreement(a, b, found))


def _print_verdict(found: Verdict) -> None:
    order = {"different": 0, "rounded": 1}
    worth = (t for t in found.tensors if t.verdict in order)
    listed = sorted(worth, key=lambda t: order[t.verdict])
    if listed:
        rows = [(t.name, t.verdict, f"{t.difference:.1e}", t.reason) for t in listed[:LISTED]]
        print_table(("tensor", "", "difference", "why"), rows, ("difference",))
    if len(listed) > LISTED:
        print(f"and {len(listed) - LISTED} more")
    counts = Counter(t.verdict for t in found.tensors)
    numbers = f"{found.equal} equal bit by bit, {counts['same']} in another type"
    facts = [
        ("tensors", f"{numbers}, {counts['rounded']} rounded, {counts['different']} different")
    ]
    facts += [("setting", f"{name}: {a} and {b}") for name, a, b in found.settings]
    if found.tokens_agree is not None:
        facts.append(
            ("tokenizers", "agree" if found.tokens_agree else "cut the prompt differently")
        )
    if found.layers is not None:
        worst = max(found.layers)
        facts.append(("layers", f"{len(found.layers) - 1}, ‖a − b‖ / ‖a‖ at most {worst:.1e}"))
    if found.kl is not None and found.top1 is not None:
        facts.append(("predictions", f"KL {found.kl:.1e} nats, same word {percent(found.top1)}"))
    facts += [("note", note) for note in found.notes]
    if found.agree:
        facts.append(("verdict", "identical" if found.identical else "B can stand for A"))
    print_facts(facts)


def _disagreement(a: Path, b: Path, found: Verdict) -> str:
    if found.tokens_agree is False:
        return f"{a} and {b} cut the prompt into different words: their tokenizers differ"
    where = f"first at {found.first}" if found.first else "in what they predict"
    kl = f" (KL {found.kl:.1e})" if found.kl is not None else ""
    reason = f"; {found.reason}" if found.reason else ""
    return f"{a} and {b} differ, {where}{kl}{reason}"


def _plain_verdict(found: Verdict) -> dict[str, Any]:
    return {
        "agree": found.agree,
        "identical": found.identical,
        "equal_tensors": found.equal,
        "other_tensors": [
            {"name": t.name, "verdict": t.verdict, "difference": t.difference, "reason": t.reason}
            for t in found.tensors
        ],
        "settings": [{"name": name, "a": a, "b": b} for name, a, b in found.settings],
        "tokenizers_agree": found.tokens_agree,
        "layers": found.layers,
        "kl": found.kl,
        "top1": found.top1,
        "first": found.first,
        "reason": found.reason,
        "notes": found.notes,
    }
