import torch


class Score(torch.autograd.Function):
    """s[b, i, j] = q[b, i] . K . e[b, j] / sqrt(d)"""

    @staticmethod
    def forward(ctx, q, e, K):
        scale = q.shape[-1] ** -0.5
        ctx.save_for_backward(q, e, K)
        ctx.scale = scale
        return torch.einsum("bid,df,bjf->bij", q, K, e) * scale

    @staticmethod
    def backward(ctx, ds):
        q, e, K = ctx.saved_tensors
        ds = ds * ctx.scale
        dq = torch.einsum("bij,df,bjf->bid", ds, K, e)
        de = torch.einsum("bij,df,bid->bjf", ds, K, q)
        dK = torch.einsum("bij,bid,bjf->df", ds, q, e)
        return dq, de, dK


def example(rng):
    r = lambda *s: torch.from_numpy(rng.standard_normal(s))
    return {"q": r(2, 4, 3), "e": r(2, 5, 6), "K": r(3, 6)}
