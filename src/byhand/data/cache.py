"""Where downloads are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$BYHAND_CACHE, or the user's cache folder for byhand."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("BYHAND_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("byhand", appauthor=False)
