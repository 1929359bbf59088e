"""Layers put together."""

from byhand.models.char_rnn import char_rnn
from byhand.models.cnn import cnn
from byhand.models.gpt import gpt
from byhand.models.lenet import lenet
from byhand.models.mlp import mlp
from byhand.models.seq2seq import seq2seq
from byhand.models.transformer import transformer

__all__ = ["char_rnn", "cnn", "gpt", "lenet", "mlp", "seq2seq", "transformer"]
