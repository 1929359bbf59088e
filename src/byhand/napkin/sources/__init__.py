"""Where models come from: names, config.json, safetensors, GGUF, runs, modules, bare counts."""

from byhand.napkin.sources.load import load

__all__ = ["load"]
