"""
Minimal character-level RNN, one function for the loss and its gradients.
"""
import numpy as np

vocab_size = 6


def lossFun(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
  """
  inputs, targets are both lists of integers.
  hprev is Hx1 array of initial hidden state
  returns the loss, gradients on model parameters, and last hidden state
  """
  xs, hs, ys, ps = {}, {}, {}, {}
  hs[-1] = np.copy(hprev)
  loss = 0
  # forward pass
  for t in range(len(inputs)):
    xs[t] = np.zeros((vocab_size, 1))  # 1-of-k
    xs[t][inputs[t]] = 1
    hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t-1]) + bh)
    ys[t] = np.dot(Why, hs[t]) + by
    ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
    loss += -np.log(ps[t][targets[t], 0])
  # backward pass: go backwards through the text
  dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
  dbh, dby = np.zeros_like(bh), np.zeros_like(by)
  dhnext = np.zeros_like(hs[0])
  for t in reversed(range(len(inputs))):
    dy = np.copy(ps[t])
    dy[targets[t]] -= 1  # backprop into y
    dWhy += np.dot(dy, hs[t].T)
    dby += dy
    dh = np.dot(Why.T, dy) + dhnext  # backprop into h
    dhraw = (1 - hs[t] * hs[t]) * dh  # through tanh
    dbh += dhraw
    dWxh += np.dot(dhraw, xs[t].T)
    dWhh += np.dot(dhraw, hs[t-1].T)
    dhnext = np.dot(Whh.T, dhraw)
  for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
    np.clip(dparam, -5, 5, out=dparam)  # against exploding gradients
  return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs)-1]


def example(rng):
  H = 4
  return dict(
    inputs=[0, 3, 1, 5, 2], targets=[3, 1, 5, 2, 4],
    hprev=rng.normal(size=(H, 1)),
    Wxh=rng.normal(size=(H, vocab_size)) * 0.4,
    Whh=rng.normal(size=(H, H)) * 0.4,
    Why=rng.normal(size=(vocab_size, H)) * 0.4,
    bh=rng.normal(size=(H, 1)) * 0.1, by=rng.normal(size=(vocab_size, 1)) * 0.1,
  )
