import numpy as np


class TextCNN:
    """Word embeddings, a convolution over time, the maximum over time, and logistic regression."""

    def __init__(self, emb, kernel, bias, w, b, keep):
        self.emb, self.kernel, self.bias, self.w, self.b = emb, kernel, bias, w, b
        self.keep = keep

    def forward(self, words, y, drop):
        N, T = words.shape
        K, D, F = self.kernel.shape
        x = self.emb[words]
        conv = np.zeros((N, T - K + 1, F))
        for t in range(T - K + 1):
            conv[:, t] = np.einsum("nkd,kdf->nf", x[:, t:t + K], self.kernel) + self.bias
        act = np.tanh(conv)
        best = act.argmax(axis=1)
        pooled = np.take_along_axis(act, best[:, None], axis=1)[:, 0]
        dropped = pooled * drop / self.keep
        logit = dropped @ self.w + self.b
        prob = 1 / (1 + np.exp(-logit))
        self.cache = dict(words=words, y=y, drop=drop, x=x, act=act, best=best, pooled=pooled, dropped=dropped, prob=prob)
        return -np.mean(y * np.log(prob) + (1 - y) * np.log(1 - prob))

    def backward(self):
        c = self.cache
        N, T = c["words"].shape
        K, D, F = self.kernel.shape
        dlogit = (c["prob"] - c["y"]) / N
        dw = c["dropped"].T @ dlogit
        db = dlogit.sum()
        ddropped = np.outer(dlogit, self.w)
        dpooled = ddropped * c["drop"] / self.keep
        dact = np.zeros_like(c["act"])
        np.put_along_axis(dact, c["best"][:, None], dpooled[:, None], axis=1)
        dconv = dact * (1 - c["act"] ** 2)
        dbias = dconv.sum(axis=(0, 1))
        dkernel = np.zeros_like(self.kernel)
        dx = np.zeros_like(c["x"])
        for t in range(T - K + 1):
            dkernel += np.einsum("nkd,nf->kdf", c["x"][:, t:t + K], dconv[:, t])
            dx[:, t:t + K] += np.einsum("nf,kdf->nkd", dconv[:, t], self.kernel)
        demb = np.zeros_like(self.emb)
        np.add.at(demb, c["words"], dx)
        return {"emb": demb, "kernel": dkernel, "bias": dbias, "w": dw, "b": db}


def example(rng):
    return {
        "init": {
            "emb": rng.normal(size=(6, 3)), "kernel": rng.normal(size=(2, 3, 4)), "bias": rng.normal(size=4),
            "w": rng.normal(size=4), "b": 0.3, "keep": 0.8,
        },
        "forward": {
            "words": np.array([[0, 1, 2, 1, 5], [3, 3, 4, 0, 1], [2, 5, 0, 1, 1]]),
            "y": np.array([1.0, 0.0, 1.0]),
            "drop": np.array([[1.0, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1]]),
        },
    }
