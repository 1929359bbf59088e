import numpy as np


class GCN:
    """Two graph convolutions; only the labelled nodes count in the loss."""

    def __init__(self, theta0, theta1):
        self.theta0 = theta0
        self.theta1 = theta1

    def run(self, adj, feats, onehot, train):
        deg = adj.sum(axis=1) + 1
        d = deg**-0.5
        self.S = d[:, None] * (adj + np.eye(len(adj))) * d[None, :]
        self.agg0 = self.S @ feats
        self.pre = self.agg0 @ self.theta0
        self.act = np.maximum(self.pre, 0)
        self.agg1 = self.S @ self.act
        out = self.agg1 @ self.theta1
        out = out - out.max(1, keepdims=True)
        self.prob = np.exp(out) / np.exp(out).sum(1, keepdims=True)
        self.onehot, self.train = onehot, train
        return -(onehot[train] * np.log(self.prob[train])).sum() / train.sum()

    def derive(self):
        D = self.prob - self.onehot
        D[~self.train] = 0
        D /= self.train.sum()
        d_theta1 = self.agg1.T @ D
        D = self.S.T @ (D @ self.theta1.T)
        D = D * (self.pre > 0)
        d_theta0 = self.agg0.T @ D
        return {"d_theta0": d_theta0, "d_theta1": d_theta1}


def example(rng):
    n = 6
    adj = np.triu(rng.random((n, n)) < 0.4, 1).astype(float)
    return {
        "init": {"theta0": rng.normal(size=(3, 5)), "theta1": rng.normal(size=(5, 4))},
        "forward": {
            "adj": adj + adj.T,
            "feats": rng.normal(size=(n, 3)),
            "onehot": np.eye(4)[rng.integers(0, 4, n)],
            "train": np.array([True, True, False, True, False, True]),
        },
    }
