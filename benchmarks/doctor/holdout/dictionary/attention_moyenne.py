# Classement de phrases : somme des mots pondérée par une attention, masque de remplissage.
import numpy as np


def avant(mots, masque, etiquette, poids):
    h = np.tanh(np.matmul(mots, poids["M"]))                    # (lot, temps, d)
    score = np.matmul(h, poids["requete"])                      # (lot, temps)
    score = np.where(masque > 0, score, -1e9)
    e = np.exp(score - score.max(axis=1, keepdims=True))
    alpha = e / e.sum(axis=1, keepdims=True)
    resume = np.sum(alpha[:, :, None] * h, axis=1)              # (lot, d)
    sortie = np.matmul(resume, poids["lecture"])                # (lot,)
    prob = 1 / (1 + np.exp(-sortie))
    cout = -np.mean(etiquette * np.log(prob) + (1 - etiquette) * np.log(1 - prob))
    return cout, {"mots": mots, "h": h, "alpha": alpha, "resume": resume, "prob": prob,
                  "etiquette": etiquette}


def arriere(memoire, poids):
    h, alpha = memoire["h"], memoire["alpha"]
    lot = len(memoire["prob"])
    grad_sortie = (memoire["prob"] - memoire["etiquette"]) / lot
    grad = {}
    grad["lecture"] = np.matmul(memoire["resume"].T, grad_sortie)
    grad_resume = np.outer(grad_sortie, poids["lecture"])
    grad_alpha = np.sum(grad_resume[:, None, :] * h, axis=2)
    grad_h = alpha[:, :, None] * grad_resume[:, None, :]
    moyenne = np.sum(alpha * grad_alpha, axis=1, keepdims=True)
    grad_score = alpha * (grad_alpha - moyenne)
    grad["requete"] = np.einsum("lt,ltd->d", grad_score, h)
    grad_h = grad_h + grad_score[:, :, None] * poids["requete"]
    grad_z = grad_h * (1 - h * h)
    grad["M"] = np.einsum("lte,ltd->ed", memoire["mots"], grad_z)
    return grad


def example(rng):
    lot, temps, e, d = 4, 5, 3, 6
    masque = np.ones((lot, temps))
    masque[0, 3:] = 0
    masque[2, 1:] = 0
    return {
        "mots": rng.normal(size=(lot, temps, e)),
        "masque": masque,
        "etiquette": np.array([1, 0, 0, 1]),
        "poids": {
            "M": rng.normal(size=(e, d)),
            "requete": rng.normal(size=d),
            "lecture": rng.normal(size=d),
        },
    }
