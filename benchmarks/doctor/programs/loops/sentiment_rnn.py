import numpy as np


class RNN:
    # A many-to-one vanilla recurrent net: positive or negative?

    def __init__(self, Whh, Wxh, Why, bh, by):
        self.Whh, self.Wxh, self.Why = Whh, Wxh, Why
        self.bh, self.by = bh, by

    def loss(self, inputs, target):
        """inputs is a list of one-hot column vectors (vocab, 1), target is the class."""
        h = np.zeros((self.Whh.shape[0], 1))
        self.last_inputs = inputs
        self.last_hs = {0: h}
        for i, x in enumerate(inputs):
            h = np.tanh(self.Wxh @ x + self.Whh @ h + self.bh)
            self.last_hs[i + 1] = h
        y = self.Why @ h + self.by
        self.probs = np.exp(y) / sum(np.exp(y))
        self.target = target
        return -np.log(self.probs[target, 0])

    def backprop(self):
        n = len(self.last_inputs)
        # dL/dy of softmax and cross-entropy
        d_y = self.probs.copy()
        d_y[self.target] -= 1

        d_Why = d_y @ self.last_hs[n].T
        d_by = d_y

        d_Whh = np.zeros(self.Whh.shape)
        d_Wxh = np.zeros(self.Wxh.shape)
        d_bh = np.zeros(self.bh.shape)

        # dL/dh for the last h
        d_h = self.Why.T @ d_y
        for t in reversed(range(n)):
            # dL/dh * (1 - h^2)
            temp = (1 - self.last_hs[t + 1] ** 2) * d_h
            d_bh += temp
            d_Whh += temp @ self.last_hs[t].T
            d_Wxh += temp @ self.last_inputs[t].T
            # next dL/dh
            d_h = self.Whh.T @ temp
        for d in [d_Wxh, d_Whh, d_Why, d_bh, d_by]:
            np.clip(d, -10, 10, out=d)
        return {"Wxh": d_Wxh, "Whh": d_Whh, "Why": d_Why, "bh": d_bh, "by": d_by}


def example(rng):
    vocab, hidden = 6, 4
    words = [3, 1, 3, 5]
    inputs = [np.eye(vocab)[:, [w]] for w in words]
    return {
        "init": dict(Whh=rng.normal(size=(hidden, hidden)) * 0.6,
                     Wxh=rng.normal(size=(hidden, vocab)) * 0.6,
                     Why=rng.normal(size=(2, hidden)) * 0.6,
                     bh=rng.normal(size=(hidden, 1)) * 0.1, by=rng.normal(size=(2, 1)) * 0.1),
        "forward": dict(inputs=inputs, target=1),
    }
