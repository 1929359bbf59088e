"""byhand napkin: memory, time and money of a model, as a derivation to follow with a pencil."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.say import heading, percent, print_facts, print_json, print_table
from byhand.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.figure import Figure

    from byhand.napkin.derivation import Derivation
    from byhand.napkin.inference import Setting
    from byhand.napkin.measure import Term
    from byhand.napkin.quantity import Quantity

app = typer.Typer(
    rich_markup_mode=None,
    help="Work out memory, time and money of a model, and show the working.",
)


def _model(metavar: str = "MODEL") -> Any:
    return typer.Argument(
        metavar=metavar,
        help="A known name, a config.json, a .safetensors or .gguf file, a run, a PyTorch module "
        "as FILE.py::NAME, or a count such as 7B.",
        show_default=False,
    )


ModelName = Annotated[str, _model()]
Dtype = Annotated[str | None, typer.Option(help="f32, f16, bf16 or f8; as stored, or else bf16.")]
Quantization = Annotated[
    str | None, typer.Option(help="q4_k_m and llama.cpp's other types; nf4, int8, fp8, awq, gptq.")
]
Context = Annotated[
    str | None, typer.Option(help="Tokens of each sequence; 4096 or what the model has.")
]
Batch = Annotated[int, typer.Option(help="Sequences at once.")]
EngineName = Annotated[str, typer.Option(help="theory, llama.cpp, vllm or transformers.")]
Gpu = Annotated[str | None, typer.Option(help="A device such as A100, or its memory: 24GiB.")]
Devices = Annotated[int, typer.Option(help="Devices that share the work.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the working as Markdown.")]
Latex = Annotated[bool, typer.Option("--latex", help="Print the working as LaTeX.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it into this file.")]


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def params(
    model: ModelName,
    dtype: Dtype = None,
    quantization: Quantization = None,
    as_json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
) -> None:
    """Count the parameters and their bytes."""
    from byhand.napkin import inference, load

    found = inference.params(load(model), _setting(dtype, quantization))
    _show(found, as_json, markdown, latex)


@app.command()
def infer(
    model: ModelName,
    dtype: Dtype = None,
    quantization: Quantization = None,
    context: Context = None,
    batch: Batch = 1,
    engine: EngineName = "theory",
    gpu: Gpu = None,
    devices: Devices = 1,
    as_json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    plot: Plot = None,
) -> None:
    """Work out the memory of running a model, and on a known device its speed."""
    from byhand.napkin import inference, load

    loaded = load(model)
    setting = _setting(dtype, quantization, context, batch, engine, gpu, devices)
    _show(inference.infer(loaded, setting), as_json, markdown, latex)
    if plot:
        from byhand.napkin import draw

        _save(draw.inference(loaded, setting, _style()), plot)


def train(
    verb: typer.Context,
    model: ModelName,
    dtype: Annotated[str, typer.Option(help="bf16 or f16 with a float32 copy, or f32.")] = "bf16",
    quantization: Quantization = None,
    context: Context = None,
    batch: Batch = 1,
    engine: EngineName = "theory",
    optimizer: Annotated[
        str, typer.Option(help="adamw, adam, adamw8bit, momentum or sgd.")
    ] = "adamw",
    recompute: Annotated[
        str, typer.Option(help="What is computed again: none, selective or full.")
    ] = "none",
    zero: Annotated[int, typer.Option(help="Stage of ZeRO over --devices, 0 to 3.")] = 0,
    devices: Devices = 1,
    lora_rank: Annotated[
        int | None, typer.Option(help="Train adapters of this rank beside frozen weights.")
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="What gets adapters: q,v (as without), attn, mlp or all.")
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Of the whole training, as in 300B; gives its time.")
    ] = None,
    gpu: Gpu = None,
    mfu: Annotated[
        float | None, typer.Option(help="Share of the peak rate that is reached.")
    ] = None,
    device_hours: Annotated[
        float | None, typer.Option(help="What the training took; gives the MFU.")
    ] = None,
    price: Annotated[float | None, typer.Option(help="Dollars for an hour of a device.")] = None,
    as_json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    plot: Plot = None,
) -> None:
    from byhand.napkin import load, money, training
    from byhand.napkin.checks import tokens_of
    from byhand.napkin.units import parse_count

    loaded = load(model)
    plan = training.Plan(
        dtype=dtype,
        context=None if context is None else tokens_of(context),
        batch=batch,
        optimizer=optimizer,
        recompute=recompute,
        zero=zero,
        devices=devices,
        engine=engine,
        tokens=None if tokens is None else parse_count(tokens, "--tokens"),
        gpu=gpu,
        mfu=mfu,
        device_hours=device_hours,
        price=price,
        lora_rank=lora_rank,
        targets=targets,
        quantization=quantization,
    )
    is_cost = verb.info_name == "cost"
    _show((money.cost if is_cost else training.train)(loaded, plan), as_json, markdown, latex)
    if plot:
        from byhand.napkin import draw

        if is_cost and plan.tokens is None:
            _save(draw.inference(loaded, plan.setting, _style()), plot)
        else:
            _save(draw.training(loaded, plan, _style()), plot)


app.command(help="Work out memory, operations and time of a training.")(train)
app.command("finetune", help="The same for a model that is there: all of it, or adapters.")(train)
app.command("cost", help="Money for a training, or for a million generated tokens.")(train)


@app.command()
def solve(
    model: ModelName,
    gpu: Annotated[str, typer.Option(help="What it has to fit into: 24GiB, or a device.")],
    unknown: Annotated[str, typer.Option("--for", help="params, context, batch or quantization.")],
    dtype: Dtype = None,
    quantization: Quantization = None,
    context: Context = None,
    batch: Batch = 1,
    engine: EngineName = "theory",
    devices: Devices = 1,
    as_json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    plot: Plot = None,
) -> None:
    """Find the most that fits."""
    from byhand.napkin import load, solving

    loaded = load(model)
    setting = _setting(dtype, quantization, context, batch, engine, gpu, devices)
    _show(solving.solve(loaded, unknown, setting), as_json, markdown, latex)
    if plot:
        from byhand.napkin import draw

        _save(draw.inference(loaded, setting, _style()), plot)


@app.command("which-gpu")
def which_gpu(
    model: ModelName,
    dtype: Dtype = None,
    quantization: Quantization = None,
    context: Context = None,
    batch: Batch = 1,
    engine: EngineName = "theory",
    as_json: Json = False,
    plot: Plot = None,
) -> None:
    """List the devices that can run a model, and how many of each it takes."""
    from byhand.napkin import load, shopping

    loaded = load(model)
    setting = _setting(dtype, quantization, context, batch, engine)
    found = shopping.which_gpu(loaded, setting)
    if as_json:
        print_json({"devices": [each.as_json() for each in found]})
    else:
        header = ("device", "number", "peak of each", "tokens/s", "decode", "prefill")
        rows = [(each.device, *(_cell(each.derivation, x) for x in SHOPPING)) for each in found]
        print_table(header, rows, right=header[1:])
    if plot:
        from byhand.napkin import draw

        _save(draw.frontier(loaded, setting, _style()), plot)


PICTURES = ("png", "svg", "pdf")
SHOPPING = (
    "devices_needed",
    "peak_bytes",
    "tokens_per_second",
    "decode_seconds_per_token",
    "prefill_seconds",
)


@app.command()
def compare(
    first: Annotated[str, _model("A")],
    second: Annotated[str, _model("B")],
    dtype: Dtype = None,
    quantization: Quantization = None,
    context: Context = None,
    batch: Batch = 1,
    engine: EngineName = "theory",
    gpu: Gpu = None,
    devices: Devices = 1,
    as_json: Json = False,
) -> None:
    """Set two models beside each other, run in the same way."""
    from byhand.napkin import comparing, load

    setting = _setting(dtype, quantization, context, batch, engine, gpu, devices)
    found = comparing.compare(load(first), load(second), setting)
    if as_json:
        print_json(found.as_json())
        return
    rows = [
        (mine.meaning, _short(mine), _short(other), f"{ratio:.3g}")
        for mine, other, ratio in found.rows()
    ]
    print_table(("", first, second, "B / A"), rows, right=(first, second, "B / A"))


@app.command()
def measure(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="MODULE_OR_RUN",
            help="A PyTorch module as FILE.py::NAME, which is run, or one of our runs.",
            show_default=False,
        ),
    ],
    batch: Annotated[int, typer.Option(help="Examples of the step.")] = 32,
    context: Annotated[int, typer.Option(help="Steps of each sequence.")] = 128,
    optimizer: Annotated[str, typer.Option(help="adamw, adam, momentum or sgd.")] = "adamw",
    as_json: Json = False,
) -> None:
    """Run one training step, and set what was predicted beside what it takes."""
    from byhand.napkin.measure import measure as measured

    found = measured(subject, batch=batch, context=context, optimizer=optimizer)
    terms = [found.weights, found.gradients, found.optimizer, found.activation_bytes]
    if as_json:
        parts = [*terms, *found.activations]
        named = {
            each.name: {"predicted": each.predicted, "measured": each.measured} for each in parts
        }
        print_json(
            {"subject": found.subject, "inputs": found.inputs, **named, "notes": found.notes}
        )
        return
    print_facts([("subject", found.subject), ("inputs", found.inputs)])
    heading("bytes")
    rows = [_term(each) for each in terms] + [_term(each, "  ") for each in found.activations]
    print_table(("", "predicted", "measured", "difference"), rows, right=TERM)
    print_facts([("note", note) for note in found.notes])


TERM = ("predicted", "measured", "difference")


def _term(term: Term, indent: str = "") -> tuple[str, ...]:
    return (
        indent + term.name,
        f"{term.predicted:,}",
        f"{term.measured:,}",
        percent(term.difference) if term.measured else "",
    )


def _setting(
    dtype: str | None = None,
    quantization: str | None = None,
    context: str | None = None,
    batch: int = 1,
    engine: str = "theory",
    gpu: str | None = None,
    devices: int = 1,
) -> Setting:
    from byhand.napkin.checks import tokens_of
    from byhand.napkin.inference import Setting

    tokens = None if context is None else tokens_of(context)
    return Setting(dtype, quantization, tokens, batch, engine, gpu, devices)


def _style() -> ModuleType:
    """How every figure of byhand looks; napkin and views do not import each other."""
    from byhand.views import style

    return style


def _save(figure: Figure, path: Path) -> None:
    from byhand.storage import atomic

    kind = path.suffix.removeprefix(".").lower()
    if kind not in PICTURES:
        raise InputError(f"--plot: expected a file in {', '.join(PICTURES)}, found {path.name!r}")
    with atomic(path) as temporary:
        figure.savefig(temporary, format=kind)


def _show(found: Derivation, as_json: bool, markdown: bool, latex: bool) -> None:
    if as_json + markdown + latex > 1:
        raise InputError("--json, --markdown and --latex: expected one of them, found several")
    if as_json:
        print_json(found.as_json())
    elif markdown:
        print(found.markdown())
    elif latex:
        print(found.latex())
    else:
        print(found.text())


def _cell(found: Derivation, name: str) -> str:
    return _short(found[name]) if name in found else ""


def _short(quantity: Quantity) -> str:
    """A value in a table: of bytes both sizes, of anything else the number and its unit."""
    from byhand.napkin.units import show, sizes

    if str(quantity.unit) == "B":
        return " = ".join(sizes(quantity.value))
    return show(quantity.value, quantity.unit)
