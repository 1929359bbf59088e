import numpy as np

try:
    from scipy.special import expit
except ImportError:

    def expit(v):
        return 0.5 * (1 + np.tanh(0.5 * v))


def logit_objective(beta, intercept, X, y, weight, ridge):
    """Weighted, penalised negative log-likelihood and its gradient. y in {0, 1}."""
    eta = X.dot(beta) + intercept
    total = weight.sum()
    nll = np.sum(weight * (np.logaddexp(0, eta) - y * eta)) / total
    penalty = 0.5 * ridge * beta.dot(beta)

    resid = weight * (expit(eta) - y) / total
    grad_beta = X.T.dot(resid) + ridge * beta
    grad_intercept = resid.sum()
    return nll + penalty, grad_beta, grad_intercept


def example(rng):
    n, p = 8, 3
    return {
        "beta": rng.normal(size=p),
        "intercept": 0.3,
        "X": rng.normal(size=(n, p)),
        "y": rng.integers(0, 2, n),
        "weight": rng.uniform(0.5, 3.0, n),
        "ridge": 0.0,
    }
