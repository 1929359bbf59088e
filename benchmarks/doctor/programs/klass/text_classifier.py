import numpy as np
np.random.seed(42)


class TextClassifier:
    def __init__(self, vocab_size, embed_dim, n_classes):
        self.E = np.random.randn(vocab_size, embed_dim)
        self.W = np.random.randn(embed_dim, n_classes)
        self.b = np.random.randn(n_classes)

    def forward(self, ids, labels):
        self.ids, self.labels = ids, labels
        self.emb = self.E[ids]
        self.pooled = self.emb.sum(axis=1)
        logits = self.pooled @ self.W + self.b
        logits -= logits.max(axis=1, keepdims=True)
        self.probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        correct = self.probs[np.arange(len(labels)), labels]
        return np.mean(-np.log(correct))

    def backward(self):
        n, seq_len = self.ids.shape
        d_logits = self.probs.copy()
        d_logits[np.arange(n), self.labels] -= 1
        d_logits /= n
        self.d_W = self.pooled.T @ d_logits
        self.d_b = d_logits.sum(axis=0)
        d_pooled = d_logits @ self.W.T
        d_emb = np.repeat(d_pooled[:, np.newaxis, :], seq_len, axis=1)
        self.d_E = np.zeros_like(self.E)
        for row, words in enumerate(self.ids):
            for pos, word in enumerate(words):
                self.d_E[word] += d_emb[row, pos]


def example(rng):
    return {
        "init": {"vocab_size": 8, "embed_dim": 5, "n_classes": 3},
        "forward": {
            "ids": np.array([[1, 1, 7], [0, 4, 2], [3, 7, 7], [5, 2, 2]]),
            "labels": np.array([0, 2, 1, 2]),
        },
    }
