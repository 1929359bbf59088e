"""A small tape for NumPy code: derivatives without deriving."""

from byhand.autodiff.branches import Branch, Branches
from byhand.autodiff.checks import GradientCheck, gradcheck
from byhand.autodiff.recording import recording
from byhand.autodiff.refusal import Unsupported
from byhand.autodiff.tape import Gradients, Node, gradients
from byhand.autodiff.transforms import grad, value_and_grad
from byhand.autodiff.variable import Variable

__all__ = [
    "Branch",
    "Branches",
    "GradientCheck",
    "Gradients",
    "Node",
    "Unsupported",
    "Variable",
    "grad",
    "gradcheck",
    "gradients",
    "recording",
    "value_and_grad",
]
