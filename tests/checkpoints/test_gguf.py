"""GGUF headers: as the reference implementation writes them, and as nobody should."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from gguf import GGML_QUANT_SIZES, GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.checkpoints.ggml_types import NAMED, NUMBERED
from byhand.checkpoints.gguf import GGUFHeader, LongArray, parse_gguf_header, read_gguf_header
from byhand.errors import InputError

from .gguf_files import llama_tensors, write_gguf

WORDS = 1100
HEADER = 20_000  # bytes of the file at path, nearly all of them the vocabulary
HERE = Path("here.gguf")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    return write_gguf(
        folder / "tiny.gguf",
        llama_tensors(),
        words=WORDS,
        strings={"general.name": "Tiny", "general.license": "mit"},
    )


def check_one_line(message: str) -> None:
    assert message.startswith(str(HERE))
    assert "\n" not in message


def parse(content: bytes) -> GGUFHeader | None:
    """The header, or None where one clear line refuses it; anything else fails the test."""
    try:
        header = parse_gguf_header(content, HERE)
    except InputError as error:
        check_one_line(str(error))
        return None
    for tensor in header.tensors:
        assert 0 <= tensor.offset <= tensor.offset + tensor.nbytes <= len(content)
    return header


def header_bytes(tensors: int = 0, pairs: bytes = b"", count: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, count) + pairs


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def one_tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
    return text(name) + dimensions + struct.pack("<IQ", kind, offset)


def test_types_are_those_of_the_reference() -> None:
    sizes = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
    for number, kind in NUMBERED.items():
        assert (kind.block, kind.size) == sizes[number], kind.name
    assert NAMED["Q4_K"].bits == 4.5
    assert NAMED["Q6_K"].bits == 6.5625


def test_the_header_is_what_the_reference_reads(path: Path) -> None:
    header, reference = read_gguf_header(path), GGUFReader(path)
    assert (header.version, header.architecture) == (3, "llama")
    assert header.data_offset == reference.data_offset
    assert len(header.tensors) == len(reference.tensors) == len(llama_tensors())
    for ours, theirs in zip(header.tensors, reference.tensors, strict=True):
        assert ours.name == theirs.name
        assert ours.shape == tuple(int(n) for n in theirs.shape[::-1])
        assert ours.type.name == theirs.tensor_type.name
        assert ours.offset == theirs.data_offset
        assert ours.nbytes == theirs.n_bytes
    assert header.metadata["general.name"] == "Tiny"
    assert header.field("attention.head_count_kv") == 2


def test_long_arrays_stay_in_the_file_until_asked_for(path: Path) -> None:
    metadata = read_gguf_header(path).metadata
    words, scores = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.scores"]
    assert isinstance(words, LongArray)
    assert len(words) == WORDS
    assert words.values() == [f"word{k}" for k in range(WORDS)]
    assert scores.values() == [float(k) for k in range(WORDS)]


def test_forty_gigabytes_are_read_by_their_header(tmp_path: Path) -> None:
    shape = (20_000_000, 1024)
    claim = one_tensor("huge.weight", shape, kind=1, offset=0)
    file = tmp_path / "huge.gguf"
    file.write_bytes(header_bytes(tensors=1) + claim)
    start = -(-file.stat().st_size // 32) * 32
    with file.open("ab") as sparse:
        sparse.truncate(start + 40_960_000_000)
    header = read_gguf_header(file)
    assert header.tensors[0].nbytes == 40_960_000_000
    assert header.file_size == start + 40_960_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            header_bytes(tensors=10**9),
            "it claims 1,000,000,000 tensors, and 1,048,576 are possible",
        ),
        (header_bytes(count=10**9), "it claims 1,000,000,000 fields, and 65,536 are possible"),
        (
            header_bytes(count=1, pairs=struct.pack("<Q", 10**10)),
            "the text at byte 32 claims 10,000,000,000 bytes",
        ),
        (
            header_bytes(count=1, pairs=text("a") + struct.pack("<IIQ", 9, 4, 10**9)),
            "a list claims 1,000,000,000 entries, and 16,777,216 are possible",
        ),
    ],
)
def test_forty_gigabytes_of_zeros_are_not_believed(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "zeros.gguf"
    file.write_bytes(content)
    with file.open("ab") as sparse:
        sparse.truncate(40_000_000_000)
    with pytest.raises(InputError) as error:
        read_gguf_header(file)
    assert str(error.value) == f"{file} is truncated or damaged: {message}; fetch it again"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected a GGUF file"),
        (b"PK\x03\x04 a zip", "is no GGUF file: it begins with b'PK\\x03\\x04', not with b'GGUF'"),
        (
            b"GGUF" + struct.pack(">I", 3) + bytes(16),
            "is a big-endian GGUF file; convert it to little endian (gguf-convert-endian of the "
            "gguf package)",
        ),
        (
            header_bytes(version=1),
            "is GGUF version 1; byhand reads versions 2 and 3; convert the model again",
        ),
        (
            header_bytes(tensors=2**60),
            "is truncated or damaged: it claims 1,152,921,504,606,846,976 tensors, and 0 are "
            "possible; fetch it again",
        ),
        (
            header_bytes(count=1, pairs=struct.pack("<Q", 2**63) + bytes(20)),
            "is truncated or damaged: at byte 32 the header needs 9,223,372,036,854,775,808 more "
            "bytes and 20 are left; fetch it again",
        ),
        (
            header_bytes(count=1, pairs=text("a") + struct.pack("<IIQ", 9, 8, 2**50)),
            "is truncated or damaged: a list claims 1,125,899,906,842,624 entries, and 0 are "
            "possible; fetch it again",
        ),
        (
            header_bytes(count=1, pairs=text("a") + struct.pack("<IIQ", 9, 9, 0)),
            "is truncated or damaged: a field is a list of lists, which GGUF files do not use; "
            "fetch it again",
        ),
        (
            header_bytes(count=1, pairs=text("a") + struct.pack("<IQ", 77, 0)),
            "is truncated or damaged: a field before byte 37 has the unknown type 77; "
            "fetch it again",
        ),
        (
            header_bytes(count=2, pairs=(text("a") + struct.pack("<IQ", 10, 0)) * 2),
            "is truncated or damaged: it holds the field 'a' twice; fetch it again",
        ),
        (
            header_bytes(count=1, pairs=text("general.alignment") + struct.pack("<II", 4, 0)),
            "is truncated or damaged: general.alignment is a multiple of 8; found 0; "
            "fetch it again",
        ),
        (
            header_bytes(tensors=1) + one_tensor("w", (4, 4), 200, 0),
            ": tensor 'w' has the type number 200, which byhand doesn't know; convert the model "
            "again, or quantize it to a type such as Q4_K_M",
        ),
        (
            header_bytes(tensors=1) + one_tensor("w", (4, 4), 0, 0),
            "is truncated or damaged: tensor 'w' ends at byte 160, and the file has 65; "
            "fetch it again",
        ),
        (
            header_bytes(tensors=1) + one_tensor("w", (4, 40), 2, 0) + bytes(999),
            "is truncated or damaged: tensor 'w' has rows of 40, and Q4_0 has blocks of 32; "
            "fetch it again",
        ),
        (
            header_bytes(tensors=1) + one_tensor("w", (4, 4), 0, 7) + bytes(999),
            "is truncated or damaged: tensor 'w' is not at a multiple of 32; fetch it again",
        ),
        (
            header_bytes(tensors=1) + text("w") + struct.pack("<I", 9) + bytes(99),
            "is truncated or damaged: tensor 'w' claims 9 dimensions; fetch it again",
        ),
        (
            header_bytes(tensors=2)
            + one_tensor("v", (16,), 0, 0)
            + one_tensor("w", (16,), 0, 32)
            + bytes(999),
            "is truncated or damaged: tensors 'v' and 'w' overlap; fetch it again",
        ),
        (
            header_bytes(tensors=2)
            + one_tensor("w", (8,), 0, 0)
            + one_tensor("w", (8,), 0, 32)
            + bytes(999),
            "is truncated or damaged: two tensors have one name; fetch it again",
        ),
    ],
)
def test_a_hostile_header_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_gguf_header(file)
    assert str(error.value).removeprefix(str(file)).strip() == message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing.gguf cannot be read: No such file or directory"):
        read_gguf_header(tmp_path / "nothing.gguf")
    with pytest.raises(InputError, match=r"cannot be read: Is a directory"):
        read_gguf_header(tmp_path)


def test_a_file_that_is_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    assert parse(whole) is not None
    for length in [*range(1, 1500), *range(1500, len(whole), 97)]:
        assert parse(whole[:length]) is None


@given(flips=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=6))
@settings(max_examples=400, deadline=None)
def test_flipped_bytes_never_crash_it(path: Path, flips: list[tuple[int, int]]) -> None:
    whole = bytearray(path.read_bytes())
    for place, value in flips:
        whole[place % HEADER] = value
    parse(bytes(whole))


@given(body=st.binary(max_size=400), counts=st.tuples(*[st.integers(0, 2**64 - 1)] * 2))
@settings(max_examples=400, deadline=None)
def test_any_bytes_after_the_magic_never_crash_it(body: bytes, counts: tuple[int, int]) -> None:
    for tensors, pairs in (counts, (counts[0] % 4, counts[1] % 4)):
        parse(b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + body)
