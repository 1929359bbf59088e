from __future__ import annotations

import hashlib
import logging
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from byhand.data import fetch_file, files
from byhand.data.files import PackagedFile
from byhand.data.sources import SourceError
from byhand.errors import ByhandError, InputError

CONTENT = b"a cat"


@pytest.fixture(autouse=True)
def cat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A catalogue of one file in a wheel that is made here; the packages that were downloaded."""
    monkeypatch.setenv("BYHAND_CACHE", str(tmp_path / "cache"))
    known = PackagedFile(
        "a cat",
        "CC0",
        "cats==1.0",
        ("cats/a.png",),
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
    )
    monkeypatch.setattr(files, "FILES", {"cat.png": known})
    asked: list[str] = []

    def download(requirement: str, folder: Path) -> Path:
        asked.append(requirement)
        with zipfile.ZipFile(folder / "cats.whl", "w") as wheel:
            wheel.writestr("cats/a.png", CONTENT)
        return folder / "cats.whl"

    monkeypatch.setattr(files, "download_wheel", download)
    return asked


def test_a_file_is_fetched_once(tmp_path: Path, cat: list[str]) -> None:
    path = fetch_file("cat.png")
    assert (path, path.read_bytes()) == (tmp_path / "cache/files/cat.png", CONTENT)
    assert fetch_file("cat.png") == path
    assert cat == ["cats==1.0"]


def test_a_file_in_parts_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PackagedFile(
        "a cat",
        "CC0",
        "cats-1==1.0",
        ("cats/a.0", "cats/a.1"),
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
        further=("cats-2==1.0",),
        ending=".png",
    )
    monkeypatch.setattr(files, "FILES", {"cat": whole})

    def download(requirement: str, folder: Path) -> Path:
        part = int(requirement[5]) - 1
        with zipfile.ZipFile(folder / "cats.whl", "w") as wheel:
            wheel.writestr(f"cats/a.{part}", (CONTENT[:2], CONTENT[2:])[part])
        return folder / "cats.whl"

    monkeypatch.setattr(files, "download_wheel", download)
    path = fetch_file("cat")
    assert (path, path.read_bytes()) == (tmp_path / "cache/files/cat.png", CONTENT)


def test_a_damaged_file_is_fetched_again(cat: list[str], caplog: pytest.LogCaptureFixture) -> None:
    path = fetch_file("cat.png")
    path.write_bytes(b"a dog")
    assert fetch_file("cat.png").read_bytes() == CONTENT
    assert len(cat) == 2
    assert f"{path} is damaged: fetching it again" in caplog.text


def test_another_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        files, "FILES", {"cat.png": PackagedFile("", "", "cats==1.0", ("cats/a.png",), "0" * 64, 1)}
    )
    with pytest.raises(ByhandError) as caught:
        fetch_file("cat.png")
    assert str(caught.value) == (
        "cat.png is not in the cache and Python package cats==1.0 holds another file than the "
        "pinned checksum says. Connect to a network and run again, or put the file at "
        f"{tmp_path / 'cache/files/cat.png'}"
    )
    assert not (tmp_path / "cache/files/cat.png").exists()


def test_a_package_without_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        files, "FILES", {"cat.png": PackagedFile("", "", "cats==1.0", ("cats/b.png",), "0" * 64, 1)}
    )
    with pytest.raises(ByhandError, match=r"cats==1\.0 cannot be read .*b\.png"):
        fetch_file("cat.png")


def test_where_it_is_published_comes_first(
    monkeypatch: pytest.MonkeyPatch, cat: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setitem(files.FILES, "cat.png", replace(files.FILES["cat.png"], url="u://cats/a"))
    monkeypatch.setattr(files, "download", lambda url, path: path.write_bytes(CONTENT))
    assert fetch_file("cat.png").read_bytes() == CONTENT
    assert (cat, caplog.messages) == ([], ["cat.png: downloading u://cats/a"])


def test_where_nobody_answers_there_or_says_other_things_the_package_does(
    monkeypatch: pytest.MonkeyPatch, cat: list[str]
) -> None:
    monkeypatch.setitem(files.FILES, "cat.png", replace(files.FILES["cat.png"], url="u://cats/a"))

    def refuse(url: str, path: Path) -> None:
        raise SourceError("timed out")

    for answer in (refuse, lambda url, path: path.write_bytes(b"log in here")):
        monkeypatch.setattr(files, "download", answer)
        path = fetch_file("cat.png")
        assert path.read_bytes() == CONTENT
        path.unlink()
    assert cat == ["cats==1.0"] * 2


def test_parts_are_joined_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def download(requirement: str, folder: Path) -> Path:
        with zipfile.ZipFile(folder / "cats.whl", "w") as wheel:
            wheel.writestr("b", b" cat")
            wheel.writestr("a", b"a")
        return folder / "cats.whl"

    monkeypatch.setattr(files, "download_wheel", download)
    monkeypatch.setitem(files.FILES, "cat.png", replace(files.FILES["cat.png"], members=("a", "b")))
    assert fetch_file("cat.png").read_bytes() == CONTENT


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(requirement: str, folder: Path) -> Path:
        raise SourceError("no connection")

    monkeypatch.setattr(files, "download_wheel", refuse)
    with pytest.raises(ByhandError) as caught:
        fetch_file("cat.png")
    assert str(caught.value) == (
        "cat.png is not in the cache and Python package cats==1.0 cannot be read (no connection). "
        "Connect to a network and run again, or put the file at "
        f"{tmp_path / 'cache/files/cat.png'}"
    )


def test_a_file_that_is_in_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cat: list[str]
) -> None:
    alone = replace(files.FILES["cat.png"], requirement=None, members=(), url="u://cats/a")
    alone = replace(alone, instead="dog.png")
    monkeypatch.setitem(files.FILES, "cat.png", alone)

    def refuse(url: str, path: Path) -> None:
        raise SourceError("timed out")

    monkeypatch.setattr(files, "download", refuse)
    path = tmp_path / "cache/files/cat.png"
    with pytest.raises(ByhandError) as caught:
        fetch_file("cat.png")
    assert str(caught.value) == (
        "cat.png is not in the cache and u://cats/a cannot be read (timed out). Connect to a "
        f'network and run again, or put the file at {path}, or take "dog.png", which a package has'
    )
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch_file("cat.png") == path
    assert (cat, alone.origin) == ([], "u://cats/a")


def test_an_unknown_name(cat: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        fetch_file("cat.pgn")
    assert str(caught.value) == "no file is called 'cat.pgn'; did you mean cat.png?"
    assert cat == []
