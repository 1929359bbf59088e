"""fully connected net, relu, softmax, weight decay. Parameters live in a dict."""
import numpy as np

REG = 0.05


def forward(params, X, y):
    h_in = X @ params['W1'] + params['b1']
    h = np.maximum(0, h_in)
    scores = h @ params['W2'] + params['b2']
    scores = scores - scores.max(axis=1, keepdims=True)
    e = np.exp(scores)
    probs = e / e.sum(axis=1, keepdims=True)
    N = X.shape[0]
    data_loss = -np.log(probs[np.arange(N), y]).mean()
    reg_loss = 0.5 * REG * (np.sum(params['W1'] ** 2) + np.sum(params['W2'] ** 2))
    return data_loss + reg_loss, {'X': X, 'y': y, 'h': h, 'probs': probs}


def backward(params, cache):
    X, y, h, probs = cache['X'], cache['y'], cache['h'], cache['probs']
    N = X.shape[0]
    grads = {}
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    grads['W2'] = h.T @ dscores + REG * params['W2']
    grads['b2'] = dscores.sum(axis=0)
    dh = dscores @ params['W2'].T
    dh[h <= 0] = 0
    grads['W1'] = X.T @ dh + REG * params['W1']
    grads['b1'] = dh.sum(axis=0)
    return grads


def example(rng):
    D, H, C = 4, 6, 3
    params = {
        'W1': rng.normal(size=(D, H)),
        'b1': rng.normal(size=H),
        'W2': rng.normal(size=(H, C)),
        'b2': rng.normal(size=C),
    }
    return {'params': params, 'X': rng.normal(size=(5, D)), 'y': rng.integers(0, C, size=5)}
