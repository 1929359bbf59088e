import numpy as np


class WordRNN:
    """Embedding, two tanh layers, softmax at each step. Rows are sentences of a batch."""

    def __init__(self, E, U1, W1, b1, U2, W2, b2, V, c):
        self.E = E
        self.U1, self.W1, self.b1 = U1, W1, b1
        self.U2, self.W2, self.b2 = U2, W2, b2
        self.V, self.c = V, c
        self.cache = {}

    def forward(self, words, labels):
        B, T = words.shape
        h1 = np.zeros((T + 1, B, len(self.b1)))
        h2 = np.zeros((T + 1, B, len(self.b2)))
        emb = np.zeros((T, B, self.E.shape[1]))
        prob = np.zeros((T, B, len(self.c)))
        loss = 0.0
        for t in range(T):
            emb[t] = self.E[words[:, t]]
            h1[t] = np.tanh(emb[t] @ self.U1 + h1[t - 1] @ self.W1 + self.b1)
            h2[t] = np.tanh(h1[t] @ self.U2 + h2[t - 1] @ self.W2 + self.b2)
            score = h2[t] @ self.V + self.c
            score = np.exp(score - score.max(axis=1, keepdims=True))
            prob[t] = score / score.sum(axis=1, keepdims=True)
            loss -= np.log(prob[t, np.arange(B), labels[:, t]]).sum()
        self.cache = {"words": words, "labels": labels, "h1": h1, "h2": h2, "emb": emb, "prob": prob}
        return loss / (B * T)

    def backward(self):
        words, labels = self.cache["words"], self.cache["labels"]
        h1, h2, emb, prob = (self.cache[k] for k in ("h1", "h2", "emb", "prob"))
        B, T = words.shape
        self.dE = np.zeros_like(self.E)
        self.dU1, self.dW1, self.db1 = np.zeros_like(self.U1), np.zeros_like(self.W1), np.zeros_like(self.b1)
        self.dU2, self.dW2, self.db2 = np.zeros_like(self.U2), np.zeros_like(self.W2), np.zeros_like(self.b2)
        self.dV, self.dc = np.zeros_like(self.V), np.zeros_like(self.c)
        dh1_next = np.zeros_like(h1[0])
        dh2_next = np.zeros_like(h2[0])
        for t in range(T - 1, -1, -1):
            dscore = prob[t].copy()
            dscore[np.arange(B), labels[:, t]] -= 1
            dscore /= B * T
            self.dV += h2[t].T @ dscore
            self.dc += dscore.sum(axis=0)

            dh2 = dscore @ self.V.T + dh2_next
            dz2 = dh2 * (1 - h2[t] ** 2)
            self.dU2 += h1[t].T @ dz2
            self.dW2 += h2[t - 1].T @ dz2
            self.db2 += dz2.sum(axis=0)
            dh2_next = dz2 @ self.W2.T

            dh1 = dz2 @ self.U2.T + dh1_next
            dz1 = dh1 * (1 - h1[t] ** 2)
            self.dU1 += emb[t].T @ dz1
            self.dW1 += h1[t - 1].T @ dz1
            self.db1 += dz1.sum(axis=0)
            dh1_next = dz1 @ self.W1.T

            np.add.at(self.dE, words[:, t], dz1 @ self.U1.T)


def example(rng):
    n, d, h, k, v = 5, 3, 4, 2, 3
    return {
        "init": {
            "E": rng.normal(size=(n, d)),
            "U1": rng.normal(size=(d, h)) * 0.7, "W1": rng.normal(size=(h, h)) * 0.7, "b1": rng.normal(size=h),
            "U2": rng.normal(size=(h, k)) * 0.7, "W2": rng.normal(size=(k, k)) * 0.7, "b2": rng.normal(size=k),
            "V": rng.normal(size=(k, v)), "c": rng.normal(size=v),
        },
        "forward": {
            "words": np.array([[0, 1, 2, 1], [3, 3, 4, 0], [2, 0, 0, 1]]),
            "labels": np.array([[0, 1, 2, 1], [2, 2, 0, 1], [1, 0, 1, 2]]),
        },
    }
