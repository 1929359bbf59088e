"""A bag-of-words classifier: the mean of the words' vectors, then a softmax over the labels."""

import numpy as np


class BagOfWords:
    def __init__(self, params):
        self.params = params

    def forward(self, tokens, labels):
        self.tokens, self.labels = tokens, labels
        self.mean = self.params["E"][tokens].mean(axis=1)
        scores = self.mean @ self.params["U"]
        scores = scores - scores.max(axis=1, keepdims=True)
        self.log_probs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return -self.log_probs[np.arange(len(labels)), labels].mean()

    def backward(self):
        batch, length = self.tokens.shape
        dscores = np.exp(self.log_probs)
        dscores[np.arange(batch), self.labels] -= 1
        dscores /= batch
        dmean = dscores @ self.params["U"].T
        dE = np.zeros_like(self.params["E"])
        dE[self.tokens] += dmean[:, None, :] / length
        return {"E": dE, "U": self.mean.T @ dscores}


def example(rng):
    return {
        "init": {"params": {"E": rng.normal(size=(6, 4)), "U": rng.normal(size=(4, 3))}},
        "forward": {
            "tokens": np.array([[0, 2, 2, 5], [1, 2, 0, 4], [3, 3, 3, 1]]),
            "labels": np.array([2, 0, 1]),
        },
    }
