import numpy as np


class Classifier:
    def __init__(self, n_features, n_hidden, n_classes, keep=0.8, seed=0):
        r = np.random.RandomState(seed)
        self.keep = keep
        self.seed = seed
        self.params = {
            "fc1_w": 0.5 * r.randn(n_features, n_hidden),
            "fc1_b": 0.1 * r.randn(n_hidden),
            "fc2_w": 0.5 * r.randn(n_hidden, n_classes),
            "fc2_b": 0.1 * r.randn(n_classes),
        }
        self.grads = {}

    def forward(self, images, labels):
        p = self.params
        np.random.seed(self.seed)
        self.images, self.labels = images, labels
        self.z = images.dot(p["fc1_w"]) + p["fc1_b"]
        self.hidden = np.where(self.z > 0, self.z, 0.01 * self.z)
        self.keep_mask = (np.random.rand(*self.hidden.shape) < self.keep) / self.keep
        self.dropped = self.hidden * self.keep_mask
        logits = self.dropped.dot(p["fc2_w"]) + p["fc2_b"]
        logits -= logits.max(axis=1, keepdims=True)
        ex = np.exp(logits)
        self.probs = ex / ex.sum(axis=1, keepdims=True)
        self.onehot = np.eye(logits.shape[1])[labels]
        return -np.log((self.probs * self.onehot).sum(axis=1)).mean()

    def backward(self):
        p, N = self.params, len(self.labels)
        err2 = (self.probs - self.onehot) / N
        self.grads["fc2_w"] = self.dropped.T.dot(err2)
        self.grads["fc2_b"] = err2.sum(axis=0)
        err1 = err2.dot(p["fc2_w"].T)
        err1 = err1 * self.keep_mask
        err1 = err1 * np.where(self.z > 0, 1.0, 0.01)
        self.grads["fc1_w"] = self.images.T.dot(err1)
        self.grads["fc1_b"] = err1.sum(axis=0)
        return self.grads


def example(rng):
    return dict(
        init=dict(n_features=5, n_hidden=8, n_classes=3, seed=4),
        forward=dict(images=rng.random((6, 5)), labels=rng.integers(0, 3, size=6)),
    )
