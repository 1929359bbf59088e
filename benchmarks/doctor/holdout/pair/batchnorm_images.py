import numpy as np

# Batch normalisation of image batches (N, C, H, W), statistics per channel.
# mean of the centred values is 0, so the second term of dmu is left out on purpose.

AX = (0, 2, 3)


def _c(v):
    return v[None, :, None, None]


def spatial_bn(img, gamma, beta, eps=1e-5):
    mu = img.mean(axis=AX)
    centred = img - _c(mu)
    var = (centred ** 2).mean(axis=AX)
    istd = (var + eps) ** -0.5
    norm = centred * _c(istd)
    return _c(gamma) * norm + _c(beta), {"centred": centred, "istd": istd, "norm": norm, "gamma": gamma}


def spatial_bn_back(grad, store):
    centred, istd = store["centred"], store["istd"]
    n, _, h, w = grad.shape
    M = n * h * w
    grad_beta = grad.sum(axis=AX)
    grad_gamma = (grad * store["norm"]).sum(axis=AX)
    gn = grad * _c(store["gamma"])
    gvar = (gn * centred).sum(axis=AX) * -0.5 * istd ** 3
    gmu = -(gn.sum(axis=AX)) * istd
    grad_img = gn * _c(istd) + _c(gvar) * 2 * centred / M + _c(gmu) / M
    return grad_img, grad_gamma, grad_beta


def example(rng):
    return {
        "img": 1.5 * rng.standard_normal((3, 2, 4, 5)) + 0.7,
        "gamma": rng.uniform(0.5, 2.0, 2),
        "beta": rng.standard_normal(2),
    }
