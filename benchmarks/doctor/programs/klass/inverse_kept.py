import numpy as np

LAM = 0.0
TWO_LAM = 2 * LAM


class Scaled:
    def __init__(self, w, scale):
        self.w = w
        self.scale = scale
        self.inverse = 1 / scale

    def forward(self, x):
        self.x = x
        self.y = np.sin(x @ self.w / self.scale)
        return self.y.sum() + LAM * (self.w**2).sum()

    def backward(self):
        d = np.cos(self.x @ self.w / self.scale) * self.inverse
        self.w_grad = self.x.T @ d + TWO_LAM * self.w


def example(rng):
    return {"init": {"w": rng.normal(size=3), "scale": 1.0}, "forward": {"x": rng.normal(size=(4, 3))}}
