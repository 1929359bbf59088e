import numpy as np


def tagger_forward(x, lengths, tags, Wx, Wh, b, Wo):
    """Elman network with batches of different lengths; the loss is a mean over real positions."""
    B, T, _ = x.shape
    mask = np.arange(T)[None, :] < lengths[:, None]
    n_tokens = mask.sum()
    h = np.zeros((T + 1, B, Wh.shape[0]))      # h[0] is the initial state
    probs = np.zeros((T, B, Wo.shape[1]))
    loss = 0.0
    for t in range(T):
        h[t + 1] = np.tanh(x[:, t] @ Wx + h[t] @ Wh + b)
        s = h[t + 1] @ Wo
        e = np.exp(s - s.max(axis=1, keepdims=True))
        probs[t] = e / e.sum(axis=1, keepdims=True)
        loss -= np.sum(mask[:, t] * np.log(probs[t, np.arange(B), tags[:, t]]))
    return loss / n_tokens, (x, tags, mask, n_tokens, h, probs, Wx, Wh, Wo)


def tagger_backward(cache):
    x, tags, mask, n_tokens, h, probs, Wx, Wh, Wo = cache
    B, T, _ = x.shape
    dWx, dWh, dWo = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wo)
    db = np.zeros(Wh.shape[0])
    dx = np.zeros_like(x)
    carry = np.zeros((B, Wh.shape[0]))
    for t in range(T - 1, -1, -1):
        ds = probs[t].copy()
        ds[np.arange(B), tags[:, t]] -= 1
        ds *= mask[:, t][:, None] / n_tokens
        dWo += h[t + 1].T @ ds
        dh = ds @ Wo.T + carry
        da = dh * (1 - h[t + 1] ** 2)
        dWx += x[:, t].T @ da
        dWh += h[t].T @ da
        db += da.sum(axis=0)
        dx[:, t] = da @ Wx.T
        carry = da @ Wh.T
    return dx, dWx, dWh, db, dWo


def example(rng):
    B, T, D, H, K = 3, 5, 2, 4, 6
    return {
        "x": rng.normal(size=(B, T, D)),
        "lengths": np.array([5, 2, 3]),
        "tags": rng.integers(0, K, (B, T)),
        "Wx": rng.normal(size=(D, H)),
        "Wh": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "Wo": rng.normal(size=(H, K)),
    }
