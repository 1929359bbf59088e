"""Known data sets: source order, checksum, cache, damage, and what is said without a network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from byhand.data import Dataset, cache_folder, catalogue, known, load, texts
from byhand.data.known import Entry
from byhand.data.sources import Arrays, SourceError
from byhand.errors import ByhandError, InputError
from byhand.storage import checksum, write_tensors


@dataclass
class Fake:
    """A source that answers what it is told to, and counts how often it is asked."""

    title: str
    answer: Arrays | Exception
    asked: list[Path] = field(default_factory=list)

    def fetch(self, folder: Path) -> Arrays:
        assert not list(folder.iterdir())
        self.asked.append(folder)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def first() -> Fake:
    return Fake("first mirror", SourceError("no connection"))


@pytest.fixture
def second(arrays: Arrays) -> Fake:
    return Fake("second source", arrays)


@pytest.fixture
def entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: Arrays, first: Fake, second: Fake
) -> Entry:
    monkeypatch.setenv("BYHAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(known, "VALIDATION", 5)
    tiny = Entry(
        name="tiny",
        title="Tiny digits",
        origin="this test",
        terms="none",
        classes=tuple("0123456789"),
        checksum=checksum(*arrays),
        sources=(first, second),
    )
    monkeypatch.setattr(known, "_ENTRIES", (tiny,))
    return tiny


def test_the_last_training_images_validate(entry: Entry, arrays: Arrays) -> None:
    data = load("tiny")
    assert [len(data.train), len(data.validation), len(data.test)] == [15, 5, 6]
    assert data.input_shape == (1, 28, 28)
    assert data.train.inputs.dtype == np.float32
    assert data.train.targets.dtype == np.int64
    np.testing.assert_array_equal(data.validation.targets, arrays.train_labels[-5:])
    np.testing.assert_array_equal(
        data.validation.inputs[:, 0], arrays.train_images[-5:] / np.float32(255)
    )
    np.testing.assert_array_equal(data.test.targets, arrays.test_labels)


def test_sources_are_tried_in_order_and_then_the_cache_answers(
    entry: Entry, first: Fake, second: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert not entry.cached
    before = load("tiny")
    assert entry.cached
    after = load("tiny")
    np.testing.assert_array_equal(before.train.inputs, after.train.inputs)
    assert [len(first.asked), len(second.asked)] == [1, 1]
    assert caplog.messages == ["tiny: trying first mirror", "tiny: trying second source"]
    assert not any(folder.exists() for folder in first.asked + second.asked)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: write_tensors(path, {"train_images": np.zeros(3, dtype=np.uint8)}),
        lambda path: write_tensors(
            path, {name: np.zeros(3, dtype=np.uint8) for name in Arrays._fields}
        ),
    ],
    ids=["flipped bit", "truncated", "empty", "other arrays", "other data"],
)
def test_a_damaged_cache_is_fetched_again(
    entry: Entry,
    second: Fake,
    arrays: Arrays,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    load("tiny")
    damage(entry.path)
    np.testing.assert_array_equal(load("tiny").test.targets, arrays.test_labels)
    assert caplog.messages == [f"{entry.path} is damaged: fetching tiny again"]
    load("tiny")
    assert len(second.asked) == 2


def test_with_every_source_unplugged_one_message_says_what_to_do(
    entry: Entry, second: Fake
) -> None:
    second.answer = SourceError("No matching distribution found")
    with pytest.raises(ByhandError) as caught:
        load("tiny")
    assert caught.value.exit_code == 1
    assert str(caught.value) == (
        "tiny is not in the cache and no source has it: first mirror (no connection); second "
        "source (No matching distribution found). Connect to a network, or put "
        "t10k-labels-idx1-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
        f"train-images-idx3-ubyte.gz (.gz or unpacked) into {cache_folder() / 'tiny'} "
        "and run again"
    )


@pytest.mark.parametrize("packed", [True, False])
def test_files_put_there_by_hand_are_used_first(
    entry: Entry, first: Fake, arrays: Arrays, write_idx: Callable[..., None], packed: bool
) -> None:
    write_idx(entry.folder, packed=packed)
    np.testing.assert_array_equal(load("tiny").test.targets, arrays.test_labels)
    assert first.asked == []


def test_files_of_another_data_set_are_refused(
    entry: Entry, second: Fake, write_idx: Callable[..., None]
) -> None:
    write_idx(entry.folder, packed=False)
    flip(entry.folder / "train-images-idx3-ubyte")
    second.answer = SourceError("no connection")
    with pytest.raises(ByhandError) as caught:
        load("tiny")
    assert f"folder {entry.folder} (other data than the pinned checksum says); first mirror" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "error", [EOFError("cut short"), OSError("disk full"), ValueError("no idx"), KeyError("x.csv")]
)
def test_an_unreadable_download_is_a_reason_not_a_crash(
    entry: Entry, first: Fake, second: Fake, error: Exception
) -> None:
    first.answer = error
    load("tiny")
    assert len(second.asked) == 1
    entry.path.unlink()
    second.answer = error
    with pytest.raises(ByhandError, match=rf"first mirror \({type(error).__name__}: "):
        load("tiny")


def test_a_cache_that_cannot_be_written_is_said_and_the_data_still_come(
    entry: Entry, tmp_path: Path, arrays: Arrays, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    np.testing.assert_array_equal(load("tiny").test.targets, arrays.test_labels)
    assert caplog.messages[0].startswith("tiny could not be cached (")


def test_several_at_once_leave_one_whole_cache(entry: Entry, arrays: Arrays) -> None:
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(load, ["tiny"] * 8))
    assert all(np.array_equal(data.test.targets, arrays.test_labels) for data in loaded)
    assert list(cache_folder().iterdir()) == [entry.path]
    assert known._read_cache(entry) is not None


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError) as caught:
        load("fashion")
    assert str(caught.value) == (
        'no data set is called "fashion": expected one of mnist, fashion-mnist, tiny-shakespeare; '
        'did you mean "fashion-mnist"?'
    )


def test_a_text_is_known_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "plays").write_text("To be, or not to be. " * 80)
    monkeypatch.setattr(texts, "fetch_file", lambda name: tmp_path / "plays")
    data = load("tiny-shakespeare")
    assert (data.name, data.input_shape, data.classes) == ("tiny-shakespeare", (64,), ())
    assert data.vocabulary is not None
    assert data.vocabulary.decode(data.train.inputs[0, :5]) == "To be"


def test_the_cache_is_the_users_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BYHAND_CACHE", str(tmp_path))
    assert catalogue()[0].path == tmp_path / "mnist.safetensors"
    monkeypatch.setenv("BYHAND_CACHE", "~/data")
    assert cache_folder() == Path.home() / "data"
    monkeypatch.delenv("BYHAND_CACHE")
    assert cache_folder().name == "byhand"


def test_the_catalogue_states_origin_terms_and_size() -> None:
    by_name = {entry.name: entry for entry in catalogue()}
    assert list(by_name) == ["mnist", "fashion-mnist"]
    assert "LeCun" in by_name["mnist"].origin
    assert "CC BY-SA 3.0" in by_name["mnist"].terms
    assert "Zalando" in by_name["fashion-mnist"].origin
    assert by_name["fashion-mnist"].terms == "MIT"
    for entry in catalogue():
        assert entry.size == 54_950_000
        assert len(entry.classes) == 10
        assert len(entry.sources) == 3


def test_mnist_is_the_published_one(mnist: Dataset) -> None:
    assert [len(mnist.train), len(mnist.validation), len(mnist.test)] == [50_000, 10_000, 10_000]
    assert mnist.input_shape == (1, 28, 28)
    np.testing.assert_array_equal(mnist.train.targets[:5], [5, 0, 4, 1, 9])
    np.testing.assert_array_equal(mnist.test.targets[:5], [7, 2, 1, 0, 4])
    both = np.concatenate([mnist.train.targets, mnist.validation.targets])
    assert np.bincount(both).tolist() == [
        *(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    ]
    assert np.bincount(mnist.test.targets).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ]
    pixels = np.concatenate([mnist.train.inputs, mnist.validation.inputs])
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.13066, abs=5e-6)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.30811, abs=5e-6)
    assert (pixels.min(), pixels.max()) == (0, 1)
