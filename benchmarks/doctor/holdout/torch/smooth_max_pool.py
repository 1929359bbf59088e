import torch


class SmoothMaxPool(torch.autograd.Function):
    """(1 / beta) log mean_t exp(beta x[:, t]) of (batch, time, channels), beta is learned"""

    @staticmethod
    def forward(ctx, x, beta):
        top = (beta * x).amax(dim=1, keepdim=True)
        e = torch.exp(beta * x - top)
        mean = e.mean(dim=1, keepdim=True)
        pooled = ((torch.log(mean) + top) / beta).squeeze(1)
        ctx.save_for_backward(x, beta, e, mean, pooled)
        return pooled

    @staticmethod
    def backward(ctx, grad_pooled):
        x, beta, e, mean, pooled = ctx.saved_tensors
        weight = e / (mean * x.shape[1])
        grad_x = weight * grad_pooled.unsqueeze(1)
        expected = (weight * x).sum(dim=1)
        grad_beta = (grad_pooled * (expected - pooled) / beta).sum()
        return grad_x, grad_beta


def example(rng):
    return {
        "x": torch.from_numpy(rng.standard_normal((3, 5, 2))),
        "beta": torch.tensor(1.6, dtype=torch.float64),
    }
