"""Inverse heat conduction on a ring: find the diffusivity from the last temperature."""
import numpy as np

STEPS = 5
R = 0.2        # dt / dx^2


def misfit(T0, kappa, source, T_obs):
    T = np.empty((STEPS + 1, T0.size))
    T[0] = T0
    for n in range(STEPS):
        lap = np.roll(T[n], 1) - 2 * T[n] + np.roll(T[n], -1)
        T[n + 1] = T[n] + R * kappa * lap + source
    return 0.5 * np.sum((T[-1] - T_obs) ** 2), T


def sensitivities(kappa, T_obs, T):
    dkappa = np.zeros_like(kappa)
    dsource = np.zeros_like(kappa)
    a = T[-1] - T_obs
    for n in reversed(range(STEPS)):
        lap = np.roll(T[n], 1) - 2 * T[n] + np.roll(T[n], -1)
        dkappa += R * a * lap
        dsource += a
        b = R * kappa * a
        a = a + np.roll(b, -1) - 2 * b + np.roll(b, 1)
    return {"T0": a, "kappa": dkappa, "source": dsource}


def example(rng):
    n = 7
    return {
        "T0": rng.normal(size=n),
        "kappa": rng.uniform(0.3, 1.0, n),
        "source": 0.1 * rng.normal(size=n),
        "T_obs": rng.normal(size=n),
    }
