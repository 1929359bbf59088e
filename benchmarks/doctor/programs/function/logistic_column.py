import numpy as np


def propagate(w, b, X, Y):
    """
    w -- weights, (num_px, 1)
    b -- bias, a scalar
    X -- data, (num_px, number of examples)
    Y -- labels, (1, number of examples)
    """
    m = X.shape[1]

    # FORWARD PROPAGATION
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = (-1 / m) * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))

    # BACKWARD PROPAGATION
    dw = (1 / m) * np.dot(X, (A - Y).T)
    db = (1 / m) * np.sum(A - Y)

    assert dw.shape == w.shape
    assert db.dtype == float
    cost = np.squeeze(cost)
    assert cost.shape == ()
    grads = {"dw": dw, "db": db}
    return grads, cost


def example(rng):
    return dict(w=rng.normal(size=(4, 1)), b=0.3, X=rng.normal(size=(4, 6)),
                Y=np.array([[1, 0, 1, 1, 0, 0]]))
