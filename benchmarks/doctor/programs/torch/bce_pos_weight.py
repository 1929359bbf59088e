import torch


class WeightedBCE(torch.autograd.Function):
    """Binary cross-entropy on logits; positives count `pos_weight` times (one per column)."""

    @staticmethod
    def forward(ctx, logits, labels, pos_weight):
        p = torch.sigmoid(logits)
        ctx.save_for_backward(p, labels, pos_weight)
        per_element = pos_weight * labels * torch.log(p) + (1 - labels) * torch.log1p(-p)
        ctx.count = logits.numel()
        return -per_element.sum() / ctx.count

    @staticmethod
    def backward(ctx, grad_loss):
        p, y, w = ctx.saved_tensors
        grad_logits = ((1 - y) * p - w * y * (1 - p)) / ctx.count * grad_loss
        grad_weight = -(y * torch.log(p)).sum(0) / ctx.count * grad_loss
        return grad_logits, None, grad_weight


def example(rng):
    return {"logits": torch.tensor(rng.normal(size=(6, 3))),
            "labels": torch.tensor((rng.random((6, 3)) < 0.5).astype(float)),
            "pos_weight": torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)}
