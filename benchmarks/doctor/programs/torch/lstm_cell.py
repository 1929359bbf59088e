import torch


class Cell(torch.autograd.Function):
    """One step of an LSTM; the gates stand in the order input, forget, candidate, output."""

    @staticmethod
    def forward(ctx, x, h, c, weight, bias):
        pre = torch.cat([x, h], dim=1) @ weight + bias
        i, f, n, o = pre.chunk(4, dim=1)
        i, f, n, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(n), torch.sigmoid(o)
        c_new = f * c + i * n
        th = torch.tanh(c_new)
        ctx.save_for_backward(x, h, c, weight, i, f, n, o, th)
        return o * th, c_new

    @staticmethod
    def backward(ctx, gh, gc):
        x, h, c, weight, i, f, n, o, th = ctx.saved_tensors
        go = gh * th * o * (1 - o)
        gc = gc + gh * o * (1 - th ** 2)
        gi = gc * n * i * (1 - i)
        gf = gc * c * f * (1 - f)
        gn = gc * i * (1 - n ** 2)
        pre = torch.cat([gi, gf, gn, go], dim=1)
        joint = pre @ weight.t()
        gx, gprev = joint[:, :x.shape[1]], joint[:, x.shape[1]:]
        return gx, gprev, gc * f, torch.cat([x, h], dim=1).t() @ pre, pre.sum(dim=0)


def example(rng):
    return {
        "x": rng.normal(size=(3, 2)), "h": rng.normal(size=(3, 4)), "c": rng.normal(size=(3, 4)),
        "weight": rng.normal(size=(6, 16)), "bias": rng.normal(size=16),
    }
