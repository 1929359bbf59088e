"""Blocks of few bits: as the reference implementation makes them, and as llama.cpp reads them."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize, quantize

from byhand import checkpoints
from byhand.checkpoints import conversion, llama_cpp
from byhand.checkpoints.forward import as_torch
from byhand.checkpoints.quantization import FALLBACK, FILE_TYPES
from byhand.errors import ByhandError, InputError

from . import models
from .gguf_files import LLAMA, llama_tensors, write_gguf


@pytest.mark.parametrize("kind", [kind for kind in FILE_TYPES if kind not in FALLBACK])
def test_each_type_is_what_llama_cpp_reads(tmp_path: Path, kind: str) -> None:
    source = models.folder(tmp_path / "hf", "qwen3")
    path = tmp_path / "model.gguf"
    made = checkpoints.quantize(source, path, kind.lower())
    up = "model.layers.0.mlp.up_proj.weight"
    stored = {name: tensor.stored for name, tensor in made.tensors.items()}
    assert (stored[up], stored["model.embed_tokens.weight"]) == (kind, "Q8_0")
    assert {kind for name, kind in stored.items() if "norm" in name} == {"F32"}
    # llama.cpp rounds the other factor of a product to 8 bits as well.
    models.check_llama_cpp(path, models.logits(as_torch(made)), most=0.6)
    reader = GGUFReader(path)
    assert reader.fields["general.file_type"].contents() == FILE_TYPES[kind]
    raw = next(t for t in reader.tensors if t.name == "blk.0.ffn_up.weight")
    values = checkpoints.open(source).tensor(up).read()
    assert np.array_equal(raw.data, quantize(values, GGMLQuantizationType[kind]))


def q4_0(source: Path, path: Path) -> Path:
    return checkpoints.quantize(source, path, "q4_0").path


def test_fewer_bits_are_further_from_the_original(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    kls = []
    for kind in ("q8_0", "q5_1", "q4_0"):
        checkpoints.quantize(source, tmp_path / f"{kind}.gguf", kind)
        found = checkpoints.verify(source, tmp_path / f"{kind}.gguf")
        assert found.reason is not None
        assert found.reason.endswith("Q8_0 stores it in blocks of few bits")  # of the embedding
        assert found.kl is not None
        kls.append(found.kl)
    assert kls == sorted(kls)


def test_rows_that_do_not_fit_stay_in_float16(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "gemma3")
    made = checkpoints.quantize(source, tmp_path / "model.gguf", "q4_0")
    # 48 wide: one and a half blocks; what enters from 64 heads' numbers fits.
    assert made.tensor("model.layers.0.mlp.up_proj.weight").stored == "F16"
    assert made.tensor("model.layers.0.self_attn.o_proj.weight").stored == "Q4_0"


@pytest.mark.parametrize(
    ("destination", "kind", "message"),
    [
        ("m.gguf", "q4_k_m", "cannot quantize to 'q4_k_m'; did you mean q4_k?"),
        (
            "m.gguf",
            "int3",
            "cannot quantize to 'int3'; there is q2_k, q3_k, q4_0, q4_k, q4_1, q5_0, q5_k, q5_1, "
            "q6_k, q8_0",
        ),
        ("m", "q8_0", "m has to end in .gguf: other formats have no such blocks"),
    ],
)
def test_wrong_wishes(tmp_path: Path, destination: str, kind: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        checkpoints.quantize(tmp_path / "hf", tmp_path / destination, kind)
    assert str(error.value).endswith(message)


def test_a_disk_that_is_too_small_is_found_out_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = models.folder(tmp_path / "hf", "llama"), tmp_path / "m.gguf"
    needed = conversion.BESIDE * 320 + checkpoints.inspect(q4_0(source, path)).nbytes
    path.unlink()
    usage = shutil.disk_usage(tmp_path)._replace(free=needed - 1)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ByhandError) as error:
        q4_0(source, path)
    assert str(error.value) == (
        f"{path} needs 0.2 MB and 0.2 MB are free there; nothing was written: make room or choose "
        "another disk"
    )
    assert error.value.exit_code == 1
    assert [inside.name for inside in tmp_path.iterdir()] == ["hf"]
    usage = usage._replace(free=needed)
    assert q4_0(source, path).is_file()


@pytest.mark.parametrize(
    "end", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_what_ends_in_the_middle_leaves_nothing(
    tmp_path: Path, end: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = models.folder(tmp_path / "hf", "llama"), tmp_path / "m.gguf"
    left = iter(range(5))

    def told(text: str) -> None:
        if next(left, None) is None:
            raise end

    with pytest.raises(type(end)):
        checkpoints.quantize(source, path, "q4_0", told)
    assert [inside.name for inside in tmp_path.iterdir()] == ["hf"]
    if isinstance(end, OSError):
        assert end.filename == str(path)


def test_without_the_package_of_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf.quants", None)
    with pytest.raises(InputError) as error:
        checkpoints.quantize(tmp_path / "hf", tmp_path / "m.gguf", "q8_0")
    assert str(error.value) == (
        "to quantize the package gguf is needed: pip install byhand[language]"
    )


def test_types_that_only_the_package_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = llama_tensors("MXFP4")
    del tensors["rope_freqs.weight"]
    path = write_gguf(tmp_path / "m.gguf", tensors, LLAMA)
    tensor = checkpoints.open(path).tensor("model.layers.0.mlp.up_proj.weight")
    assert not tensor.read().any()
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(InputError) as error:
        tensor.read()
    assert str(error.value) == (
        f"{path} has tensors of the type MXFP4, which needs the package gguf: "
        "pip install byhand[language]"
    )


@pytest.mark.parametrize("kind", FALLBACK)
def test_blocks_of_256_are_llama_cpps(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    sizes = {"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 96}
    monkeypatch.setitem(models.CONFIGS, "wide", ("Llama", sizes))
    source = models.folder(tmp_path / "hf", "wide")
    told: list[str] = []
    made = checkpoints.quantize(source, tmp_path / "m.gguf", kind.lower(), told.append)
    up, down = (f"model.layers.0.mlp.{name}_proj.weight" for name in ("up", "down"))
    assert (made.tensor(up).stored, made.tensor(down).stored) == (kind, FALLBACK[kind])
    assert f"{kind.lower()}: rounding {up}" in told
    assert GGUFReader(made.path).fields["general.file_type"].contents() == FILE_TYPES[kind]
    values, kept = checkpoints.open(source).tensor(up).read(), made.tensor(up).read()
    least, most = {"Q2_K": (0.2, 0.4), "Q3_K": (0.1, 0.2), "Q4_K": (0.04, 0.09)}.get(
        kind, (0, 0.05)
    )
    assert least < np.linalg.norm(kept - values) / np.linalg.norm(values) < most
    raw = next(t for t in GGUFReader(made.path).tensors if t.name == "blk.0.ffn_up.weight")
    assert np.array_equal(dequantize(raw.data, GGMLQuantizationType[kind]), kept)


class Library:
    """llama.cpp's, as ctypes gives it, with blocks of zeros; made: its answer."""

    def __init__(self, made: int) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.made = made
        self.ggml_quantize_chunk = lambda *asked: self.asked.append(asked) or self.made


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package llama_cpp with a file that would be its library, and no xllamacpp."""
    path = tmp_path / "site" / "llama_cpp" / "lib" / "libggml-base.so"
    path.parent.mkdir(parents=True)
    (path.parents[1] / "__init__.py").touch()
    path.touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    homes = {"llama_cpp": llama_cpp.HOMES["llama_cpp"]}
    monkeypatch.setattr(llama_cpp, "HOMES", homes)
    llama_cpp._function.cache_clear()
    yield path
    llama_cpp._function.cache_clear()


def test_the_library_of_llama_cpp_python(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    found = Library(made=3 * 2 * 144)
    monkeypatch.setattr("ctypes.CDLL", lambda path: opened.append(path) or found)
    made = llama_cpp.to_blocks(np.ones((3, 512), np.float32), "Q4_K")
    assert opened == [str(library)]
    assert (made.shape, made.dtype) == ((3, 2 * 144), np.uint8)
    ((number, _, to, *counts),) = found.asked
    assert (number, to, counts) == (12, made.ctypes.data, [0, 3, 512, None])
    found.made = 100
    with pytest.raises(ByhandError) as error:
        llama_cpp.to_blocks(np.ones((3, 512), np.float32), "Q4_K")
    assert str(error.value) == (
        "llama.cpp's library made 100 bytes of Q4_K and 864 were expected: it is of another "
        "version; pip install xllamacpp, or llama-cpp-python, as of 2024 or later"
    )


@pytest.mark.parametrize("there", [True, False])
def test_without_llama_cpps_library(tmp_path: Path, library: Path, there: bool) -> None:
    found = " (libggml-base.so has no ggml_quantize_chunk)" if there else ""
    if not there:
        library.unlink()
    with pytest.raises(InputError) as error:
        checkpoints.quantize(tmp_path / "hf", tmp_path / "m.gguf", "q4_k")
    assert str(error.value) == (
        f"to quantize to q4_k llama.cpp's library is needed{found}: pip install xllamacpp, or "
        "llama-cpp-python"
    )
