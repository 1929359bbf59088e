"""EfficientNet-Lite0 with the weights that Google trained, as they were converted for PyTorch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import DamagedFileError, InputError
from byhand.layers import BatchNorm, Convolution2D, Dense, Layer, Sequential
from byhand.layers.residual import Residual
from byhand.models.efficientnet_lite import efficientnet_lite0, widened

Array = NDArray[Any]
CONVOLUTIONS = {
    "stem": "_conv_stem",
    "head": "_conv_head",
    "expand": "_expand_conv",
    "depthwise": "_depthwise_conv",
    "project": "_project_conv",
}
"""The file's name of a convolution, within its block, by ours."""
NORMS = {"stem": "_bn0", "head": "_bn1", "expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
"""The file's name of the normalisation that belongs to it."""


def read_efficientnet_lite0(path: Path) -> Sequential:
    """The network in our layers, in float32, from a file of PyTorch's.

    Nothing in the file is executed. It takes x[batch, 3, 224, 224], the bytes of an RGB picture as
    (byte − 127) / 128, and gives the scores of ImageNet's 1,000 classes.

    Raises      InputError where PyTorch is missing, and where the file has other tensors than the
                network; DamagedFileError where it cannot be read.
    """
    values = _tensors(path)
    model = efficientnet_lite0()
    try:
        for layer in model.layers:
            if isinstance(layer, Residual):
                for inner in layer.layers:
                    _fill(inner, f"{layer.name}_{inner.name}", values)
            else:
                _fill(layer, str(layer.name), values)
    except KeyError as missing:
        raise InputError(f"{path}: the tensor {missing} is missing") from None
    left = [name for name in values if not name.endswith("num_batches_tracked")]
    if left:
        raise InputError(f"{path}: {left[0]} is no part of EfficientNet-Lite0")
    return model


def _tensors(path: Path) -> dict[str, Array]:
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{path.name} is a file of PyTorch's, which is not installed: pip install byhand[torch]"
        ) from None
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): tensor.numpy() for name, tensor in loaded.items()}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except Exception as error:  # PyTorch raises what its unpickler does
        reason = str(error).splitlines()[0]
        raise DamagedFileError(f"{path} is no file of tensors: {reason}") from None


def _fill(layer: Layer, name: str, values: dict[str, Array]) -> None:
    """Move the tensors of one layer out of `values` and into it."""
    found = re.fullmatch(r"(?:block(\d+)_)?(\w+?)(_norm)?", name)
    assert found is not None
    number, part, _ = found.groups()
    before = "" if number is None else f"_blocks.{number}."
    if isinstance(layer, Convolution2D):
        W = values.pop(f"{before}{CONVOLUTIONS[part]}.weight")
        layer.W = W if W.shape[2:] == layer.windows.kernel else widened(W)
        layer.b = np.zeros(len(W), np.float32)
    elif isinstance(layer, BatchNorm):
        norm = f"{before}{NORMS[part]}"
        layer.gamma = values.pop(f"{norm}.weight")
        layer.beta = values.pop(f"{norm}.bias")
        layer.running_mean = values.pop(f"{norm}.running_mean")
        layer.running_variance = values.pop(f"{norm}.running_var")
    elif isinstance(layer, Dense):
        layer.W, layer.b = values.pop("_fc.weight").T, values.pop("_fc.bias")
