import numpy as np


def energy(model, signal, goal):
    hidden = np.tanh(signal @ model["reader"])
    mixed = np.tanh(hidden @ model["mixer"])
    answer = mixed @ model["writer"]
    return ((answer - goal) ** 2).mean(), (signal, goal, hidden, mixed, answer)


def slopes(model, memory):
    signal, goal, hidden, mixed, answer = memory
    e = 2 * (answer - goal) / answer.size
    s3 = mixed.T @ e
    e = e @ model["writer"].T * (1 - mixed**2)
    s2 = hidden.T @ e
    e = e @ model["mixer"].T * (1 - hidden**2)
    s1 = signal.T @ e
    return {"s1": s1, "s2": s2, "s3": s3}


def example(rng):
    return {
        "model": {
            "reader": rng.normal(size=(3, 4)),
            "mixer": rng.normal(size=(4, 5)),
            "writer": rng.normal(size=(5, 2)),
        },
        "signal": rng.normal(size=(7, 3)),
        "goal": rng.normal(size=(7, 2)),
    }
