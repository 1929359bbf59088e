import numpy as np


def im2col(img, kh, kw, stride):
    N, C, H, W = img.shape
    oh = (H - kh) // stride + 1
    ow = (W - kw) // stride + 1
    col = np.zeros((N, C, kh, kw, oh, ow))
    for y in range(kh):
        for x in range(kw):
            col[:, :, y, x] = img[:, :, y : y + stride * oh : stride, x : x + stride * ow : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1)


def col2im(col, shape, kh, kw, stride):
    N, C, H, W = shape
    oh = (H - kh) // stride + 1
    ow = (W - kw) // stride + 1
    col = col.reshape(N, oh, ow, C, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros(shape)
    for y in range(kh):
        for x in range(kw):
            img[:, :, y : y + stride * oh : stride, x : x + stride * ow : stride] += col[:, :, y, x]
    return img


class Conv2D:
    def __init__(self, filters, bias, stride=1):
        self.filters = filters
        self.bias = bias
        self.stride = stride

    def forward(self, img):
        FN, C, kh, kw = self.filters.shape
        N, _, H, W = img.shape
        oh, ow = (H - kh) // self.stride + 1, (W - kw) // self.stride + 1
        self.shape = img.shape
        self.col = im2col(img, kh, kw, self.stride)
        self.col_W = self.filters.reshape(FN, -1).T
        out = self.col @ self.col_W + self.bias
        return out.reshape(N, oh, ow, FN).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, kh, kw = self.filters.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.dbias = dout.sum(axis=0)
        dW = self.col.T @ dout
        self.dfilters = dW.T.reshape(FN, C, kh, kw)
        dcol = dout @ self.col_W.T
        return col2im(dcol, self.shape, kh, kw, self.stride)


def example(rng):
    return {
        "init": {
            "filters": rng.normal(size=(3, 2, 3, 2)),
            "bias": rng.normal(size=3),
            "stride": 2,
        },
        "forward": {"img": rng.normal(size=(2, 2, 7, 6))},
    }
