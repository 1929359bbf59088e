"""One small Llama in three formats: which bytes of each file are what.

Writes a model of 472 numbers as safetensors, GGUF and .pth, walks through each file, and prints how
many bytes are marks and lengths, names and settings, padding, and numbers; draws every byte.
"""

from __future__ import annotations

import json
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from safetensors.numpy import save_file

from byhand import checkpoints
from byhand.checkpoints.gguf import ARRAY, SCALARS, STRING
from byhand.views.style import PALETTE

MARK, NAME, PADDING, NUMBER = range(4)
KINDS = ("marks and lengths", "names and settings", "padding", "numbers")
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 8,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 32,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "float16",
}
ROW = 64
"""Bytes beside each other in the figure."""
Findings = dict[str, np.ndarray]
"""By format: what each byte is, of KINDS."""


def written(folder: Path) -> dict[str, Path]:
    """The model in each format: the file that holds its tensors."""
    random, start = np.random.default_rng(0), folder / "start"
    shapes = {
        "model.embed_tokens": (8, 8),
        "model.norm": (8,),
        "model.layers.0.input_layernorm": (8,),
        "model.layers.0.post_attention_layernorm": (8,),
        **{f"model.layers.0.self_attn.{name}_proj": (8, 8) for name in "qo"},
        **{f"model.layers.0.self_attn.{name}_proj": (4, 8) for name in "kv"},
        **{f"model.layers.0.mlp.{name}_proj": (8, 8) for name in ("gate", "up", "down")},
    }
    start.mkdir()
    (start / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    tensors = {f"{name}.weight": random.normal(size=shape) for name, shape in shapes.items()}
    halves = {name: values.astype(np.float16) for name, values in tensors.items()}
    save_file(halves, start / "model.safetensors", metadata={"format": "pt"})
    checkpoints.convert(start, folder / "model.gguf")
    checkpoints.convert(start, folder / "meta", "pth")
    return {
        "safetensors": start / "model.safetensors",
        "GGUF": folder / "model.gguf",
        ".pth": folder / "meta" / "consolidated.00.pth",
    }


def of_safetensors(content: bytes) -> np.ndarray:
    """The length of the header, the header in JSON with blanks at its end, numbers."""
    found = np.full(len(content), NUMBER)
    (length,) = struct.unpack_from("<Q", content)
    found[:8], found[8 : 8 + length] = MARK, NAME
    found[8 + len(content[8 : 8 + length].rstrip()) : 8 + length] = PADDING
    return found


def of_gguf(content: bytes) -> np.ndarray:
    """Magic, version and two counts; fields; names and shapes of tensors; numbers at offsets."""
    found = np.full(len(content), PADDING)
    at = 0

    def take(size: int, kind: int) -> bytes:
        nonlocal at
        found[at : at + size] = kind
        at += size
        return content[at - size : at]

    def count(form: str = "<Q") -> int:
        return int(struct.unpack(form, take(struct.calcsize(form), MARK))[0])

    def value(kind: int) -> None:
        if kind == STRING:
            take(count(), NAME)
        elif kind == ARRAY:
            inner = count("<I")
            for _ in range(count()):
                value(inner)
        else:
            take(SCALARS[kind].size, NAME)

    take(4, MARK)
    _, tensors, fields = count("<I"), count(), count()
    for _ in range(fields):
        take(count(), NAME)
        value(count("<I"))
    places = []
    for _ in range(tensors):
        take(count(), NAME)
        shape = [count() for _ in range(count("<I"))]
        size = {0: 4, 1: 2}[count("<I")]  # float32 and float16
        places.append((count(), size * int(np.prod(shape))))
    first = at + -at % 32
    for offset, size in places:
        found[first + offset : first + offset + size] = NUMBER
    return found


def of_pth(path: Path) -> np.ndarray:
    """A zip archive: a pickle that names the tensors, and a file of numbers for each."""
    content = path.read_bytes()
    found = np.full(len(content), MARK)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name, extra = struct.unpack_from("<HH", content, entry.header_offset + 26)
            begin = entry.header_offset + 30 + name
            found[begin - name : begin] = NAME
            found[begin : begin + extra] = PADDING
            numbers = "/data/" in entry.filename
            begin += extra
            found[begin : begin + entry.file_size] = NUMBER if numbers else NAME
    return found


def lines_of(found: Findings) -> Iterator[str]:
    yield f"{'bytes':20}" + "".join(f"{name:>13}" for name in found)
    for kind, name in enumerate(KINDS):
        yield f"{name:20}" + "".join(f"{(bytes_ == kind).sum():13,}" for bytes_ in found.values())
    yield f"{'together':20}" + "".join(f"{len(bytes_):13,}" for bytes_ in found.values())


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    colours = [PALETTE[0], PALETTE[1], "0.9", PALETTE[2]]
    rows = max(-(-len(each) // ROW) for each in found.values())
    for axes, (name, each) in zip(figure.subplots(1, 3), found.items(), strict=True):
        grid = np.full(rows * ROW, np.nan)
        grid[: len(each)] = each
        axes.imshow(grid.reshape(rows, ROW), cmap=ListedColormap(colours), vmin=0, vmax=3)
        axes.set(title=f"{name}, {len(each):,} bytes", xticks=[], yticks=[])
        axes.grid(visible=False)
    handles = [Patch(color=colour, label=kind) for colour, kind in zip(colours, KINDS, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def main(folder: Path) -> Findings:
    with tempfile.TemporaryDirectory() as name:
        files = written(Path(name))
        found = {
            "safetensors": of_safetensors(files["safetensors"].read_bytes()),
            "GGUF": of_gguf(files["GGUF"].read_bytes()),
            ".pth": of_pth(files[".pth"]),
        }
    publish("somebody_elses_weights", lambda: draw(found), list(lines_of(found)), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
