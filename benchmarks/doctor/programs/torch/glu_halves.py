"""y = a * sigmoid(b) with a and b the two halves of a projection."""
import torch


class GLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        proj = x @ weight.t() + bias
        a, b = proj.chunk(2, dim=-1)
        s = torch.sigmoid(b)
        ctx.save_for_backward(x, weight, a, s)
        return a * s

    @staticmethod
    def backward(ctx, grad_y):
        x, weight, a, s = ctx.saved_tensors
        grad_a = grad_y * s
        grad_b = grad_y * a * s * (1 - s)
        grad_proj = torch.cat([grad_a, grad_b], dim=-1)
        grad_x = grad_proj @ weight
        grad_weight = grad_proj.reshape(-1, grad_proj.shape[-1]).t() @ x.reshape(-1, x.shape[-1])
        grad_bias = grad_proj.sum(dim=(0, 1))
        return grad_x, grad_weight, grad_bias


def example(rng):
    return {
        "x": torch.tensor(rng.normal(size=(2, 3, 4))),
        "weight": torch.tensor(rng.normal(size=(10, 4))),
        "bias": torch.tensor(rng.normal(size=10)),
    }
