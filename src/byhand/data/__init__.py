"""Real data: known data sets by name, and your own as folders of images, CSV or NPZ."""

from byhand.data.augment import Affine, with_affine, with_shifts
from byhand.data.digits import prepare, prepare_digit, prepare_image
from byhand.data.files import fetch_file
from byhand.data.folders import images
from byhand.data.known import Entry, cache_folder, catalogue, load
from byhand.data.splits import Dataset, Split
from byhand.data.tables import table

__all__ = [
    "Affine",
    "Dataset",
    "Entry",
    "Split",
    "cache_folder",
    "catalogue",
    "fetch_file",
    "images",
    "load",
    "prepare",
    "prepare_digit",
    "prepare_image",
    "table",
    "with_affine",
    "with_shifts",
]
