import torch


class Swish(torch.autograd.Function):
    """x * sigmoid(beta * x), beta (channels,) is learned; x is (batch, channels, length)"""

    @staticmethod
    def forward(ctx, x, beta):
        gate = torch.sigmoid(beta.view(1, -1, 1) * x)
        out = x * gate
        ctx.save_for_backward(gate, out, x, beta)
        return out

    @staticmethod
    def backward(ctx, dout):
        gate, out, x, beta = ctx.saved_tensors
        scale = beta.view(1, -1, 1)
        dx = dout * (gate + scale * out * (1 - gate))
        dbeta = (dout * out * x * (1 - gate)).sum(dim=(0, 2))
        return dx, dbeta


def example(rng):
    return {
        "x": torch.from_numpy(rng.normal(size=(2, 3, 4))),
        "beta": torch.from_numpy(rng.uniform(0.5, 2.0, 3)),
    }
