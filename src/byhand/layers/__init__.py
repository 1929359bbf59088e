"""One file per idea: the equation, the forward, the derivative by hand. NumPy and nothing else."""

from byhand.layers.average_pool2d import AveragePool2D
from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.batch_norm import BatchNorm
from byhand.layers.convolution2d import Convolution2D
from byhand.layers.dense import Dense
from byhand.layers.dropout import Dropout
from byhand.layers.flatten import Flatten
from byhand.layers.global_average_pool2d import GlobalAveragePool2D
from byhand.layers.layer_norm import LayerNorm
from byhand.layers.max_pool2d import MaxPool2D
from byhand.layers.relu import ReLU
from byhand.layers.sequential import Sequential
from byhand.layers.sigmoid import Sigmoid
from byhand.layers.softmax import Softmax
from byhand.layers.tanh import Tanh

__all__ = [
    "Array",
    "AveragePool2D",
    "BatchNorm",
    "Convolution2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool2D",
    "Gradients",
    "Layer",
    "LayerNorm",
    "MaxPool2D",
    "ReLU",
    "Sequential",
    "Shape",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
