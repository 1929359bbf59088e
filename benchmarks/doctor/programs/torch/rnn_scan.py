import torch


class RNNScan(torch.autograd.Function):
    """h_t = tanh(x_t W + h_{t-1} U + b) over a sequence; hands back all states."""

    @staticmethod
    def forward(ctx, x, h0, W, U, b):
        h = h0
        states = [h0]
        for t in range(x.shape[0]):
            h = torch.tanh(x[t] @ W + h @ U + b)
            states.append(h)
        ctx.save_for_backward(x, W, U, torch.stack(states))
        return torch.stack(states[1:])

    @staticmethod
    def backward(ctx, grad_out):
        x, W, U, states = ctx.saved_tensors
        grad_x = torch.zeros_like(x)
        grad_W = torch.zeros_like(W)
        grad_U = torch.zeros_like(U)
        grad_b = torch.zeros_like(W[0])
        grad_h = torch.zeros_like(states[0])
        for t in range(x.shape[0] - 1, -1, -1):
            grad_h = grad_h + grad_out[t]
            grad_z = grad_h * (1 - states[t + 1] ** 2)
            grad_W += x[t].t() @ grad_z
            grad_U += states[t].t() @ grad_z
            grad_b += grad_z.sum(0)
            grad_x[t] = grad_z @ W.t()
            grad_h = grad_z @ U.t()
        return grad_x, grad_h, grad_W, grad_U, grad_b


def example(rng):
    def normal(*size):
        return torch.from_numpy(rng.normal(size=size))

    return {"x": normal(4, 3, 2), "h0": normal(3, 5), "W": normal(2, 5) * 0.7, "U": normal(5, 5) * 0.5, "b": normal(5)}
