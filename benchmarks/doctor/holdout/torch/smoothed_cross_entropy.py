import torch

SMOOTHING = 0.1


class SmoothedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, target):
        n, k = logits.shape
        logp = logits - torch.logsumexp(logits, dim=1, keepdim=True)
        soft = torch.full_like(logits, SMOOTHING / k)
        soft[torch.arange(n), target] += 1 - SMOOTHING
        ctx.save_for_backward(logp, soft)
        return -(soft * logp).sum() / n

    @staticmethod
    def backward(ctx, grad_loss):
        logp, soft = ctx.saved_tensors
        grad_logits = (logp.exp() - soft) / logp.shape[0]
        return grad_loss * grad_logits, None


def example(rng):
    return {
        "logits": torch.from_numpy(rng.normal(size=(5, 4))),
        "target": torch.from_numpy(rng.integers(0, 4, 5)),
    }
