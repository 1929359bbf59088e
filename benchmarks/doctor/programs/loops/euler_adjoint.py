import numpy as np
from collections import namedtuple

Tape = namedtuple("Tape", "states A b dt")


def simulate(u0, A, b, dt, n_steps):
    """Explicit Euler for du/dt = tanh(A u + b) - u; returns the trajectory (n_steps + 1, dim)."""
    states = np.zeros((n_steps + 1, u0.size))
    states[0] = u0
    for k in range(n_steps):
        u = states[k]
        states[k + 1] = u + dt * (np.tanh(A @ u + b) - u)
    return states, Tape(states, A, b, dt)


def adjoint(dstates, tape):
    """Discrete adjoint: lambda_k = dL/du_k, given the direct contributions dstates[k]."""
    A, dt = tape.A, tape.dt
    A_bar = np.zeros_like(A)
    b_bar = np.zeros_like(tape.b)
    lam = dstates[-1].copy()
    for k in range(len(dstates) - 2, -1, -1):
        u = tape.states[k]
        s = np.tanh(A @ u + tape.b)
        v = dt * lam * (1 - s * s)
        A_bar += np.outer(v, u)
        b_bar += v
        lam = lam + A.T @ v - dt * lam
        lam += dstates[k]
    return lam, A_bar, b_bar


def example(rng):
    return {"u0": rng.normal(size=3), "A": rng.normal(size=(3, 3)), "b": rng.normal(size=3),
            "dt": 0.25, "n_steps": 5}
