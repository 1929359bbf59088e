import numpy as np


def encode(src, We, Ue, state):
    trace = [state]
    for x in src:
        state = np.tanh(x @ We + state @ Ue)
        trace.append(state)
    return state, trace


def decode(state, teacher, Wd, Ud, Vo):
    trace = [state]
    preds = []
    for y_prev in teacher:
        state = np.tanh(y_prev @ Wd + state @ Ud)
        trace.append(state)
        preds.append(state @ Vo)
    return np.stack(preds), trace


def forward(src, tgt, We, Ue, Wd, Ud, Vo):
    """src (S, B, D) -> tgt (T, B, K), with teacher forcing: step t sees tgt[t-1], step 0 zeros."""
    start = np.zeros((src.shape[1], Ue.shape[0]))
    thought, enc = encode(src, We, Ue, start)
    teacher = np.concatenate([np.zeros_like(tgt[:1]), tgt[:-1]])
    preds, dec = decode(thought, teacher, Wd, Ud, Vo)
    diff = preds - tgt
    return np.mean(diff ** 2), (src, teacher, enc, dec, diff)


def backward(cache, We, Ue, Wd, Ud, Vo):
    src, teacher, enc, dec, diff = cache
    dpred = 2 * diff / diff.size
    gWd, gUd, gVo = np.zeros_like(Wd), np.zeros_like(Ud), np.zeros_like(Vo)
    ds = np.zeros_like(dec[0])
    for t in range(len(teacher) - 1, -1, -1):
        gVo += dec[t + 1].T @ dpred[t]
        ds = ds + dpred[t] @ Vo.T
        da = ds * (1 - dec[t + 1] ** 2)
        gWd += teacher[t].T @ da
        gUd += dec[t].T @ da
        ds = da @ Ud.T
    # ds has arrived at the thought vector, the encoder's last state
    gWe, gUe = np.zeros_like(We), np.zeros_like(Ue)
    dsrc = np.zeros_like(src)
    for s in range(len(src) - 1, -1, -1):
        da = ds * (1 - enc[s + 1] ** 2)
        gWe += src[s].T @ da
        gUe += enc[s].T @ da
        dsrc[s] = da @ We.T
        ds = da @ Ue.T
    return {"We": gWe, "Ue": gUe, "Wd": gWd, "Ud": gUd, "Vo": gVo, "src": dsrc}


def example(rng):
    S, T, B, D, K, H = 3, 4, 2, 3, 2, 5
    n = rng.normal
    return {"src": n(size=(S, B, D)), "tgt": n(size=(T, B, K)), "We": n(size=(D, H)),
            "Ue": n(size=(H, H)) / 2, "Wd": n(size=(K, H)), "Ud": n(size=(H, H)) / 2,
            "Vo": n(size=(H, K))}
