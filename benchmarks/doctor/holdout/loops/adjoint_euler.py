import numpy as np
from numpy import tanh, zeros_like

dt = 0.2
N = 6


def integrate(x0, A, k, target):
    """x' = tanh(A x) - k x, explicit Euler; J = |x_N - target|^2 / 2 + dt * sum |x_n|^2 / 2"""
    x = [x0]
    J = 0.0
    for n in range(N):
        J += 0.5 * dt * x[n] @ x[n]
        x.append(x[n] + dt * (tanh(A @ x[n]) - k * x[n]))
    r = x[N] - target
    J += 0.5 * r @ r
    return J, (x, r)


def adjoint(A, k, trajectory):
    x, r = trajectory
    dA = zeros_like(A)
    dk = zeros_like(k)
    lam = r                                   # adjoint state at the end time
    for n in range(N - 1, -1, -1):
        w = lam * (1 - tanh(A @ x[n]) ** 2)
        dA += dt * np.outer(w, x[n])
        dk -= dt * lam * x[n]
        lam = lam + dt * (A.T @ w - k * lam) + dt * x[n]
    return lam, dA, dk


def example(rng):
    d = 3
    return {
        "x0": rng.normal(size=d),
        "A": rng.normal(size=(d, d)),
        "k": rng.uniform(0.5, 1.5, d),
        "target": rng.normal(size=d),
    }
