# Zweischichtiges Netz, quadratischer Fehler, von Hand abgeleitet
import numpy as np


def vorwaerts(eingabe, ziel, gewichte):
    v1 = eingabe @ gewichte["G1"] + gewichte["s1"]
    h1 = 1 / (1 + np.exp(-v1))
    v2 = h1 @ gewichte["G2"] + gewichte["s2"]
    h2 = 1 / (1 + np.exp(-v2))
    fehler = h2 - ziel
    kosten = 0.5 * np.sum(fehler**2) / len(eingabe)
    speicher = {"eingabe": eingabe, "h1": h1, "h2": h2, "fehler": fehler}
    return kosten, speicher


def rueckwaerts(speicher, gewichte):
    anzahl = speicher["eingabe"].shape[0]
    h1, h2 = speicher["h1"], speicher["h2"]
    # h1 und h2 sind schon durch die Sigmoide gegangen
    d2 = speicher["fehler"] * h2 * (1 - h2) / anzahl
    d1 = (d2 @ gewichte["G2"].T) * h1 * (1 - h1)
    return {
        "dG2": h1.T @ d2,
        "ds2": d2.sum(axis=0),
        "dG1": speicher["eingabe"].T @ d1,
        "ds1": d1.sum(axis=0),
    }


def example(rng):
    return {
        "eingabe": rng.standard_normal((1, 4)),
        "ziel": rng.random((1, 2)),
        "gewichte": {
            "G1": rng.standard_normal((4, 3)),
            "s1": np.zeros(3),
            "G2": rng.standard_normal((3, 2)),
            "s2": np.zeros(2),
        },
    }
