import numpy as np


def discounted(rewards, gamma):
    out = np.zeros(len(rewards))
    running = 0.0
    for t in range(len(rewards) - 1, -1, -1):
        running = rewards[t] + gamma * running
        out[t] = running
    return out


def policy_loss(model, obs, actions, rewards, gamma=0.9, entropy_coef=0.01):
    """REINFORCE with a two-layer Bernoulli policy: loss = -mean(advantage * log p(action)) and an
    entropy bonus. Weights follow W1 (H, D) and W2 (H,)."""
    adv = discounted(rewards, gamma)
    adv = (adv - adv.mean()) / adv.std()

    h = obs @ model["W1"].T
    h[h < 0] = 0
    logp = h @ model["W2"]
    p = 1.0 / (1.0 + np.exp(-logp))  # probability of going up
    chosen = np.where(actions == 1, p, 1 - p)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    loss = -np.mean(adv * np.log(chosen)) - entropy_coef * np.mean(entropy)

    # gradient on the logit: y - p encourages the action that was taken
    dlogp = -(actions - p) * adv / len(p)
    dlogp += entropy_coef * p * (1 - p) * logp / len(p)
    dW2 = h.T @ dlogp
    dh = np.outer(dlogp, model["W2"])
    dh[h <= 0] = 0
    dW1 = dh.T @ obs
    return loss, {"W1": dW1, "W2": dW2}


def example(rng):
    T, D, H = 8, 5, 6
    return {"model": {"W1": rng.normal(size=(H, D)), "W2": rng.normal(size=H)},
            "obs": rng.normal(size=(T, D)), "actions": rng.integers(0, 2, size=T),
            "rewards": rng.normal(size=T), "gamma": 0.8, "entropy_coef": 0.1}
