import numpy as np

# LSTM over a sequence of column vectors, regression on every output.
# z = [h_{t-1}; x_t],  gates f, i, o and candidate C_bar


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dsigmoid(y):
    return y * (1 - y)


def dtanh(y):
    return 1 - y * y


def forward(xs, targets, h_prev, C_prev, W_f, b_f, W_i, b_i, W_c, b_c, W_o, b_o, W_v, b_v):
    x_s, z_s, f_s, i_s, C_bar_s, C_s, o_s, h_s, v_s = {}, {}, {}, {}, {}, {}, {}, {}, {}
    h_s[-1], C_s[-1] = np.copy(h_prev), np.copy(C_prev)
    loss = 0
    for t in range(len(xs)):
        x_s[t] = xs[t].reshape(-1, 1)
        z_s[t] = np.vstack((h_s[t - 1], x_s[t]))
        f_s[t] = sigmoid(np.dot(W_f, z_s[t]) + b_f)
        i_s[t] = sigmoid(np.dot(W_i, z_s[t]) + b_i)
        C_bar_s[t] = np.tanh(np.dot(W_c, z_s[t]) + b_c)
        C_s[t] = f_s[t] * C_s[t - 1] + i_s[t] * C_bar_s[t]
        o_s[t] = sigmoid(np.dot(W_o, z_s[t]) + b_o)
        h_s[t] = o_s[t] * np.tanh(C_s[t])
        v_s[t] = np.dot(W_v, h_s[t]) + b_v
        loss += np.sum((v_s[t] - targets[t].reshape(-1, 1)) ** 2)
    cache = (targets, z_s, f_s, i_s, C_bar_s, C_s, o_s, h_s, v_s, W_f, W_i, W_c, W_o, W_v)
    return loss, cache


def backward(cache):
    targets, z_s, f_s, i_s, C_bar_s, C_s, o_s, h_s, v_s, W_f, W_i, W_c, W_o, W_v = cache
    H = h_s[0].shape[0]
    d = {}
    for name, W in zip("ficov", (W_f, W_i, W_c, W_o, W_v)):
        d["W_" + name] = np.zeros_like(W)
        d["b_" + name] = np.zeros((W.shape[0], 1))
    dh_next = np.zeros((H, 1))
    dC_next = np.zeros((H, 1))
    for t in reversed(range(len(targets))):
        C_prev = C_s[t - 1]

        dv = 2 * (v_s[t] - targets[t].reshape(-1, 1))
        d["W_v"] += np.dot(dv, h_s[t].T)
        d["b_v"] += dv

        dh = np.dot(W_v.T, dv)
        dh += dh_next

        do = dh * np.tanh(C_s[t])
        do = dsigmoid(o_s[t]) * do
        d["W_o"] += np.dot(do, z_s[t].T)
        d["b_o"] += do

        dC = np.copy(dC_next)
        dC += dh * o_s[t] * dtanh(np.tanh(C_s[t]))
        dC_bar = dC * i_s[t]
        dC_bar = dtanh(C_bar_s[t]) * dC_bar
        d["W_c"] += np.dot(dC_bar, z_s[t].T)
        d["b_c"] += dC_bar

        di = dC * C_bar_s[t]
        di = dsigmoid(i_s[t]) * di
        d["W_i"] += np.dot(di, z_s[t].T)
        d["b_i"] += di

        df = dC * C_prev
        df = dsigmoid(f_s[t]) * df
        d["W_f"] += np.dot(df, z_s[t].T)
        d["b_f"] += df

        dz = (np.dot(W_f.T, df)
              + np.dot(W_i.T, di)
              + np.dot(W_c.T, dC_bar)
              + np.dot(W_o.T, do))
        dh_next = dz[:H, :]
        dC_next = f_s[t] * dC
    d["h_prev"], d["C_prev"] = dh_next, dC_next
    return d


def example(rng):
    H, D, K, T = 4, 3, 2, 4
    args = {"xs": rng.normal(size=(T, D)), "targets": rng.normal(size=(T, K)),
            "h_prev": rng.normal(size=(H, 1)), "C_prev": rng.normal(size=(H, 1))}
    for gate in "fico":
        args["W_" + gate] = rng.normal(size=(H, H + D)) * 0.5
        args["b_" + gate] = rng.normal(size=(H, 1))
    args["W_v"] = rng.normal(size=(K, H))
    args["b_v"] = rng.normal(size=(K, 1))
    return args
