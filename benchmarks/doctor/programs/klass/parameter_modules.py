import numpy as np


class Parameter:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)


class Linear:
    def __init__(self, weight, offset):
        self.weight, self.offset = Parameter(weight), Parameter(offset)

    def __call__(self, x):
        self.x = x
        return x @ self.weight.value.T + self.offset.value

    def back(self, g):
        self.weight.grad += g.T @ self.x
        self.offset.grad += np.ones(len(g)) @ g
        return g @ self.weight.value


class BatchNorm:
    def __init__(self, gain, shift, eps=1e-5):
        self.gain, self.shift, self.eps = Parameter(gain), Parameter(shift), eps

    def __call__(self, x):
        self.mean = x.mean(0)
        self.std = np.sqrt(x.var(0) + self.eps)
        self.hat = (x - self.mean) / self.std
        return self.gain.value * self.hat + self.shift.value

    def back(self, g):
        self.gain.grad += (g * self.hat).sum(0)
        self.shift.grad += g.sum(0)
        g = g * self.gain.value
        return (g - g.mean(0) - self.hat * (g * self.hat).mean(0)) / self.std


class ELU:
    def __init__(self, alpha):
        self.alpha = alpha

    def __call__(self, x):
        self.out = np.where(x > 0, x, self.alpha * (np.exp(x) - 1))
        return self.out

    def back(self, g):
        return g * np.where(self.out > 0, 1.0, self.out + self.alpha)


class Regressor:
    def __init__(self, w1, b1, gain, shift, w2, b2, decay):
        self.first, self.norm = Linear(w1, b1), BatchNorm(gain, shift)
        self.act, self.second = ELU(0.7), Linear(w2, b2)
        self.decay = decay

    def loss(self, x, target):
        self.error = self.second(self.act(self.norm(self.first(x)))) - target
        penalty = sum(np.sum(p.value ** 2) for p in (self.first.weight, self.second.weight))
        return 0.5 * np.sum(self.error ** 2) / len(x) + 0.5 * self.decay * penalty

    def backprop(self):
        g = self.error / len(self.error)
        for module in (self.second, self.act, self.norm, self.first):
            g = module.back(g)
        for p in (self.first.weight, self.second.weight):
            p.grad += self.decay * p.value
        return g


def example(rng):
    init = {
        "w1": rng.normal(size=(5, 3)), "b1": rng.normal(size=5),
        "gain": rng.normal(size=5), "shift": rng.normal(size=5),
        "w2": rng.normal(size=(2, 5)), "b2": rng.normal(size=2), "decay": 0.3,
    }
    return {"init": init, "forward": {"x": rng.normal(size=(6, 3)), "target": rng.normal(size=(6, 2))}}
