import numpy as np


def dropout_forward(x, dropout_param):
    """Inverted dropout. p is the probability of dropping a unit."""
    p, mode = dropout_param['p'], dropout_param['mode']
    if 'seed' in dropout_param:
        np.random.seed(dropout_param['seed'])

    mask = None
    if mode == 'train':
        mask = np.random.rand(*x.shape) >= p
        out = x * mask / (1 - p)
    else:
        out = x
    return out, (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    p = dropout_param['p']
    if dropout_param['mode'] == 'train':
        dx = dout * mask / (1 - p)
    elif dropout_param['mode'] == 'test':
        dx = dout
    return dx


def example(rng):
    return {'x': rng.normal(size=(5, 6)), 'dropout_param': {'p': 0.3, 'mode': 'train', 'seed': 12}}
