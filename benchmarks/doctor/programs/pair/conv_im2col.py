import numpy as np


def im2col(x, k, stride):
    """(N, C, H, W) -> rows of patches (N*oh*ow, C*k*k)"""
    N, C, H, W = x.shape
    oh, ow = (H - k) // stride + 1, (W - k) // stride + 1
    col = np.zeros((N, C, k, k, oh, ow))
    for i in range(k):
        for j in range(k):
            col[:, :, i, j] = x[:, :, i:i + stride * oh:stride, j:j + stride * ow:stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1), oh, ow


def col2im(col, shape, k, stride, oh, ow):
    N, C, H, W = shape
    col = col.reshape(N, oh, ow, C, k, k).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros(shape)
    for i in range(k):
        for j in range(k):
            img[:, :, i:i + stride * oh:stride, j:j + stride * ow:stride] += col[:, :, i, j]
    return img


def conv_forward(x, W, b, stride=1):
    F, C, k, _ = W.shape
    col, oh, ow = im2col(x, k, stride)
    col_W = W.reshape(F, -1).T
    out = col @ col_W + b
    out = out.reshape(x.shape[0], oh, ow, F).transpose(0, 3, 1, 2)
    return out, (x, W, stride, col, col_W, oh, ow)


def conv_backward(dout, cache):
    x, W, stride, col, col_W, oh, ow = cache
    F, C, k, _ = W.shape
    dout = dout.transpose(0, 2, 3, 1).reshape(-1, F)
    db = np.sum(dout, axis=0)
    dW = np.dot(col.T, dout)
    dW = dW.transpose(1, 0).reshape(F, C, k, k)
    dcol = np.dot(dout, col_W.T)
    dx = col2im(dcol, x.shape, k, stride, oh, ow)
    return dx, dW, db


def example(rng):
    return {
        "x": rng.normal(size=(2, 3, 5, 7)),
        "W": rng.normal(size=(4, 3, 3, 3)),
        "b": rng.normal(size=4),
        "stride": 2,
    }
