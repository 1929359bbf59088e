import torch


class CosineDistance(torch.autograd.Function):
    """1 - cos(a_i, b_i), averaged over the rows"""

    @staticmethod
    def forward(ctx, a, b):
        na = a.norm(dim=1, keepdim=True)
        nb = b.norm(dim=1, keepdim=True)
        cos = (a * b).sum(1, keepdim=True) / (na * nb)
        ctx.save_for_backward(a, b, na, nb, cos)
        return (1 - cos).mean()

    @staticmethod
    def backward(ctx, grad):
        a, b, na, nb, cos = ctx.saved_tensors
        scale = -grad / a.shape[0]
        grad_a = scale * (b / (na * nb) - cos * a / na ** 2)
        grad_b = scale * (a / (na * nb) - cos * b / nb ** 2)
        return grad_a, grad_b


def example(rng):
    return dict(a=torch.tensor(rng.normal(size=(4, 3))), b=torch.tensor(rng.normal(size=(4, 3))))
