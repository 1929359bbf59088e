import numpy as np


def loss_forward(logits, actions, advantage, beta):
    """policy gradient loss with an entropy bonus; logits (B, A)"""
    z = logits - logits.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    p = np.exp(logp)
    B = len(actions)
    picked = logp[np.arange(B), actions]
    entropy = -(p * logp).sum(1)
    loss = (-advantage * picked - beta * entropy).mean()
    return loss, (actions, advantage, beta, p, logp, entropy)


def loss_backward(cache):
    actions, advantage, beta, p, logp, entropy = cache
    B = len(actions)
    d = p.copy()
    d[np.arange(B), actions] -= 1
    d *= advantage[:, None]
    # dH/dz = -p (log p + H)
    d += beta * p * (logp + entropy[:, None])
    return d / B


def example(rng):
    return {
        "logits": rng.normal(size=(5, 4)),
        "actions": rng.integers(0, 4, size=5),
        "advantage": rng.normal(size=5),
        "beta": 0.3,
    }
