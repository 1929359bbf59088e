"""Memory, time and money from a model's list of tensors, as a derivation for a pencil.

load        a name, a file, a run, a module or a count -> Model, its list of tensors
inference   params and infer; training: train; money: cost; solving: solve; shopping: which_gpu;
            comparing: compare. Each gives a Derivation, or several of them
measure     what is predicted beside what a step takes
"""

from byhand.napkin.derivation import Derivation
from byhand.napkin.sources.load import load
from byhand.napkin.tensors import Attention, Model, Tensor

__all__ = ["Attention", "Derivation", "Model", "Tensor", "load"]
