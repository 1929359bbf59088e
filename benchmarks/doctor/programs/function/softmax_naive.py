import numpy as np


def softmax_loss_naive(W, X, y, reg):
  """Softmax loss, with loops.  W is D x C, X is N x D, y holds the labels."""
  loss = 0.0
  dW = np.zeros_like(W)
  num_train = X.shape[0]
  num_classes = W.shape[1]

  for i in range(num_train):
    f = X[i].dot(W)
    f = f - np.max(f)
    p = np.exp(f) / np.sum(np.exp(f))
    loss += -np.log(p[y[i]])
    for k in range(num_classes):
      if k == y[i]:
        dW[:, k] += (p[k] - 1) * X[i]
      else:
        dW[:, k] += p[k] * X[i]

  loss /= num_train
  loss += 0.5 * reg * np.sum(W * W)
  dW /= num_train
  dW += reg * W
  return loss, dW


def example(rng):
  return {
      "W": rng.standard_normal((5, 3)),
      "X": rng.standard_normal((6, 5)),
      "y": rng.integers(0, 3, size=6),
      "reg": 0.1,
  }
