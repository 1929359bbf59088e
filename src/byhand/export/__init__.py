"""A trained network as a file that runs without byhand."""

from byhand.export.onnx import export_onnx
from byhand.export.script import export_torch

__all__ = ["export_onnx", "export_torch"]
