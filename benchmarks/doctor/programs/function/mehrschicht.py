# Uebung 7: zweischichtiges Netz, Zeilen = Beispiele
import numpy as np


def fehler_und_gradient(gew1, gew2, schwelle, eingabe, ziel):
    anzahl = len(eingabe)
    netto = eingabe.dot(gew1) - schwelle
    verdeckt = np.tanh(netto)
    ausgabe = verdeckt.dot(gew2)
    abweichung = ausgabe - ziel
    fehler = 0.5 * np.sum(abweichung * abweichung) / anzahl

    # Rueckwaertsphase
    d_ausgabe = abweichung / anzahl
    d_gew2 = verdeckt.T.dot(d_ausgabe)
    d_verdeckt = d_ausgabe.dot(gew2.T)
    d_netto = d_verdeckt * (1.0 - np.square(verdeckt))
    d_gew1 = eingabe.T.dot(d_netto)
    d_schwelle = -d_netto.sum(axis=0)
    d_eingabe = d_netto.dot(gew1.T)
    return fehler, d_gew1, d_gew2, d_schwelle, d_eingabe


def example(rng):
    # quadratisch und symmetrisch: die Einheitsmatrix
    return {"gew1": np.eye(3), "gew2": np.eye(3) * 0.5, "schwelle": np.zeros(3),
            "eingabe": rng.normal(size=(4, 3)), "ziel": rng.normal(size=(4, 3))}
