import numpy as np


def lossFun(inputs, targets, hprev, cprev, Wf, Wi, Wo, Wc, bf, bi, bo, bc, Wy, by):
    """
    inputs, targets are lists of integers; hprev, cprev are Hx1 arrays of the last state.
    returns the loss, gradients on model parameters, and the last states
    """
    H = hprev.shape[0]
    V = Wy.shape[0]
    zs, fs, ins, os, ccs, cs, hs, ps = {}, {}, {}, {}, {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    cs[-1] = np.copy(cprev)
    loss = 0
    # forward pass
    for t in range(len(inputs)):
        x = np.zeros((V, 1))
        x[inputs[t]] = 1
        zs[t] = np.vstack((hs[t - 1], x))
        fs[t] = 1 / (1 + np.exp(-(np.dot(Wf, zs[t]) + bf)))
        ins[t] = 1 / (1 + np.exp(-(np.dot(Wi, zs[t]) + bi)))
        os[t] = 1 / (1 + np.exp(-(np.dot(Wo, zs[t]) + bo)))
        ccs[t] = np.tanh(np.dot(Wc, zs[t]) + bc)
        cs[t] = fs[t] * cs[t - 1] + ins[t] * ccs[t]
        hs[t] = os[t] * np.tanh(cs[t])
        y = np.dot(Wy, hs[t]) + by
        ps[t] = np.exp(y) / np.sum(np.exp(y))
        loss += -np.log(ps[t][targets[t], 0])
    # backward pass: compute gradients going backwards
    dWf, dWi, dWo, dWc = np.zeros_like(Wf), np.zeros_like(Wi), np.zeros_like(Wo), np.zeros_like(Wc)
    dbf, dbi, dbo, dbc = np.zeros_like(bf), np.zeros_like(bi), np.zeros_like(bo), np.zeros_like(bc)
    dWy, dby = np.zeros_like(Wy), np.zeros_like(by)
    dhnext = np.zeros_like(hprev)
    dcnext = np.zeros_like(cprev)
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Wy.T, dy) + dhnext
        do = dh * np.tanh(cs[t])
        dc = dcnext + dh * os[t] * (1 - np.tanh(cs[t]) ** 2)
        dcc = dc * ins[t]
        di = dc * ccs[t]
        df = dc * cs[t - 1]
        doraw = do * os[t] * (1 - os[t])
        dccraw = dcc * (1 - ccs[t] ** 2)
        diraw = di * ins[t] * (1 - ins[t])
        dfraw = df * fs[t] * (1 - fs[t])
        dWo += np.dot(doraw, zs[t].T)
        dbo += doraw
        dWc += np.dot(dccraw, zs[t].T)
        dbc += dccraw
        dWi += np.dot(diraw, zs[t].T)
        dbi += diraw
        dWf += np.dot(dfraw, zs[t].T)
        dbf += dfraw
        dz = np.dot(Wf.T, dfraw) + np.dot(Wi.T, diraw) + np.dot(Wo.T, doraw) + np.dot(Wc.T, dccraw)
        dhnext = dz[:H]
        dcnext = dc * fs[t]
    return loss, dWf, dWi, dWo, dWc, dbf, dbi, dbo, dbc, dWy, dby, hs[len(inputs) - 1], cs[len(inputs) - 1]


def example(rng):
    H, V = 3, 4
    W = {k: rng.normal(size=(H, H + V)) * 0.5 for k in ("Wf", "Wi", "Wo", "Wc")}
    b = {k: rng.normal(size=(H, 1)) for k in ("bf", "bi", "bo", "bc")}
    return {
        "inputs": [1, 3, 0, 1],
        "targets": [3, 0, 2, 2],
        "hprev": rng.normal(size=(H, 1)) * 0.5,
        "cprev": rng.normal(size=(H, 1)) * 0.5,
        **W,
        **b,
        "Wy": rng.normal(size=(V, H)),
        "by": rng.normal(size=(V, 1)),
    }
