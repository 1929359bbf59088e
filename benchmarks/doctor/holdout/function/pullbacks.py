import numpy as np

# every function returns its value and a closure that takes the gradient back


def affine(W, b, x):
    def back(dy):
        return x.T @ dy, dy.sum(axis=0), dy @ W.T

    return x @ W + b, back


def mish(z):
    sp = np.log1p(np.exp(z))
    t = np.tanh(sp)
    s = 1 / (1 + np.exp(-z))

    def back(dy):
        return dy * (t + z * (1 - t**2) * s)

    return z * t, back


def mse(pred, goal):
    diff = pred - goal

    def back():
        return 2 * diff / diff.size

    return (diff**2).mean(), back


def loss_and_grads(x, goal, W1, b1, W2, b2):
    z1, back1 = affine(W1, b1, x)
    h, back_act = mish(z1)
    out, back2 = affine(W2, b2, h)
    loss, back_loss = mse(out, goal)

    dout = back_loss()
    dW2, db2, dh = back2(dout)
    dz1 = back_act(dh)
    dW1, db1, dx = back1(dz1)
    return loss, dict(W1=dW1, b1=db1, W2=dW2, b2=db2, x=dx)


def example(rng):
    return dict(
        x=rng.normal(size=(6, 3)),
        goal=rng.normal(size=(6, 2)),
        W1=rng.normal(size=(3, 4)),
        b1=rng.normal(size=4),
        W2=rng.normal(size=(4, 2)),
        b2=rng.normal(size=2),
    )
