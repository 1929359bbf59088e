"""Variational auto-encoder: Bernoulli decoder, Gaussian posterior, one sample with given noise."""
import numpy as np


def relu(z):
    return np.maximum(z, 0)


def elbo(x, noise, theta):
    enc, dec = theta["enc"], theta["dec"]
    h = relu(x @ enc["W"] + enc["b"])
    mean = h @ enc["W_mean"]
    logvar = h @ enc["W_logvar"]
    std = np.exp(0.5 * logvar)
    z = mean + std * noise
    u = np.tanh(z @ dec["V"] + dec["c"])
    logits = u @ dec["V_out"]
    rec = np.sum(np.logaddexp(0, logits) - x * logits)
    kl = -0.5 * np.sum(1 + logvar - mean**2 - np.exp(logvar))
    saved = dict(x=x, noise=noise, h=h, mean=mean, logvar=logvar, std=std, z=z, u=u, logits=logits)
    return (rec + kl) / len(x), saved


def elbo_gradients(theta, saved):
    enc, dec = theta["enc"], theta["dec"]
    x, noise, h, mean, logvar, std, z, u, logits = saved.values()
    N = len(x)
    p = 1 / (1 + np.exp(-logits))
    g_logits = (p - x) / N
    g_u = g_logits @ dec["V_out"].T
    g_a = g_u * (1 - u * u)
    g_z = g_a @ dec["V"].T
    g_mean = g_z + mean / N
    g_logvar = g_z * noise * 0.5 * std + 0.5 * (np.exp(logvar) - 1) / N
    g_h = g_mean @ enc["W_mean"].T + g_logvar @ enc["W_logvar"].T
    g_pre = g_h * (h > 0)
    return {
        "enc": {
            "W": x.T @ g_pre,
            "b": g_pre.sum(0),
            "W_mean": h.T @ g_mean,
            "W_logvar": h.T @ g_logvar,
        },
        "dec": {"V": z.T @ g_a, "c": g_a.sum(0), "V_out": u.T @ g_logits},
    }


def example(rng):
    D, H, K, U, N = 6, 5, 2, 4, 3
    n = rng.standard_normal
    theta = {
        "enc": {"W": n((D, H)), "b": n(H), "W_mean": n((H, K)), "W_logvar": 0.3 * n((H, K))},
        "dec": {"V": n((K, U)), "c": n(U), "V_out": n((U, D))},
    }
    return {"x": rng.random((N, D)), "noise": n((N, K)), "theta": theta}
