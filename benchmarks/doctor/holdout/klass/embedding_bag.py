import numpy as np

PAD = 0


class BagOfWords:
    """Mean of the word vectors of a sentence (padding not counted), then a linear score per class."""

    def __init__(self, table, out):
        self.table = table
        self.out = out

    def forward(self, tokens, labels):
        self.tokens, self.labels = tokens, labels
        self.real = (tokens != PAD)[:, :, None]
        self.length = self.real.sum(axis=1)
        vectors = self.table[tokens] * self.real
        self.bag = vectors.sum(axis=1) / self.length
        s = self.bag @ self.out
        s = s - s.max(axis=1, keepdims=True)
        self.logp = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
        return -self.logp[np.arange(len(labels)), labels].mean()

    def backward(self):
        n = len(self.labels)
        ds = np.exp(self.logp)
        ds[np.arange(n), self.labels] -= 1.0
        ds /= n
        self.d_out = self.bag.T @ ds
        d_bag = ds @ self.out.T
        d_sum = d_bag / self.length
        d_vectors = d_sum[:, None, :] * self.real
        self.d_table = np.zeros_like(self.table)
        np.add.at(self.d_table, self.tokens, d_vectors)


def example(rng):
    tokens = np.array([[1, 2, 2, 3, 0], [4, 1, 0, 0, 0], [5, 2, 1, 5, 5], [3, 0, 0, 0, 0]])
    return {
        "init": {"table": rng.normal(size=(6, 3)), "out": rng.normal(size=(3, 4))},
        "forward": {"tokens": tokens, "labels": np.array([3, 0, 2, 1])},
    }
