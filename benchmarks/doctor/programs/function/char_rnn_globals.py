import numpy as np

np.random.seed(1)
hidden_size, vocab = 5, 4
Wxh = np.random.randn(hidden_size, vocab) * 0.3
Whh = np.random.randn(hidden_size, hidden_size) * 0.3
Why = np.random.randn(vocab, hidden_size) * 0.3
bh = np.random.randn(hidden_size) * 0.1
by = np.random.randn(vocab) * 0.1


def softmax(v):
    e = np.exp(v - v.max())
    return e / e.sum()


def loss_and_grads(chars, next_chars, h_start):
    """Model parameters are globals. Loss is averaged over the text."""
    n = len(chars)
    states = [h_start]
    probs = []
    loss = 0.0
    for c, target in zip(chars, next_chars):
        h = np.tanh(Wxh[:, c] + Whh @ states[-1] + bh)
        states.append(h)
        p = softmax(Why @ h + by)
        probs.append(p)
        loss -= np.log(p[target]) / n

    gWxh, gWhh, gWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    gbh, gby = np.zeros_like(bh), np.zeros_like(by)
    carry = np.zeros(hidden_size)
    for t in range(n - 1, -1, -1):
        err = probs[t].copy()
        err[next_chars[t]] -= 1
        err /= n
        gWhy += np.outer(err, states[t + 1])
        gby += err
        dpre = (Why.T @ err + carry) * (1 - states[t + 1] ** 2)
        gbh += dpre
        gWxh[:, chars[t]] += dpre
        gWhh += np.outer(dpre, states[t])
        carry = Whh.T @ dpre
    return loss, {"Wxh": gWxh, "Whh": gWhh, "Why": gWhy, "bh": gbh, "by": gby}


def example(rng):
    return {"chars": [0, 3, 3, 1, 2, 3], "next_chars": [3, 3, 1, 2, 3, 0],
            "h_start": rng.normal(size=hidden_size)}
