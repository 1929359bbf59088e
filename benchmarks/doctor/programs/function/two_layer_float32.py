import numpy as np

f32 = np.float32


def objective(w1, c1, w2, c2, images, labels, decay):
    """Everything in single precision, to save memory."""
    n = images.shape[0]
    pre = np.empty((n, w1.shape[1]), dtype=f32)
    np.matmul(images, w1, out=pre)
    pre += c1
    act = np.where(pre > 0, pre, np.expm1(np.minimum(pre, 0)))  # ELU
    logits = act @ w2 + c2
    logits -= logits.max(1)[:, None]
    logsum = np.log(np.exp(logits).sum(1))
    nll = (logsum - logits[np.arange(n), labels]).mean(dtype=f32)
    value = nll + f32(0.5) * decay * ((w1 * w1).sum() + (w2 * w2).sum())

    g_logits = np.exp(logits - logsum[:, None])
    g_logits[np.arange(n), labels] -= 1
    g_logits /= n
    g_w2 = act.T @ g_logits + decay * w2
    g_c2 = g_logits.sum(0)
    g_act = g_logits @ w2.T
    g_pre = g_act * np.where(pre > 0, f32(1), act + 1)
    g_w1 = images.T @ g_pre + decay * w1
    g_c1 = g_pre.sum(0)
    return value, (g_w1, g_c1, g_w2, g_c2)


def example(rng):
    normal = lambda *shape: rng.normal(size=shape).astype(f32)
    return dict(w1=normal(5, 6), c1=normal(6), w2=normal(6, 3), c2=normal(3),
                images=normal(4, 5), labels=np.array([2, 0, 1, 1]), decay=f32(0.1))
