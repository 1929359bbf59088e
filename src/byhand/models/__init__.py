"""Layers put together."""

from byhand.models.mlp import mlp

__all__ = ["mlp"]
