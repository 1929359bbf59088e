"""Language models that others have published: load one, let it go on with a text or answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from byhand.errors import InputError
from byhand.language.sources import DEFAULT, NO_EXTRA, find
from byhand.sampling import Sampling

if TYPE_CHECKING:
    from byhand.language.model import Model

__all__ = ["Sampling", "load"]
NEEDED = ("torch", "tokenizers", "jinja2")


def load(
    model: str | Path = DEFAULT,
    device: str = "auto",
    dtype: str | None = None,
    context: int | None = None,
    name: str | None = None,
) -> Model:
    """Load a language model.

    model       a folder as Hugging Face or Meta has it, a .gguf file, the folder of a PEFT adapter,
                a name on the Hugging Face hub (org/name), or smollm2 or gemma3, which are fetched
                as data is. GGUF and Meta's files are converted once, into the cache.
    device      auto, cpu, cuda or mps
    dtype       f32, f16, bf16, or int8 for weights of eight bits; by default int8 on a CPU (KL to
                the original at most 0.01) and bf16 elsewhere
    context     the most tokens of prompt and answer; by default the model's, and at most 4,096
    name        what errors call the model; `model` without one

    Raises      InputError where there is no such model, it is of an unknown family, has no
                tokenizer, or does not fit into the memory; ByhandError where it cannot be fetched
    """
    for library in NEEDED:
        if find_spec(library) is None:
            raise InputError(f"a language model needs {library}: {NO_EXTRA}")
    with ThreadPoolExecutor(1) as pool:
        # Files are read and checked while PyTorch is imported: both take a second.
        source = pool.submit(find, model, kept=dtype in (None, "auto", "int8"))
        from byhand.language.model import open_model

        found = replace(source.result(), name=name or str(model))
        return open_model(found, device, dtype, context)
