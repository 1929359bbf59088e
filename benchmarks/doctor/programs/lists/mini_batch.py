import numpy as np


class Net:
    """ReLU layers and a softmax; gradients are summed example by example, then averaged."""

    def __init__(self, ws, bs, lam):
        self.ws, self.bs, self.lam = ws, bs, lam

    def objective(self, batch):
        total = 0.0
        for x, label in batch:
            a = x
            for w, b in zip(self.ws[:-1], self.bs[:-1]):
                a = np.maximum(0, w @ a + b)
            z = self.ws[-1] @ a + self.bs[-1]
            total += np.log(np.sum(np.exp(z))) - z[label]
        penalty = sum(np.sum(np.square(w)) for w in self.ws)
        return total / len(batch) + 0.5 * self.lam * penalty

    def gradient(self, batch):
        nabla_w = [np.zeros(w.shape) for w in self.ws]
        nabla_b = [np.zeros(b.shape) for b in self.bs]
        for x, label in batch:
            delta_nabla_w, delta_nabla_b = self.backprop(x, label)
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w)]
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b)]
        nabla_w = [nw / len(batch) + self.lam * w for nw, w in zip(nabla_w, self.ws)]
        nabla_b = [nb / len(batch) for nb in nabla_b]
        return nabla_w, nabla_b

    def backprop(self, x, label):
        as_, zs = [x], []
        for w, b in zip(self.ws, self.bs):
            zs.append(w @ as_[-1] + b)
            as_.append(np.maximum(0, zs[-1]))
        p = np.exp(zs[-1]) / np.sum(np.exp(zs[-1]))
        delta = p
        delta[label] -= 1
        dw, db = [np.outer(delta, as_[-2])], [delta]
        for k in range(2, len(self.ws) + 1):
            delta = (self.ws[-k + 1].T @ delta) * (zs[-k] > 0)
            dw.insert(0, np.outer(delta, as_[-k - 1]))
            db.insert(0, delta)
        return dw, db


def example(rng):
    n = [3, 6, 5, 4]
    init = {"ws": [rng.normal(size=(k, j)) for j, k in zip(n, n[1:])],
            "bs": [rng.normal(size=k) for k in n[1:]], "lam": 0.2}
    return {"init": init, "forward": {"batch": [(rng.normal(size=3), c) for c in (0, 3, 1, 1, 2)]}}
