"""A file in the layout of the real one with weights at random, against PyTorch's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from byhand.checkpoints.efficientnet_lite import read_efficientnet_lite0
from byhand.errors import DamagedFileError, InputError

Tensors = dict[str, torch.Tensor]
# expansion, channels in and out, kernel and stride of each block
BLOCKS = [
    (1, 32, 16, 3, 1),
    *((6, 16, 24, 3, 2), (6, 24, 24, 3, 1)),
    *((6, 24, 40, 5, 2), (6, 40, 40, 5, 1)),
    *((6, 40, 80, 3, 2), (6, 80, 80, 3, 1), (6, 80, 80, 3, 1)),
    *((6, 80, 112, 5, 1), (6, 112, 112, 5, 1), (6, 112, 112, 5, 1)),
    *((6, 112, 192, 5, 2), (6, 192, 192, 5, 1), (6, 192, 192, 5, 1), (6, 192, 192, 5, 1)),
    (6, 192, 320, 3, 1),
]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    generator = torch.Generator().manual_seed(0)
    made: Tensors = {}

    def convolution(name: str, norm: str, n_out: int, n_in: int, kernel: int) -> None:
        scale = (n_in * kernel**2) ** -0.5
        shape = (n_out, n_in, kernel, kernel)
        made[f"{name}.weight"] = 1.7 * scale * torch.randn(shape, generator=generator)
        for symbol, least in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5)):
            made[f"{norm}.{symbol}"] = least + torch.rand(n_out, generator=generator)
        made[f"{norm}.running_var"] = 0.5 + torch.rand(n_out, generator=generator)
        made[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    convolution("_conv_stem", "_bn0", 32, 3, 3)
    for k, (expansion, n_in, n_out, kernel, _) in enumerate(BLOCKS):
        block, wide = f"_blocks.{k}.", expansion * n_in
        if expansion > 1:
            convolution(f"{block}_expand_conv", f"{block}_bn0", wide, n_in, 1)
        convolution(f"{block}_depthwise_conv", f"{block}_bn1", wide, 1, kernel)
        convolution(f"{block}_project_conv", f"{block}_bn2", n_out, wide, 1)
    convolution("_conv_head", "_bn1", 1280, 320, 1)
    made["_fc.weight"] = torch.randn(1000, 1280, generator=generator) / 36
    made["_fc.bias"] = torch.randn(1000, generator=generator)
    return made


def write(path: Path, tensors: Any) -> Path:
    torch.save(tensors, path)
    return path


def same_padding(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """TensorFlow's: as many zeros as ⌈size / stride⌉ windows need, the odd one at the end."""
    size = x.shape[-1]
    zeros = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    begin, end = zeros // 2, zeros - zeros // 2
    return F.pad(x, (begin, end, begin, end))


def reference(t: Tensors, x: torch.Tensor) -> torch.Tensor:
    def convolved(
        x: torch.Tensor, name: str, norm: str, stride: int = 1, groups: int = 1
    ) -> torch.Tensor:
        W = t[f"{name}.weight"]
        x = F.conv2d(same_padding(x, W.shape[-1], stride), W, None, stride, groups=groups)
        symbols = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(t[f"{norm}.{symbol}"] for symbol in symbols), eps=1e-3)

    x = F.relu6(convolved(x, "_conv_stem", "_bn0", 2))
    for k, (expansion, n_in, n_out, _, stride) in enumerate(BLOCKS):
        block, y = f"_blocks.{k}.", x
        if expansion > 1:
            y = F.relu6(convolved(y, f"{block}_expand_conv", f"{block}_bn0"))
        wide = expansion * n_in
        y = F.relu6(convolved(y, f"{block}_depthwise_conv", f"{block}_bn1", stride, wide))
        y = convolved(y, f"{block}_project_conv", f"{block}_bn2")
        x = x + y if stride == 1 and n_in == n_out else y
    x = F.relu6(convolved(x, "_conv_head", "_bn1")).mean(dim=(2, 3))
    return F.linear(x, t["_fc.weight"], t["_fc.bias"])


@pytest.mark.slow
def test_the_same_scores_as_pytorch(tensors: Tensors, tmp_path: Path) -> None:
    model = read_efficientnet_lite0(write(tmp_path / "net.pth", tensors))
    assert {value.dtype for value in model.parameters.values()} == {np.dtype(np.float32)}
    # In float64, where what is wrong cannot hide in what is rounded.
    model.set_parameters({name: w.astype(np.float64) for name, w in model.parameters.items()})
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 32))
    double = {name: tensor.double() for name, tensor in tensors.items()}
    expected = reference(double, torch.tensor(x)).numpy()
    assert expected.std() > 0.5
    np.testing.assert_allclose(model.forward(x)[0], expected, rtol=1e-10, atol=1e-10)


def test_a_file_with_other_tensors(tensors: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    write(path, tensors | {"more": torch.zeros(1)})
    with pytest.raises(InputError) as caught:
        read_efficientnet_lite0(path)
    assert str(caught.value) == f"{path}: more is no part of EfficientNet-Lite0"
    write(path, {name: value for name, value in tensors.items() if name != "_bn1.bias"})
    with pytest.raises(InputError) as caught:
        read_efficientnet_lite0(path)
    assert str(caught.value) == f"{path}: the tensor '_bn1.bias' is missing"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth does not exist$"):
        read_efficientnet_lite0(tmp_path / "none.pth")
    (tmp_path / "net.pth").write_bytes(b"no such thing")
    with pytest.raises(DamagedFileError, match=r"net\.pth is no file of tensors: "):
        read_efficientnet_lite0(tmp_path / "net.pth")


class Touch:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pth", {"_fc.bias": Touch(tmp_path / "touched")})
    with pytest.raises(DamagedFileError):
        read_efficientnet_lite0(path)
    assert not (tmp_path / "touched").exists()
