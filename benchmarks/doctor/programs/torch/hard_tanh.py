import torch


class HardTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gain):
        ctx.save_for_backward(x, gain)
        return gain * x.clamp(-2, 2)

    @staticmethod
    def backward(ctx, grad_y):
        x, gain = ctx.saved_tensors
        inside = (x > -2) & (x < 2)
        grad_x = grad_y * gain * inside
        grad_gain = (grad_y * x.clamp(-2, 2)).sum(0)
        return grad_x, grad_gain


def example(rng):
    return {"x": 0.3 * rng.normal(size=(4, 3)), "gain": rng.normal(size=3)}
