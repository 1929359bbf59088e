from dataclasses import dataclass

import numpy as np


@dataclass
class Params:
    w_in: np.ndarray   # (hidden, in)
    w_gate: np.ndarray  # (hidden, in)
    w_out: np.ndarray  # (out, hidden)


@dataclass
class Residuals:
    x: np.ndarray
    lin: np.ndarray
    gate: np.ndarray
    prod: np.ndarray


def glu(params: Params, x: np.ndarray) -> tuple[np.ndarray, Residuals]:
    lin = x @ params.w_in.T
    gate = 1 / (1 + np.exp(-(x @ params.w_gate.T)))
    prod = lin * gate
    return prod @ params.w_out.T, Residuals(x, lin, gate, prod)


def glu_pullback(params: Params, res: Residuals, y_bar: np.ndarray) -> tuple[Params, np.ndarray]:
    w_out_bar = y_bar.T @ res.prod
    prod_bar = y_bar @ params.w_out
    lin_bar = prod_bar * res.gate
    gate_bar = prod_bar * res.lin
    act_bar = gate_bar * res.gate * (1 - res.gate)
    x_bar = lin_bar @ params.w_in + act_bar @ params.w_gate
    return Params(lin_bar.T @ res.x, act_bar.T @ res.x, w_out_bar), x_bar


def example(rng):
    return {
        "params": Params(
            rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), rng.standard_normal((2, 5))
        ),
        "x": rng.standard_normal((4, 3)),
    }
