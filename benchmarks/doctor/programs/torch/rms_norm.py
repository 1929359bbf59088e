import torch


class RMSNorm(torch.autograd.Function):

    @staticmethod
    def forward(ctx, hidden_states, weight, eps):
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        inv_rms = torch.rsqrt(variance + eps)
        ctx.save_for_backward(hidden_states, weight, inv_rms)
        return weight * (hidden_states * inv_rms)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight, inv_rms = ctx.saved_tensors
        n = x.shape[-1]
        gw = grad_output * weight
        grad_x = inv_rms * gw - x * inv_rms ** 3 * (gw * x).sum(-1, keepdim=True) / n
        grad_weight = (grad_output * x * inv_rms).reshape(-1, n).sum(0)
        return grad_x, grad_weight, None


def example(rng):
    return {"hidden_states": torch.tensor(rng.normal(size=(2, 3, 5))),
            "weight": torch.tensor(rng.normal(size=5)), "eps": 1e-6}
