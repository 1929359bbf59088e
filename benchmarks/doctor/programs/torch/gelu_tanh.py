import math

import torch


class GeluTanh(torch.autograd.Function):
    """tanh approximation of GELU (Hendrycks & Gimpel)"""

    @staticmethod
    def forward(ctx, x):
        k = math.sqrt(2.0 / math.pi)
        inner = k * (x + 0.044715 * x.pow(3))
        t = torch.tanh(inner)
        ctx.save_for_backward(x, t)
        return 0.5 * x * (1 + t)

    @staticmethod
    def backward(ctx, g):
        x, t = ctx.saved_tensors
        k = math.sqrt(2.0 / math.pi)
        dinner = k * (1 + 3 * 0.044715 * x * x)
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * dinner)


def example(rng):
    return {"x": torch.from_numpy(rng.normal(scale=1.5, size=(5, 4)))}
