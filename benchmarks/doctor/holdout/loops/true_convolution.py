import numpy as np


def convolve(image, kern, pad, step):
    """Real convolution (kernel rotated by 180 degrees), channels last, one image."""
    rows, cols, _ = image.shape
    kr, kc, _, cout = kern.shape
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    R = (rows + 2 * pad - kr) // step + 1
    C = (cols + 2 * pad - kc) // step + 1
    out = np.zeros((R, C, cout))
    rot = kern[::-1, ::-1]
    for i in range(R):
        for j in range(C):
            patch = padded[i * step : i * step + kr, j * step : j * step + kc]
            for o in range(cout):
                out[i, j, o] = (patch * rot[..., o]).sum()
    return out, (padded, kern)


def convolve_back(grad, saved, pad, step):
    padded, kern = saved
    kr, kc, _, cout = kern.shape
    rot = kern[::-1, ::-1]
    g_padded = np.zeros_like(padded)
    g_rot = np.zeros_like(kern)
    for i in range(grad.shape[0]):
        for j in range(grad.shape[1]):
            top, left = i * step, j * step
            for o in range(cout):
                g_padded[top : top + kr, left : left + kc] += grad[i, j, o] * rot[..., o]
                g_rot[..., o] += grad[i, j, o] * padded[top : top + kr, left : left + kc]
    g_kern = g_rot[::-1, ::-1]
    g_image = g_padded[pad:-pad, pad:-pad] if pad else g_padded
    return g_image, g_kern


def example(rng):
    return {
        "image": rng.normal(size=(6, 5, 2)),
        "kern": rng.normal(size=(3, 2, 2, 3)),
        "pad": 1,
        "step": 2,
    }
