import numpy as np


class MultiHeadAttention:
    def __init__(self, Wqkv, Wo, heads):
        self.Wqkv, self.Wo, self.heads = Wqkv, Wo, heads

    def split(self, t):
        B, T, D = t.shape
        return t.reshape(B, T, self.heads, D // self.heads).transpose(0, 2, 1, 3)

    def merge(self, t):
        B, H, T, d = t.shape
        return t.transpose(0, 2, 1, 3).reshape(B, T, H * d)

    def forward(self, x):
        qkv = x @ self.Wqkv
        q, k, v = (self.split(part) for part in np.split(qkv, 3, axis=-1))
        s = np.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(q.shape[-1])
        s = np.exp(s - s.max(-1, keepdims=True))
        a = s / s.sum(-1, keepdims=True)
        ctx = self.merge(np.einsum("bhqk,bhkd->bhqd", a, v))
        self.cache = (x, q, k, v, a, ctx)
        return ctx @ self.Wo

    def backward(self, dout):
        x, q, k, v, a, ctx = self.cache
        self.dWo = np.einsum("btd,bte->de", ctx, dout)
        dctx = self.split(dout @ self.Wo.T)
        da = np.einsum("bhqd,bhkd->bhqk", dctx, v)
        dv = np.einsum("bhqk,bhqd->bhkd", a, dctx)
        ds = a * (da - (a * da).sum(-1, keepdims=True))
        ds /= np.sqrt(q.shape[-1])
        dq = np.einsum("bhqk,bhkd->bhqd", ds, k)
        dk = np.einsum("bhqk,bhqd->bhkd", ds, q)
        dqkv = np.concatenate([self.merge(t) for t in (dq, dk, dv)], axis=-1)
        self.dWqkv = np.einsum("btd,bte->de", x, dqkv)
        return dqkv @ self.Wqkv.T


def example(rng):
    return {
        "init": {"Wqkv": rng.normal(size=(4, 12)), "Wo": rng.normal(size=(4, 3)), "heads": 2},
        "forward": {"x": rng.normal(size=(2, 3, 4))},
    }
