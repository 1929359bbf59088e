"""Real data: known data sets by name, and your own as folders of images, CSV, NPZ or texts."""

from byhand.data.augment import Affine, with_affine, with_shifts
from byhand.data.cache import cache_folder
from byhand.data.digits import prepare, prepare_digit, prepare_image
from byhand.data.files import fetch_file
from byhand.data.folders import images
from byhand.data.known import Entry, catalogue, load
from byhand.data.languages import Languages, read_languages, read_vocabulary
from byhand.data.pairs import pairs, task
from byhand.data.splits import Dataset, Split
from byhand.data.tables import table
from byhand.data.tasks import adding_task, copy_task
from byhand.data.texts import stream_order, text
from byhand.data.vocabulary import BytePairs, Characters, Vocabulary
from byhand.data.words import Words

__all__ = [
    "Affine",
    "BytePairs",
    "Characters",
    "Dataset",
    "Entry",
    "Languages",
    "Split",
    "Vocabulary",
    "Words",
    "adding_task",
    "cache_folder",
    "catalogue",
    "copy_task",
    "fetch_file",
    "images",
    "load",
    "pairs",
    "prepare",
    "prepare_digit",
    "prepare_image",
    "read_languages",
    "read_vocabulary",
    "stream_order",
    "table",
    "task",
    "text",
    "with_affine",
    "with_shifts",
]
