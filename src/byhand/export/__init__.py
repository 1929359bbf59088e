"""A trained network as a file that runs without byhand."""

from byhand.export.huggingface import export_huggingface
from byhand.export.onnx import export_onnx
from byhand.export.published import published
from byhand.export.script import export_torch

__all__ = ["export_huggingface", "export_onnx", "export_torch", "published"]
