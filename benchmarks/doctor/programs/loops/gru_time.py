import numpy as np


def sigma(a):
    return 1.0 / (1.0 + np.exp(-a))


def gru_forward(X, h0, Wz, Uz, bz, Wr, Ur, br, Wh, Uh, bh):
    """
    z_t = sigma(x_t Wz + h_{t-1} Uz + bz)
    r_t = sigma(x_t Wr + h_{t-1} Ur + br)
    n_t = tanh(x_t Wh + (r_t * h_{t-1}) Uh + bh)
    h_t = (1 - z_t) * h_{t-1} + z_t * n_t

    X is (time, batch, in); only the last state is returned, with the tape.
    """
    h = h0
    tape = []
    for x in X:
        z = sigma(x @ Wz + h @ Uz + bz)
        r = sigma(x @ Wr + h @ Ur + br)
        n = np.tanh(x @ Wh + (r * h) @ Uh + bh)
        h_new = (1 - z) * h + z * n
        tape.append((x, h, z, r, n))
        h = h_new
    return h, (tape, Wz, Uz, Wr, Ur, Wh, Uh)


def gru_backward(dh, cache):
    tape, Wz, Uz, Wr, Ur, Wh, Uh = cache
    names = ["Wz", "Uz", "bz", "Wr", "Ur", "br", "Wh", "Uh", "bh"]
    shapes = [Wz.shape, Uz.shape, Uz.shape[1:], Wr.shape, Ur.shape, Ur.shape[1:],
              Wh.shape, Uh.shape, Uh.shape[1:]]
    grads = {k: np.zeros(s) for k, s in zip(names, shapes)}
    dX = []
    for x, h_prev, z, r, n in reversed(tape):
        # h_t = (1 - z) * h_prev + z * n
        dz = dh * (n - h_prev)
        dn = dh * z
        dh_prev = dh * (1 - z)

        # candidate
        dan = dn * (1 - n ** 2)
        grads["Wh"] += x.T @ dan
        grads["Uh"] += (r * h_prev).T @ dan
        grads["bh"] += dan.sum(axis=0)
        drh = dan @ Uh.T
        dr = drh * h_prev
        dh_prev += drh * r

        # reset gate
        dar = dr * r * (1 - r)
        grads["Wr"] += x.T @ dar
        grads["Ur"] += h_prev.T @ dar
        grads["br"] += dar.sum(axis=0)
        dh_prev += dar @ Ur.T

        # update gate
        daz = dz * z * (1 - z)
        grads["Wz"] += x.T @ daz
        grads["Uz"] += h_prev.T @ daz
        grads["bz"] += daz.sum(axis=0)
        dh_prev += daz @ Uz.T

        dX.append(dan @ Wh.T + dar @ Wr.T + daz @ Wz.T)
        dh = dh_prev
    grads["X"] = np.array(dX[::-1])
    grads["h0"] = dh
    return grads


def example(rng):
    T, B, D, H = 4, 2, 3, 5
    args = {"X": rng.normal(size=(T, B, D)), "h0": rng.normal(size=(B, H))}
    for gate in "zrh":
        args["W" + gate] = rng.normal(size=(D, H))
        args["U" + gate] = rng.normal(size=(H, H)) / 2
        args["b" + gate] = rng.normal(size=H)
    return args
