"""A small framework: layers with parameters, a loss, a list of layers that is run both ways."""
import numpy as np


class Parameter:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)


class Module:
    def parameters(self):
        return [v for v in vars(self).values() if isinstance(v, Parameter)]


class Linear(Module):
    def __init__(self, weight, bias):
        self.weight = Parameter(weight)  # (out, in)
        self.bias = Parameter(bias)

    def __call__(self, x):
        self.x = x
        return x @ self.weight.value.T + self.bias.value

    def backward(self, dy):
        self.weight.grad += dy.T @ self.x
        self.bias.grad += dy.sum(axis=0)
        return dy @ self.weight.value


class LayerNorm(Module):
    eps = 1e-5

    def __init__(self, gain, shift):
        self.gain = Parameter(gain)
        self.shift = Parameter(shift)

    def __call__(self, x):
        self.mean = x.mean(axis=1, keepdims=True)
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + self.eps)
        self.normed = (x - self.mean) / self.std
        return self.gain.value * self.normed + self.shift.value

    def backward(self, dy):
        self.gain.grad += (dy * self.normed).sum(axis=0)
        self.shift.grad += dy.sum(axis=0)
        dn = dy * self.gain.value
        along = np.mean(dn * self.normed, axis=1, keepdims=True)
        return (dn - dn.mean(axis=1, keepdims=True) - self.normed * along) / self.std


class Softplus(Module):
    def __call__(self, x):
        self.x = x
        return np.logaddexp(0, x)

    def backward(self, dy):
        return dy / (1 + np.exp(-self.x))


class Sine(Module):
    omega = 1.5

    def __call__(self, x):
        self.x = x
        return np.sin(self.omega * x)

    def backward(self, dy):
        return dy * self.omega * np.cos(self.omega * self.x)


class CrossEntropy:
    def __call__(self, logits, labels):
        logits = logits - logits.max(axis=1, keepdims=True)
        self.logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        self.labels = labels
        return -np.mean(self.logp[np.arange(len(labels)), labels])

    def backward(self):
        d = np.exp(self.logp)
        d[np.arange(len(self.labels)), self.labels] -= 1
        return d / len(self.labels)


class Model:
    def __init__(self, linear1, norm, linear2, linear3):
        self.layers = [Linear(*linear1), LayerNorm(*norm), Softplus(),
                       Linear(*linear2), Sine(), Linear(*linear3)]
        self.criterion = CrossEntropy()

    def loss(self, x, labels):
        for layer in self.layers:
            x = layer(x)
        return self.criterion(x, labels)

    def zero_grad(self):
        for layer in self.layers:
            for p in layer.parameters():
                p.grad[...] = 0

    def backward(self):
        self.zero_grad()
        dy = self.criterion.backward()
        for layer in self.layers[::-1]:
            dy = layer.backward(dy)
        return dy

    def step(self, lr):
        for layer in self.layers:
            for p in layer.parameters():
                p.value -= lr * p.grad


def example(rng):
    def linear(out, size):
        return rng.normal(size=(out, size)), rng.normal(size=out)

    return {"init": {"linear1": linear(5, 3), "norm": (rng.normal(size=5), rng.normal(size=5)),
                     "linear2": linear(4, 5), "linear3": linear(3, 4)},
            "forward": {"x": rng.normal(size=(6, 3)), "labels": rng.integers(0, 3, size=6)}}


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    settings = example(rng)
    model = Model(**settings["init"])
    for epoch in range(100):
        value = model.loss(**settings["forward"])
        model.backward()
        model.step(0.1)
        if epoch % 10 == 0:
            print(epoch, round(value, 4))
