"""Additive attention of a decoder over encoder states, one query after the other."""
import numpy as np


def attend(states, queries, Ws, Wq, v):
    proj = states @ Ws                       # (S, A)
    contexts, memo = [], []
    for q in queries:
        e = np.tanh(proj + q @ Wq)           # (S, A)
        score = e @ v                        # (S,)
        w = np.exp(score - score.max())
        w /= w.sum()
        contexts.append(w @ states)
        memo.append((q, e, w))
    return np.array(contexts), memo


def attend_backward(upstream, states, Ws, Wq, v, memo):
    d_states = np.zeros_like(states)
    d_queries = np.zeros((len(memo), Wq.shape[0]))
    d_Wq = np.zeros_like(Wq)
    d_v = np.zeros_like(v)
    d_proj = np.zeros((states.shape[0], Ws.shape[1]))
    for j, (q, e, w) in enumerate(memo):
        d_ctx = upstream[j]
        d_states += np.outer(w, d_ctx)
        d_w = states @ d_ctx
        d_score = w * (d_w - w @ d_w)
        d_v += e.T @ d_score
        d_pre = np.outer(d_score, v) * (1 - e * e)
        d_proj += d_pre
        d_qw = d_pre.sum(axis=0)
        d_Wq += np.outer(q, d_qw)
        d_queries[j] = Wq @ d_qw
    d_Ws = states.T @ d_proj
    d_states += d_proj @ Ws.T
    return d_states, d_queries, d_Ws, d_Wq, d_v


def example(rng):
    S, E, D, Q, A = 5, 3, 2, 4, 6
    return {
        "states": rng.normal(size=(S, E)),
        "queries": rng.normal(size=(Q, D)),
        "Ws": rng.normal(size=(E, A)),
        "Wq": rng.normal(size=(D, A)),
        "v": rng.normal(size=A),
    }
