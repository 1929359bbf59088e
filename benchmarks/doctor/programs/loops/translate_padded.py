import numpy as np

PAD = 0


def log_softmax(v):
    v = v - v.max(axis=-1, keepdims=True)
    return v - np.log(np.exp(v).sum(axis=-1, keepdims=True))


class Translator:
    """Two plain RNNs: the encoder's last real state starts the decoder. Index 0 is padding."""

    def __init__(self, emb, We, Ue, Wd, Ud, out):
        self.p = {"emb": emb, "We": We, "Ue": Ue, "Wd": Wd, "Ud": Ud, "out": out}

    def loss(self, source, target):
        p = self.p
        self.source, self.target = source, target
        h = np.zeros((len(source), p["Ue"].shape[0]))
        self.enc = [h]
        for t in range(source.shape[1]):
            live = (source[:, t] != PAD)[:, None]
            new = np.tanh(p["emb"][source[:, t]] @ p["We"] + h @ p["Ue"])
            h = np.where(live, new, h)
            self.enc.append(h)
        self.dec, self.logp = [h], []
        total = 0.0
        for t in range(target.shape[1] - 1):
            h = np.tanh(p["emb"][target[:, t]] @ p["Wd"] + h @ p["Ud"])
            logp = log_softmax(h @ p["out"])
            self.dec.append(h)
            self.logp.append(logp)
            want = target[:, t + 1]
            total -= (logp[np.arange(len(want)), want] * (want != PAD)).sum()
        self.count = (target[:, 1:] != PAD).sum()
        return total / self.count

    def gradients(self):
        p = self.p
        d = {k: np.zeros_like(v) for k, v in p.items()}
        dh = np.zeros_like(self.dec[0])
        rows = np.arange(len(self.target))
        for t in range(self.target.shape[1] - 2, -1, -1):
            want = self.target[:, t + 1]
            ds = np.exp(self.logp[t])
            ds[rows, want] -= 1
            ds *= (want != PAD)[:, None] / self.count
            d["out"] += self.dec[t + 1].T @ ds
            dz = (dh + ds @ p["out"].T) * (1 - self.dec[t + 1] ** 2)
            np.add.at(d["emb"], self.target[:, t], dz @ p["Wd"].T)
            d["Wd"] += p["emb"][self.target[:, t]].T @ dz
            d["Ud"] += self.dec[t].T @ dz
            dh = dz @ p["Ud"].T
        for t in range(self.source.shape[1] - 1, -1, -1):
            live = (self.source[:, t] != PAD)[:, None]
            dz = dh * live * (1 - self.enc[t + 1] ** 2)
            np.add.at(d["emb"], self.source[:, t], dz @ p["We"].T)
            d["We"] += p["emb"][self.source[:, t]].T @ dz
            d["Ue"] += self.enc[t].T @ dz
            dh = dz @ p["Ue"].T + dh * ~live
        return d


def example(rng):
    words, size, hid = 6, 3, 4
    init = {
        "emb": rng.normal(size=(words, size)),
        "We": rng.normal(size=(size, hid)), "Ue": 0.8 * rng.normal(size=(hid, hid)),
        "Wd": rng.normal(size=(size, hid)), "Ud": 0.8 * rng.normal(size=(hid, hid)),
        "out": rng.normal(size=(hid, words)),
    }
    source = np.array([[1, 2, 3], [4, 2, 0], [5, 1, 2]])
    target = np.array([[1, 3, 2, 4], [1, 5, 0, 0], [1, 2, 2, 0]])
    return {"init": init, "forward": {"source": source, "target": target}}
