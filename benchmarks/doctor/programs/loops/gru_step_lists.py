"""GRU over a sequence: one function per step, lists for what the steps keep."""
import numpy as np
from scipy.special import expit


def gru_step(x_t, h_prev, p):
    zr_in = np.hstack([x_t, h_prev])
    z = expit(zr_in @ p["Wz"] + p["bz"])
    r = expit(zr_in @ p["Wr"] + p["br"])
    cand_in = np.hstack([x_t, r * h_prev])
    n = np.tanh(cand_in @ p["Wn"] + p["bn"])
    h = (1 - z) * n + z * h_prev
    return h, (zr_in, z, r, cand_in, n, h_prev)


def gru_step_grad(dh, kept, p, grads):
    zr_in, z, r, cand_in, n, h_prev = kept
    n_x = zr_in.shape[1] - h_prev.shape[1]
    dz = dh * (h_prev - n)
    dn = dh * (1 - z)
    dh_prev = dh * z
    dn_in = dn * (1 - n ** 2)
    grads["Wn"] += cand_in.T @ dn_in
    grads["bn"] += dn_in.sum(0)
    dcand = dn_in @ p["Wn"].T
    dx = dcand[:, :n_x]
    dr = dcand[:, n_x:] * h_prev
    dh_prev = dh_prev + dcand[:, n_x:] * r
    dz_in = dz * z * (1 - z)
    dr_in = dr * r * (1 - r)
    grads["Wz"] += zr_in.T @ dz_in
    grads["bz"] += dz_in.sum(0)
    grads["Wr"] += zr_in.T @ dr_in
    grads["br"] += dr_in.sum(0)
    dzr = dz_in @ p["Wz"].T + dr_in @ p["Wr"].T
    dx = dx + dzr[:, :n_x]
    dh_prev = dh_prev + dzr[:, n_x:]
    return dx, dh_prev


def forward(x, h0, p):
    h, outs, tape = h0, [], []
    for t in range(x.shape[1]):
        h, kept = gru_step(x[:, t], h, p)
        outs.append(h)
        tape.append(kept)
    return np.stack(outs, axis=1), tape


def backward(dout, tape, p):
    grads = {k: np.zeros_like(v) for k, v in p.items()}
    dh = np.zeros_like(dout[:, 0])
    dxs = []
    while tape:
        t = len(tape) - 1
        dx, dh = gru_step_grad(dout[:, t] + dh, tape.pop(), p, grads)
        dxs.insert(0, dx)
    return np.stack(dxs, axis=1), dh, grads


def example(rng):
    n_x, n_h = 3, 4
    p = {}
    for gate in "zrn":
        p["W" + gate] = rng.normal(size=(n_x + n_h, n_h)) * 0.7
        p["b" + gate] = rng.normal(size=n_h)
    return {"x": rng.normal(size=(2, 5, n_x)), "h0": rng.normal(size=(2, n_h)), "p": p}
