"""One file per idea: the equation, the forward, the derivative by hand. NumPy and nothing else."""

from byhand.layers.additive_attention import AdditiveAttention
from byhand.layers.average_pool2d import AveragePool2D
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.batch_norm import BatchNorm
from byhand.layers.bidirectional import Bidirectional
from byhand.layers.concatenation import Concatenation
from byhand.layers.convolution2d import Convolution2D
from byhand.layers.cross_attention import CrossAttention
from byhand.layers.dense import Dense
from byhand.layers.dot_attention import DotAttention
from byhand.layers.dropout import Dropout
from byhand.layers.embedding import PADDING, Embedding
from byhand.layers.encoder import Encoder
from byhand.layers.flatten import Flatten
from byhand.layers.gelu import GELU
from byhand.layers.general_attention import GeneralAttention
from byhand.layers.global_average_pool2d import GlobalAveragePool2D
from byhand.layers.gru import GRU
from byhand.layers.gru_cell import GRUCell
from byhand.layers.last_step import LastStep
from byhand.layers.layer_norm import LayerNorm
from byhand.layers.learned_positions import LearnedPositions
from byhand.layers.lstm import LSTM
from byhand.layers.lstm_cell import LSTMCell
from byhand.layers.max_pool2d import MaxPool2D
from byhand.layers.one_hot import OneHot
from byhand.layers.projection import Projection
from byhand.layers.relu import ReLU
from byhand.layers.residual import Residual
from byhand.layers.rms_norm import RMSNorm
from byhand.layers.rnn import RNN
from byhand.layers.rnn_cell import RNNCell
from byhand.layers.self_attention import SelfAttention
from byhand.layers.sequential import Sequential
from byhand.layers.sigmoid import Sigmoid
from byhand.layers.silu import SiLU
from byhand.layers.sinusoidal_positions import SinusoidalPositions
from byhand.layers.softmax import Softmax
from byhand.layers.summary import Summary
from byhand.layers.swiglu import SwiGLU
from byhand.layers.tanh import Tanh

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "PADDING",
    "RNN",
    "AdditiveAttention",
    "Array",
    "AveragePool2D",
    "BatchNorm",
    "Bidirectional",
    "Concatenation",
    "Convolution2D",
    "CrossAttention",
    "Dense",
    "DotAttention",
    "Dropout",
    "Embedding",
    "Encoder",
    "Flatten",
    "GRUCell",
    "GeneralAttention",
    "GlobalAveragePool2D",
    "Gradients",
    "LSTMCell",
    "LastStep",
    "Layer",
    "LayerNorm",
    "LearnedPositions",
    "MaxPool2D",
    "OneHot",
    "Projection",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "Residual",
    "SelfAttention",
    "Sequential",
    "Shape",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositions",
    "Softmax",
    "Summary",
    "SwiGLU",
    "Tanh",
]
