import numpy as np


def costFunction(thetas, X, Y, lambd):
    """Octave exercise, translated. Bias units are a column of ones; row 0 is not regularised."""
    m = X.shape[0]
    a1 = np.hstack([np.ones((m, 1)), X])
    z2 = a1.dot(thetas["theta1"])
    a2 = np.hstack([np.ones((m, 1)), 1 / (1 + np.exp(-z2))])
    z3 = a2.dot(thetas["theta2"])
    h = 1 / (1 + np.exp(-z3))
    J = (-1 / m) * (np.sum(Y * np.log(h)) + np.sum((1 - Y) * np.log(1 - h)))
    J += lambd / (2 * m) * (np.sum(thetas["theta1"][1:] ** 2) + np.sum(thetas["theta2"][1:] ** 2))
    return J, {"a1": a1, "a2": a2, "h": h, "Y": Y, "lambd": lambd}


def gradFunction(thetas, stuff):
    a1, a2 = stuff["a1"], stuff["a2"]
    lambd = stuff["lambd"]
    m = a1.shape[0]
    delta3 = stuff["h"] - stuff["Y"]
    delta2 = delta3.dot(thetas["theta2"].T)[:, 1:] * a2[:, 1:] * (1 - a2[:, 1:])
    grad1 = a1.T.dot(delta2) / m
    grad2 = a2.T.dot(delta3) / m
    grad1[1:] += lambd / m * thetas["theta1"][1:]
    grad2[1:] += lambd / m * thetas["theta2"][1:]
    return {"theta1": grad1, "theta2": grad2}


def example(rng):
    return {
        "thetas": {"theta1": rng.normal(size=(3, 4)), "theta2": rng.normal(size=(5, 2))},
        "X": rng.normal(size=(6, 2)),
        "Y": np.eye(2)[rng.integers(0, 2, size=6)],
        "lambd": 0.0,
    }
