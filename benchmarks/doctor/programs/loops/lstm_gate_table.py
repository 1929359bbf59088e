"""An LSTM whose gates are entries of dictionaries; the last state is classified."""
import numpy as np


class LSTM:
    GATES = "ifog"

    def __init__(self, U, V, b, out):
        self.U, self.V, self.b, self.out = U, V, b, out

    @staticmethod
    def act(gate, a):
        return np.tanh(a) if gate == "g" else 1 / (1 + np.exp(-a))

    @staticmethod
    def act_grad(gate, y):
        return 1 - y ** 2 if gate == "g" else y * (1 - y)

    def step(self, x, h, c):
        s = {k: self.act(k, self.U[k] @ x + self.V[k] @ h + self.b[k]) for k in self.GATES}
        s["c"] = s["f"] * c + s["i"] * s["g"]
        s["h"] = s["o"] * np.tanh(s["c"])
        return s

    def loss(self, xs, label):
        H = len(self.b["i"])
        self.xs = xs
        self.states = [{"h": np.zeros(H), "c": np.zeros(H)}]
        for x in xs:
            last = self.states[-1]
            self.states.append(self.step(x, last["h"], last["c"]))
        scores = self.out @ self.states[-1]["h"]
        e = np.exp(scores - scores.max())
        self.p = e / e.sum()
        self.label = label
        return -np.log(self.p[label])

    def grad(self):
        self.dU = {k: np.zeros_like(v) for k, v in self.U.items()}
        self.dV = {k: np.zeros_like(v) for k, v in self.V.items()}
        self.db = {k: np.zeros_like(v) for k, v in self.b.items()}
        dscores = self.p.copy()
        dscores[self.label] -= 1
        self.dout = np.outer(dscores, self.states[-1]["h"])
        dh, dc = self.out.T @ dscores, 0
        for t in range(len(self.xs), 0, -1):
            s, prev = self.states[t], self.states[t - 1]
            tc = np.tanh(s["c"])
            dc = dc + dh * s["o"] * (1 - tc ** 2)
            d = {"o": dh * tc, "i": dc * s["g"], "g": dc * s["i"], "f": dc * prev["c"]}
            dh = np.zeros_like(dh)
            for k in self.GATES:
                da = d[k] * self.act_grad(k, s[k])
                self.dU[k] += np.outer(da, self.xs[t - 1])
                self.dV[k] += np.outer(da, prev["h"])
                self.db[k] += da
                dh += self.V[k].T @ da
            dc = dc * s["f"]


def example(rng):
    D, H, C = 3, 4, 5
    return {
        "init": {
            "U": {k: rng.normal(size=(H, D)) for k in "ifog"},
            "V": {k: rng.normal(size=(H, H)) * 0.6 for k in "ifog"},
            "b": {k: rng.normal(size=H) for k in "ifog"},
            "out": rng.normal(size=(C, H)),
        },
        "forward": {"xs": rng.normal(size=(4, D)), "label": 2},
    }
