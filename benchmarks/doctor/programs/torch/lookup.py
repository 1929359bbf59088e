import torch


class Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table, ids):
        ctx.save_for_backward(ids)
        ctx.rows = table.shape[0]
        return table[ids]

    @staticmethod
    def backward(ctx, grad_out):
        (ids,) = ctx.saved_tensors
        grad_table = grad_out.new_zeros(ctx.rows, grad_out.shape[-1])
        grad_table.index_add_(0, ids, grad_out)
        return grad_table, None


def example(rng):
    return {"table": rng.normal(size=(7, 3)), "ids": torch.tensor([5, 1, 2])}
