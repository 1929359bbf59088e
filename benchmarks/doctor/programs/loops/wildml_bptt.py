import numpy as np


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


class RNNNumpy:
    """Language model RNN with one-hot inputs: s_t = tanh(U x_t + W s_{t-1}), o_t = softmax(V s_t)"""

    def __init__(self, U, V, W, bptt_truncate=10):
        self.U, self.V, self.W = U, V, W
        self.hidden_dim = U.shape[0]
        self.bptt_truncate = bptt_truncate

    def forward_propagation(self, x):
        T = len(x)
        # one more row for the initial hidden state, which is s[-1]
        s = np.zeros((T + 1, self.hidden_dim))
        o = np.zeros((T, self.V.shape[0]))
        for t in np.arange(T):
            s[t] = np.tanh(self.U[:, x[t]] + self.W.dot(s[t - 1]))
            o[t] = softmax(self.V.dot(s[t]))
        return o, s

    def calculate_loss(self, x, y):
        o, s = self.forward_propagation(x)
        correct_word_predictions = o[np.arange(len(y)), y]
        return -1 * np.sum(np.log(correct_word_predictions))

    def bptt(self, x, y):
        T = len(y)
        o, s = self.forward_propagation(x)
        dLdU = np.zeros(self.U.shape)
        dLdV = np.zeros(self.V.shape)
        dLdW = np.zeros(self.W.shape)
        delta_o = o
        delta_o[np.arange(len(y)), y] -= 1.
        # For each output backwards...
        for t in np.arange(T)[::-1]:
            dLdV += np.outer(delta_o[t], s[t].T)
            # Initial delta calculation
            delta_t = self.V.T.dot(delta_o[t]) * (1 - (s[t] ** 2))
            # Backpropagation through time (for at most self.bptt_truncate steps)
            for bptt_step in np.arange(max(0, t - self.bptt_truncate), t + 1)[::-1]:
                dLdW += np.outer(delta_t, s[bptt_step - 1])
                dLdU[:, x[bptt_step]] += delta_t
                # Update delta for next step
                delta_t = self.W.T.dot(delta_t) * (1 - s[bptt_step - 1] ** 2)
        return dLdU, dLdV, dLdW


def example(rng):
    H, V = 4, 7
    return {
        "init": {"U": rng.uniform(-1, 1, (H, V)), "V": rng.uniform(-1, 1, (V, H)),
                 "W": rng.uniform(-1, 1, (H, H))},
        "forward": {"x": [0, 5, 2, 5, 3], "y": [5, 2, 5, 3, 1]},
    }
