from numpy import arange, exp, log, maximum, sum as nsum


class TwoLayerNet(object):
    """affine - relu - affine - softmax; the caller hands in the initial weights"""

    def __init__(self, W1, b1, W2, b2, reg=0.1):
        self.params = {}
        self.params['W1'] = W1
        self.params['b1'] = b1
        self.params['W2'] = W2
        self.params['b2'] = b2
        self.reg = reg

    def loss(self, X, y):
        W1, b1 = self.params['W1'], self.params['b1']
        W2, b2 = self.params['W2'], self.params['b2']
        N = X.shape[0]

        hidden = maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2) + b2
        shifted = scores - scores.max(axis=1)[:, None]
        p = exp(shifted)
        p /= p.sum(axis=1)[:, None]

        loss = -nsum(log(p[arange(N), y])) / N
        loss += self.reg * (nsum(W1 * W1) + nsum(W2 * W2))
        self.saved = (X, y, hidden, p)
        return loss

    def backward(self):
        X, y, hidden, p = self.saved
        W1, W2 = self.params['W1'], self.params['W2']
        N = X.shape[0]
        grads = {}

        dscores = p
        dscores[arange(N), y] -= 1
        dscores /= N

        grads['W2'] = hidden.T.dot(dscores)
        grads['b2'] = nsum(dscores, axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden == 0] = 0
        grads['W1'] = X.T.dot(dhidden)
        grads['b1'] = nsum(dhidden, axis=0)

        grads['W2'] += 2 * self.reg * W2
        grads['W1'] += 2 * self.reg * W1
        self.grads = grads
        return grads


def example(rng):
    D, H, C, N = 4, 7, 3, 5
    return {
        'init': dict(
            W1=rng.standard_normal((D, H)), b1=rng.standard_normal(H),
            W2=rng.standard_normal((H, C)), b2=rng.standard_normal(C), reg=0.1,
        ),
        'forward': dict(X=rng.standard_normal((N, D)), y=rng.integers(C, size=N)),
    }
