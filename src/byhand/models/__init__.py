"""Layers put together."""

from byhand.models.cnn import cnn
from byhand.models.lenet import lenet
from byhand.models.mlp import mlp

__all__ = ["cnn", "lenet", "mlp"]
