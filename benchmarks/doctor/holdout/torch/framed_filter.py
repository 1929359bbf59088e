import torch


class FramedFilter(torch.autograd.Function):
    """Strided 1-D correlation of (batch, time) signals with a bank (filters, width)."""

    @staticmethod
    def forward(ctx, signal, bank, hop):
        frames = signal.unfold(1, bank.shape[1], hop)          # (batch, frames, width)
        ctx.save_for_backward(frames, bank)
        ctx.hop, ctx.length = hop, signal.shape[1]
        return frames @ bank.t()                               # (batch, frames, filters)

    @staticmethod
    def backward(ctx, grad):
        frames, bank = ctx.saved_tensors
        grad_bank = torch.einsum("btf,btw->fw", grad, frames)
        grad_frames = grad @ bank
        width = bank.shape[1]
        grad_signal = grad.new_zeros(grad.shape[0], ctx.length)
        for t in range(grad.shape[1]):
            at = t * ctx.hop
            grad_signal[:, at : at + width] += grad_frames[:, t]
        return grad_signal, grad_bank, None


def example(rng):
    return {
        "signal": torch.from_numpy(rng.standard_normal((3, 11))),
        "bank": torch.from_numpy(rng.standard_normal((2, 4))),
        "hop": 2,
    }
