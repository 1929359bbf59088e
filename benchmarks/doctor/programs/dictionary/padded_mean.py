import numpy as np

PAD = 0


def forward(weights, ids, labels):
    mask = (ids != PAD).astype(float)                       # (B, T)
    vectors = weights["embedding"][ids]                     # (B, T, D)
    lengths = mask.sum(axis=1, keepdims=True)
    sentence = (vectors * mask[:, :, None]).sum(axis=1) / lengths
    scores = sentence.dot(weights["out"])[:, 0]
    prob = 1.0 / (1.0 + np.exp(-scores))
    loss = -(labels * np.log(prob) + (1 - labels) * np.log(1 - prob)).mean()
    return loss, (ids, labels, mask, lengths, sentence, prob)


def backward(weights, cache):
    ids, labels, mask, lengths, sentence, prob = cache
    dscores = (prob - labels) / len(labels)
    dout = sentence.T.dot(dscores[:, None])
    dsentence = np.outer(dscores, weights["out"])
    dvectors = dsentence[:, None, :] * mask[:, :, None] / lengths[:, :, None]
    dembedding = np.zeros_like(weights["embedding"])
    np.add.at(dembedding, ids, dvectors)
    return {"embedding": dembedding, "out": dout}


def example(rng):
    ids = np.array([[3, 1, 3, 0, 0], [2, 5, 4, 1, 0], [5, 5, 0, 0, 0], [1, 2, 3, 4, 5]])
    return {
        "weights": {"embedding": rng.normal(size=(6, 3)), "out": rng.normal(size=(3, 1))},
        "ids": ids,
        "labels": np.array([1.0, 0.0, 0.0, 1.0]),
    }
