"""Poisson regression with an exposure offset, negative log-likelihood and its gradients."""
from __future__ import annotations

import numpy as np

Float = Array = None  # the annotations are for the reader only


def nll(X: Float[Array, "n features"], counts: Float[Array, "n"],
        offset: Float[Array, "n"], beta: Float[Array, "features"],
        intercept: Float[Array, ""]):
    n = X.shape[0]
    eta = X @ beta + intercept + offset
    rate = np.exp(eta)
    value = np.sum(rate - counts * eta) / n
    d_eta = (rate - counts) / n
    d_beta = X.T @ d_eta
    d_intercept = d_eta.sum()
    return value, {"beta": d_beta, "intercept": d_intercept, "offset": d_eta}
