# A small LeNet: conv - relu - maxpool - conv - relu - flatten - dense - softmax.
# Every layer keeps what it needs between forward and backward; layer.grads has the same keys as
# layer.params. Images are N x C x H x W.
import numpy as np


def get_im2col_indices(x_shape, field_height, field_width, stride):
    N, C, H, W = x_shape
    out_height = (H - field_height) // stride + 1
    out_width = (W - field_width) // stride + 1
    i0 = np.repeat(np.arange(field_height), field_width)
    i0 = np.tile(i0, C)
    i1 = stride * np.repeat(np.arange(out_height), out_width)
    j0 = np.tile(np.arange(field_width), field_height * C)
    j1 = stride * np.tile(np.arange(out_width), out_height)
    i = i0.reshape(-1, 1) + i1.reshape(1, -1)
    j = j0.reshape(-1, 1) + j1.reshape(1, -1)
    k = np.repeat(np.arange(C), field_height * field_width).reshape(-1, 1)
    return k, i, j, out_height, out_width


class Conv:
    def __init__(self, W, b, stride=1):
        self.params = {"W": W, "b": b}
        self.grads = {}
        self.stride = stride

    def forward(self, x):
        W, b = self.params["W"], self.params["b"]
        n_filters, _, fh, fw = W.shape
        k, i, j, oh, ow = get_im2col_indices(x.shape, fh, fw, self.stride)
        cols = x[:, k, i, j]                                   # N, C*fh*fw, oh*ow
        out = np.matmul(W.reshape(n_filters, -1), cols) + b.reshape(-1, 1)
        self.cache = (x.shape, cols, k, i, j)
        return out.reshape(x.shape[0], n_filters, oh, ow)

    def backward(self, dout):
        W = self.params["W"]
        x_shape, cols, k, i, j = self.cache
        n_filters = W.shape[0]
        dout = dout.reshape(x_shape[0], n_filters, -1)
        self.grads["b"] = dout.sum(axis=(0, 2))
        self.grads["W"] = np.einsum("nfp,nkp->fk", dout, cols).reshape(W.shape)
        dcols = np.matmul(W.reshape(n_filters, -1).T, dout)
        dx = np.zeros(x_shape)
        np.add.at(dx, (slice(None), k, i, j), dcols)
        return dx


class Relu:
    def forward(self, x):
        self.on = x > 0
        return x * self.on

    def backward(self, dout):
        return dout * self.on


class MaxPool2x2:
    def forward(self, x):
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        blocks = blocks.reshape(n, c, h // 2, w // 2, 4)
        self.winner = blocks.argmax(axis=-1)
        self.x_shape = x.shape
        return blocks.max(axis=-1)

    def backward(self, dout):
        n, c, h, w = self.x_shape
        dblocks = dout[..., None] * (np.arange(4) == self.winner[..., None])
        dblocks = dblocks.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        return dblocks.reshape(n, c, h, w)


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


class FullyConnected:
    def __init__(self, W, b):
        self.params = {"W": W, "b": b}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x.dot(self.params["W"]) + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.x.T.dot(dout)
        self.grads["b"] = dout.sum(axis=0)
        return dout.dot(self.params["W"].T)


class LeNet:
    def __init__(self, conv1_w, conv1_b, conv2_w, conv2_b, fc_w, fc_b):
        self.conv1 = Conv(conv1_w, conv1_b)
        self.conv2 = Conv(conv2_w, conv2_b)
        self.fc = FullyConnected(fc_w, fc_b)
        self.layers = [self.conv1, Relu(), MaxPool2x2(), self.conv2, Relu(), Flatten(), self.fc]

    def loss(self, images, labels):
        out = images
        for layer in self.layers:
            out = layer.forward(out)
        out = out - out.max(axis=1, keepdims=True)
        self.probs = np.exp(out) / np.exp(out).sum(axis=1, keepdims=True)
        self.labels = labels
        return -np.log(self.probs[np.arange(len(labels)), labels]).mean()

    def backward(self):
        dout = self.probs.copy()
        dout[np.arange(len(self.labels)), self.labels] -= 1
        dout /= len(self.labels)
        for layer in self.layers[::-1]:
            dout = layer.backward(dout)
        return {
            "conv1_w": self.conv1.grads["W"],
            "conv1_b": self.conv1.grads["b"],
            "conv2_w": self.conv2.grads["W"],
            "conv2_b": self.conv2.grads["b"],
            "fc_w": self.fc.grads["W"],
            "fc_b": self.fc.grads["b"],
        }


def example(rng):
    return {
        "init": {
            "conv1_w": rng.normal(size=(2, 1, 3, 3)),
            "conv1_b": rng.normal(size=2),
            "conv2_w": 0.5 * rng.normal(size=(3, 2, 2, 2)),
            "conv2_b": rng.normal(size=3),
            "fc_w": 0.3 * rng.normal(size=(6, 4)),
            "fc_b": rng.normal(size=4),
        },
        "forward": {"images": rng.normal(size=(3, 1, 8, 6)), "labels": np.array([3, 0, 2])},
    }
