import numpy as np

PAD = 0


class Tagger:
    """Embedding -> Elman RNN -> softmax over tags at every step; padded tokens don't count."""

    def __init__(self, emb, W_in, W_rec, b_rec, W_out, b_out):
        self.emb, self.W_in, self.W_rec, self.b_rec = emb, W_in, W_rec, b_rec
        self.W_out, self.b_out = W_out, b_out

    def loss(self, tokens, tags):
        B, T = tokens.shape
        self.tokens, self.tags = tokens, tags
        self.mask = (tokens != PAD).astype(float)
        self.n_tokens = self.mask.sum()
        self.h = [np.zeros((B, self.b_rec.shape[0]))]
        self.e, self.p = [], []
        total = 0.0
        for t in range(T):
            e = self.emb[tokens[:, t]]
            h = np.tanh(e @ self.W_in + self.h[-1] @ self.W_rec + self.b_rec)
            logits = h @ self.W_out + self.b_out
            logits = logits - logits.max(axis=1, keepdims=True)
            p = np.exp(logits)
            p = p / p.sum(axis=1, keepdims=True)
            total += -(self.mask[:, t] * np.log(p[np.arange(B), tags[:, t]])).sum()
            self.e.append(e)
            self.h.append(h)
            self.p.append(p)
        return total / self.n_tokens

    def backward(self):
        B, T = self.tokens.shape
        self.d_emb = np.zeros_like(self.emb)
        self.d_W_in = np.zeros_like(self.W_in)
        self.d_W_rec = np.zeros_like(self.W_rec)
        self.d_b_rec = np.zeros_like(self.b_rec)
        self.d_W_out = np.zeros_like(self.W_out)
        self.d_b_out = np.zeros_like(self.b_out)
        dh_next = np.zeros_like(self.h[0])
        for t in range(T - 1, -1, -1):
            h, h_prev = self.h[t + 1], self.h[t]  # self.h[0] is the initial state
            d_logits = self.p[t].copy()
            d_logits[np.arange(B), self.tags[:, t]] -= 1
            d_logits *= self.mask[:, t:t + 1] / self.n_tokens
            self.d_W_out += h.T @ d_logits
            self.d_b_out += d_logits.sum(axis=0)
            dh = d_logits @ self.W_out.T + dh_next
            da = dh * (1 - h * h)
            self.d_b_rec += da.sum(axis=0)
            self.d_W_in += self.e[t].T @ da
            self.d_W_rec += h_prev.T @ da
            np.add.at(self.d_emb, self.tokens[:, t], da @ self.W_in.T)
            dh_next = da @ self.W_rec.T


def example(rng):
    V, E, H, K = 6, 3, 4, 5
    tokens = np.array([[2, 4, 1, 0], [3, 0, 0, 0], [2, 2, 5, 1]])
    return {
        "init": {"emb": rng.normal(size=(V, E)), "W_in": rng.normal(size=(E, H)),
                 "W_rec": rng.normal(size=(H, H)) * 0.7, "b_rec": rng.normal(size=H),
                 "W_out": rng.normal(size=(H, K)), "b_out": rng.normal(size=K)},
        "forward": {"tokens": tokens, "tags": rng.integers(0, K, size=tokens.shape)},
    }
