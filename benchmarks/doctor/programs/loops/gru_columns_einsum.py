import numpy as np


def squash(v):
    return 1.0 / (1.0 + np.exp(-v))


def run_gru(seq, s0, P):
    """A GRU over columns: seq[time, in, batch], states [hid, batch]. Returns all states."""
    states, memo = [s0], []
    for frame in seq:
        s = states[-1]
        r = squash(np.einsum("hi,ib->hb", P["Wr"], frame) + np.einsum("hk,kb->hb", P["Ur"], s) + P["br"])
        z = squash(np.einsum("hi,ib->hb", P["Wz"], frame) + np.einsum("hk,kb->hb", P["Uz"], s) + P["bz"])
        inner = np.einsum("hk,kb->hb", P["Un"], s)
        n = np.tanh(np.einsum("hi,ib->hb", P["Wn"], frame) + r * inner + P["bn"])
        states.append((1 - z) * n + z * s)
        memo.append((frame, s, r, z, inner, n))
    return np.stack(states[1:]), memo


def run_gru_adjoint(top, memo, P):
    G = {name: np.zeros_like(array) for name, array in P.items()}
    g_seq = []
    carry = np.zeros_like(memo[0][1])
    for g_out, (frame, s, r, z, inner, n) in zip(top[::-1], memo[::-1]):
        g = g_out + carry
        g_z = g * (s - n) * z * (1 - z)
        g_n = g * (1 - z) * (1 - n * n)
        g_r = g_n * inner * r * (1 - r)
        g_inner = g_n * r
        for gate, g_gate in (("r", g_r), ("z", g_z), ("n", g_n)):
            G["W" + gate] += np.einsum("hb,ib->hi", g_gate, frame)
            G["b" + gate] += np.einsum("hb->h", g_gate)[:, None]
        G["Ur"] += np.einsum("hb,kb->hk", g_r, s)
        G["Uz"] += np.einsum("hb,kb->hk", g_z, s)
        G["Un"] += np.einsum("hb,kb->hk", g_inner, s)
        g_seq.append(P["Wr"].T @ g_r + P["Wz"].T @ g_z + P["Wn"].T @ g_n)
        carry = g * z + P["Ur"].T @ g_r + P["Uz"].T @ g_z + P["Un"].T @ g_inner
    return np.stack(g_seq[::-1]), carry, G


def example(rng):
    time, n_in, hid, batch = 3, 2, 4, 3
    P = {}
    for gate in "rzn":
        P["W" + gate] = rng.normal(size=(hid, n_in))
        P["U" + gate] = 0.7 * rng.normal(size=(hid, hid))
        P["b" + gate] = rng.normal(size=(hid, 1))
    return {"seq": rng.normal(size=(time, n_in, batch)), "s0": rng.normal(size=(hid, batch)), "P": P}
