"""Neural networks written out by hand, proved right, made fast, and carried to production.

The names below are loaded when they are first used: `import byhand` itself loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from byhand import data as data
    from byhand import engines as engines
    from byhand import testing as testing
    from byhand.autodiff import grad as grad
    from byhand.autodiff import gradcheck as gradcheck
    from byhand.autodiff import value_and_grad as value_and_grad
    from byhand.doctor import check as check
    from byhand.layers import GRU as GRU
    from byhand.layers import LSTM as LSTM
    from byhand.layers import RNN as RNN
    from byhand.layers import AveragePool2D as AveragePool2D
    from byhand.layers import BatchNorm as BatchNorm
    from byhand.layers import Bidirectional as Bidirectional
    from byhand.layers import Convolution2D as Convolution2D
    from byhand.layers import Dense as Dense
    from byhand.layers import Dropout as Dropout
    from byhand.layers import Embedding as Embedding
    from byhand.layers import Flatten as Flatten
    from byhand.layers import GlobalAveragePool2D as GlobalAveragePool2D
    from byhand.layers import GRUCell as GRUCell
    from byhand.layers import LastStep as LastStep
    from byhand.layers import LayerNorm as LayerNorm
    from byhand.layers import LSTMCell as LSTMCell
    from byhand.layers import MaxPool2D as MaxPool2D
    from byhand.layers import OneHot as OneHot
    from byhand.layers import ReLU as ReLU
    from byhand.layers import RNNCell as RNNCell
    from byhand.layers import Sequential as Sequential
    from byhand.layers import Sigmoid as Sigmoid
    from byhand.layers import Softmax as Softmax
    from byhand.layers import Tanh as Tanh
    from byhand.losses import BinaryCrossEntropyWithLogits as BinaryCrossEntropyWithLogits
    from byhand.losses import CrossEntropy as CrossEntropy
    from byhand.losses import QuadraticCost as QuadraticCost
    from byhand.losses import SoftmaxCrossEntropy as SoftmaxCrossEntropy
    from byhand.optimizers import SGD as SGD
    from byhand.optimizers import Adam as Adam
    from byhand.optimizers import AdamW as AdamW
    from byhand.optimizers import Momentum as Momentum
    from byhand.optimizers import Nesterov as Nesterov
    from byhand.optimizers import RMSProp as RMSProp
    from byhand.regularizers import L1 as L1
    from byhand.regularizers import L2 as L2
    from byhand.training import Trainer as Trainer

_HOMES = {
    "autodiff": "grad gradcheck value_and_grad",
    "doctor": "check",
    "layers": (
        "GRU LSTM RNN AveragePool2D BatchNorm Bidirectional Convolution2D Dense Dropout "
        "Embedding Flatten GRUCell GlobalAveragePool2D LSTMCell LastStep LayerNorm MaxPool2D "
        "OneHot RNNCell ReLU Sequential Sigmoid Softmax Tanh"
    ),
    "losses": "BinaryCrossEntropyWithLogits CrossEntropy QuadraticCost SoftmaxCrossEntropy",
    "optimizers": "SGD Adam AdamW Momentum Nesterov RMSProp",
    "regularizers": "L1 L2",
    "training": "Trainer",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_ROOMS = ("data", "engines", "testing")

__all__ = ["__version__", *_ROOMS, *_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"byhand.{name}")
    if name in _HOME:
        return getattr(import_module(f"byhand.{_HOME[name]}"), name)
    raise AttributeError(f"module 'byhand' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
