"""Layers put together."""

from byhand.models.char_rnn import char_rnn
from byhand.models.cnn import cnn
from byhand.models.gpt import gpt
from byhand.models.lenet import lenet
from byhand.models.mlp import mlp

__all__ = ["char_rnn", "cnn", "gpt", "lenet", "mlp"]
