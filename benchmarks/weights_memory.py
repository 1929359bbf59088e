"""How much memory the conversion of a large checkpoint takes.

    python benchmarks/weights_memory.py [--layers 32] [--folder DIR]

Makes a checkpoint in the shape of Llama 2 7B (32 layers of width 4,096; float16, in several files
that are all holes, so it takes no room on the disk) and converts it from Hugging Face's format to
Meta's, and from that to GGUF, each in a process of its own. Prints the peak of its resident memory
beside the bound: the largest tensor plus 500 MB. All 32 layers write 13.5 GB twice. Exit code 1
where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from math import prod
from pathlib import Path

from byhand import checkpoints
from byhand.checkpoints.families import FAMILIES, names
from byhand.checkpoints.settings import normalised, shape_of, shapes

SPARE = 500_000_000
LAYERS_A_FILE = 8
CONFIG = {
    "model_type": "llama",
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
}


def make(folder: Path, layers: int) -> int:
    """A folder in Hugging Face's format whose numbers are all zero; the bytes of its largest
    tensor."""
    folder.mkdir()
    config = normalised(CONFIG | {"num_hidden_layers": layers}, folder)
    (folder / "config.json").write_text(json.dumps(config))
    sizes, where = shapes(config), {}
    listed = [name for name, _, _ in names(FAMILIES["llama"], layers, frozenset())]
    step = LAYERS_A_FILE * 9
    for number in range(0, len(listed), step):
        shard = f"model-{number // step + 1:05}.safetensors"
        header, at = {}, 0
        for name in listed[number : number + step]:
            shape = shape_of(name, sizes)
            end = at + 2 * prod(shape)
            header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, end]}
            at, where[name] = end, shard
        content = json.dumps(header).encode()
        with (folder / shard).open("wb") as file:
            file.write(len(content).to_bytes(8, "little") + content)
            file.truncate(8 + len(content) + at)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return max(2 * prod(shape_of(name, sizes)) for name in listed)


def peak(source: Path, destination: Path, to: str) -> int:
    """The peak of resident memory, in bytes, of a process that converts."""
    command = [sys.executable, __file__, "--child", str(source), str(destination), to]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


def child(source: str, destination: str, to: str) -> None:
    checkpoints.convert(source, destination, to)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(used if sys.platform == "darwin" else 1024 * used)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=32, help="32 are 7B; fewer need less disk")
    parser.add_argument("--folder", type=Path, help="where there is room on the disk")
    chosen = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        bound = make(folder / "hf", chosen.layers) + SPARE
        listed = checkpoints.inspect(folder / "hf")
        if (free := shutil.disk_usage(folder).free) < 2.1 * listed.nbytes:
            sys.exit(
                f"needs {2.1 * listed.nbytes / 1e9:.0f} GB and {free / 1e9:.0f} GB are free in "
                f"{folder.parent}: choose another --folder or fewer --layers"
            )
        for source, destination, to in (("hf", "meta", "pth"), ("meta", "model.gguf", "gguf")):
            began = time.monotonic()
            used = peak(folder / source, folder / destination, to)
            missed |= used > bound
            print(
                f"{chosen.layers} layers, {source} to {to}: peak {used / 1e6:,.0f} MB, bound "
                f"{bound / 1e6:,.0f} MB, {'missed' if used > bound else 'met'}, "
                f"{time.monotonic() - began:.0f} s"
            )
            shutil.rmtree(folder / source)
    sys.exit(missed)


if __name__ == "__main__":
    main()
