import numpy as np


def elman_forward(x, y, Wx, Wh, bh, Wy, by):
    """Features first: x (time, in, batch), y (time, out, batch). Mean squared error."""
    T, _, B = x.shape
    H = Wh.shape[0]
    h = np.zeros((T + 1, H, B))  # h[t+1] is the state after step t
    out = np.zeros(y.shape)
    for t in range(T):
        h[t + 1] = 1 / (1 + np.exp(-(np.einsum('hi,ib->hb', Wx, x[t])
                                     + np.einsum('hk,kb->hb', Wh, h[t]) + bh)))
        out[t] = np.einsum('oh,hb->ob', Wy, h[t + 1]) + by
    e = out - y
    loss = np.einsum('tob,tob->', e, e) / (2 * T * B)
    return loss, (x, h, e)


def elman_backward(cache, Wx, Wh, bh, Wy, by):
    x, h, e = cache
    T, _, B = x.shape
    grad = {n: np.zeros(p.shape) for n, p in
            dict(Wx=Wx, Wh=Wh, bh=bh, Wy=Wy, by=by).items()}
    error = e / (T * B)
    # dE/dnet of every step, filled from the end
    dnet = np.zeros((T + 1,) + h.shape[1:])
    for t in range(T - 1, -1, -1):
        back = np.einsum('oh,ob->hb', Wy, error[t]) + np.einsum('hk,hb->kb', Wh, dnet[t + 1])
        dnet[t] = back * h[t + 1] * (1 - h[t + 1])
    dnet = dnet[:T]
    grad['Wy'] = np.einsum('tob,thb->oh', error, h[1:])
    grad['by'] += error.sum(axis=(0, 2))[:, None]
    grad['Wx'] = np.einsum('thb,tib->hi', dnet, x)
    grad['Wh'] = np.einsum('thb,tkb->hk', dnet, h[:-1])
    grad['bh'] += dnet.sum(axis=(0, 2))[:, None]
    return grad


def example(rng):
    T, I, H, O, B = 4, 3, 5, 2, 6
    return {'x': rng.normal(size=(T, I, B)), 'y': rng.normal(size=(T, O, B)),
            'Wx': rng.normal(size=(H, I)), 'Wh': rng.normal(size=(H, H)),
            'bh': rng.normal(size=(H, 1)), 'Wy': rng.normal(size=(O, H)),
            'by': rng.normal(size=(O, 1))}
