"""One file per idea: the equation, the forward, the derivative by hand. NumPy and nothing else."""

from byhand.layers.base import Array, Gradients, Layer, Shape
from byhand.layers.dense import Dense
from byhand.layers.dropout import Dropout
from byhand.layers.flatten import Flatten
from byhand.layers.relu import ReLU
from byhand.layers.sequential import Sequential
from byhand.layers.sigmoid import Sigmoid
from byhand.layers.softmax import Softmax
from byhand.layers.tanh import Tanh

__all__ = [
    "Array",
    "Dense",
    "Dropout",
    "Flatten",
    "Gradients",
    "Layer",
    "ReLU",
    "Sequential",
    "Shape",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
