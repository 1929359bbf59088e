"""One transformer block with a language-model head, single head, no framework.

Shapes: B sentences, T tokens, E channels, F inner channels, V words.
"""
import numpy as np


def softmax(s):
    s = s - s.max(axis=-1, keepdims=True)
    e = np.exp(s)
    return e / e.sum(axis=-1, keepdims=True)


def softmax_bwd(dp, p):
    return p * (dp - np.sum(dp * p, axis=-1, keepdims=True))


class LayerNorm:
    def __init__(self, dim, rng):
        self.scale = rng.uniform(0.5, 1.5, dim)
        self.shift = rng.normal(0, 0.3, dim)

    def fwd(self, x):
        centered = x - x.mean(-1, keepdims=True)
        self.rstd = 1 / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-5)
        self.z = centered * self.rstd
        return self.z * self.scale + self.shift

    def bwd(self, dy):
        self.d_scale = (dy * self.z).sum(axis=(0, 1))
        self.d_shift = dy.sum(axis=(0, 1))
        dz = dy * self.scale
        return self.rstd * (
            dz - dz.mean(-1, keepdims=True) - self.z * (dz * self.z).mean(-1, keepdims=True)
        )


class Linear:
    def __init__(self, n_in, n_out, rng):
        self.w = rng.normal(0, n_in**-0.5, (n_in, n_out))

    def fwd(self, x):
        self.x = x
        return x @ self.w

    def bwd(self, dy):
        flat_x = self.x.reshape(-1, self.x.shape[-1])
        flat_dy = dy.reshape(-1, dy.shape[-1])
        self.d_w = flat_x.T @ flat_dy
        return dy @ self.w.T


class Attention:
    def __init__(self, dim, rng):
        self.to_q = Linear(dim, dim, rng)
        self.to_k = Linear(dim, dim, rng)
        self.to_v = Linear(dim, dim, rng)
        self.proj = Linear(dim, dim, rng)

    def fwd(self, x):
        T, E = x.shape[1:]
        self.q, self.k, self.v = self.to_q.fwd(x), self.to_k.fwd(x), self.to_v.fwd(x)
        s = self.q @ self.k.swapaxes(1, 2) / np.sqrt(E)
        s[:, np.triu(np.ones((T, T), dtype=bool), 1)] = -1e9
        self.p = softmax(s)
        return self.proj.fwd(self.p @ self.v)

    def bwd(self, dy):
        do = self.proj.bwd(dy)
        dp = do @ self.v.swapaxes(1, 2)
        dv = self.p.swapaxes(1, 2) @ do
        ds = softmax_bwd(dp, self.p) / np.sqrt(self.q.shape[-1])
        dq = ds @ self.k
        dk = ds.swapaxes(1, 2) @ self.q
        return self.to_q.bwd(dq) + self.to_k.bwd(dk) + self.to_v.bwd(dv)


class TinyGPT:
    def __init__(self, vocab, context, dim, inner, seed=0):
        rng = np.random.default_rng(seed)
        self.wte = rng.normal(0, 1, (vocab, dim))
        self.wpe = rng.normal(0, 1, (context, dim))
        self.ln1 = LayerNorm(dim, rng)
        self.attn = Attention(dim, rng)
        self.ln2 = LayerNorm(dim, rng)
        self.up = Linear(dim, inner, rng)
        self.down = Linear(inner, dim, rng)

    def loss(self, tokens, targets):
        B, T = tokens.shape
        self.tokens, self.targets = tokens, targets
        x = self.wte[tokens] + self.wpe[:T]
        x = x + self.attn.fwd(self.ln1.fwd(x))
        self.u = self.up.fwd(self.ln2.fwd(x))
        x = x + self.down.fwd(self.u * (self.u > 0))
        self.top = x
        self.probs = softmax(x @ self.wte.T)      # the embedding is also the output matrix
        picked = np.take_along_axis(self.probs, targets[..., None], axis=-1)
        return -np.log(picked).mean()

    def backward(self):
        B, T = self.tokens.shape
        dlogits = self.probs.copy()
        rows, cols = np.indices((B, T))
        dlogits[rows, cols, self.targets] -= 1
        dlogits /= B * T
        self.d_wte = np.einsum("btv,bte->ve", dlogits, self.top)
        dx = dlogits @ self.wte
        du = self.down.bwd(dx) * (self.u > 0)
        dx = dx + self.ln2.bwd(self.up.bwd(du))
        dx = dx + self.ln1.bwd(self.attn.bwd(dx))
        np.add.at(self.d_wte, self.tokens, dx)
        self.d_wpe = np.zeros_like(self.wpe)
        self.d_wpe[:T] = dx.sum(axis=0)


def example(rng):
    return {
        "init": {"vocab": 6, "context": 5, "dim": 4, "inner": 7, "seed": 2},
        "forward": {
            "tokens": np.array([[1, 4, 1], [5, 1, 0]]),
            "targets": rng.integers(0, 6, (2, 3)),
        },
    }
