"""A tape in forty lines: every operation leaves a closure that hands its gradient back."""
import numpy as np


class Node:
    def __init__(self, data, parents=()):
        self.data = data
        self.grad = np.zeros_like(data)
        self.parents = parents
        self.back = lambda: None

    def matmul(self, other):
        out = Node(self.data @ other.data, (self, other))

        def back():
            self.grad += out.grad @ other.data.T
            other.grad += self.data.T @ out.grad

        out.back = back
        return out

    def add_row(self, row):
        out = Node(self.data + row.data, (self, row))

        def back():
            self.grad += out.grad
            row.grad += out.grad.sum(axis=0)

        out.back = back
        return out

    def tanh(self):
        t = np.tanh(self.data)
        out = Node(t, (self,))

        def back():
            self.grad += (1 - t ** 2) * out.grad

        out.back = back
        return out

    def mean_square(self, target):
        diff = self.data - target
        out = Node(np.mean(diff ** 2), (self,))

        def back():
            self.grad += 2 * diff / diff.size * out.grad

        out.back = back
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = np.ones_like(self.data)
        for node in reversed(order):
            node.back()


def loss_and_gradients(x, y, W1, b1, W2):
    x, W1, b1, W2 = Node(x), Node(W1), Node(b1), Node(W2)
    h = x.matmul(W1).add_row(b1).tanh()
    loss = h.matmul(W2).mean_square(y)
    loss.backward()
    return loss.data, {"W1": W1.grad, "b1": b1.grad, "W2": W2.grad, "x": x.grad}


def example(rng):
    return {"x": rng.normal(size=(5, 3)), "y": rng.normal(size=(5, 2)), "W1": rng.normal(size=(3, 4)),
            "b1": rng.normal(size=4), "W2": rng.normal(size=(4, 2))}
