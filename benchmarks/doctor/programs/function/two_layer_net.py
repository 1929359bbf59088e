import numpy as np


def loss(params, X, y, reg=0.0):
    """
    Two-layer fully connected net: affine - relu - affine - softmax.

    X: (N, D), y: (N,) integer labels.  Returns loss and a dict of gradients.
    """
    W1, b1 = params['W1'], params['b1']
    W2, b2 = params['W2'], params['b2']
    N, D = X.shape

    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2

    # numerically stable softmax
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(shifted)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    data_loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    loss = data_loss + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

    grads = {}
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N

    grads['W2'] = hidden.T.dot(dscores)
    grads['b2'] = np.sum(dscores, axis=0)

    dhidden = dscores.dot(W2.T)
    dhidden[hidden <= 0] = 0

    grads['W1'] = X.T.dot(dhidden)
    grads['b1'] = np.sum(dhidden, axis=0)

    grads['W2'] += 2 * reg * W2
    grads['W1'] += 2 * reg * W1

    return loss, grads


def example(rng):
    params = {
        'W1': rng.normal(size=(4, 10)),
        'b1': rng.normal(size=10),
        'W2': rng.normal(size=(10, 3)),
        'b2': rng.normal(size=3),
    }
    return {'params': params, 'X': rng.normal(size=(5, 4)), 'y': np.array([0, 1, 2, 2, 1]),
            'reg': 0.05}
