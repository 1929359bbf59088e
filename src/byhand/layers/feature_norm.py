"""What the norms of a row have in common: the features of its last axis."""

from __future__ import annotations

from byhand.errors import InputError, ShapeError
from byhand.layers.base import Layer, Shape


class FeatureNorm(Layer):
    """Every row x[..., features] is brought to one size by itself.

    epsilon     added below the root, so that a row of equal numbers is no division by 0
    Raises      InputError; ShapeError where the last axis is another
    """

    setting_names = ("epsilon",)

    def __init__(self, features: int, *, epsilon: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name=name)
        if features < 1:
            raise InputError(f"{self}: features is at least 1, found {features}")
        if not epsilon > 0:
            raise InputError(f"{self}: epsilon is above 0, found {epsilon}")
        self.sizes = {"features": features}
        self.epsilon = epsilon

    def output_shape(self, input_shape: Shape) -> Shape:
        if input_shape[-1:] != (self.sizes["features"],):
            raise ShapeError(
                f"{self}: x has shape {input_shape}, gamma expects features = "
                f"{self.sizes['features']} on the last axis ({self.equation})"
            )
        return input_shape
