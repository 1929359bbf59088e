# Red neuronal con una lista de capas; cada capa es un diccionario
import numpy as np


def crear_capas(pesos, sesgos, funciones):
    return [{"W": W, "b": b, "f": f} for W, b, f in zip(pesos, sesgos, funciones)]


def activar(z, f):
    if f == "relu":
        return np.where(z > 0, z, 0.0)
    if f == "tanh":
        return np.tanh(z)
    if f == "sigmoide":
        return 1 / (1 + np.exp(-z))
    return z


def derivada(z, a, f):
    if f == "relu":
        return (z > 0).astype(float)
    if f == "tanh":
        return 1 - a ** 2
    if f == "sigmoide":
        return a * (1 - a)
    return 1.0


def propagar(pesos, sesgos, funciones, entrada, objetivo):
    capas = crear_capas(pesos, sesgos, funciones)
    a = entrada
    for capa in capas:
        capa["entrada"] = a
        capa["z"] = a @ capa["W"] + capa["b"]
        a = activar(capa["z"], capa["f"])
        capa["a"] = a
    # error cuadratico medio, con 1/2
    error = np.sum((a - objetivo) ** 2) / (2 * len(entrada))
    return error, (capas, objetivo)


def retropropagar(memoria):
    capas, objetivo = memoria
    n = len(objetivo)
    gradiente = capas[-1]["a"] - objetivo
    grad_pesos, grad_sesgos = [], []
    for capa in capas[::-1]:
        delta = gradiente * derivada(capa["z"], capa["a"], capa["f"])
        # el promedio se toma aqui y no en delta
        grad_pesos.insert(0, capa["entrada"].T @ delta / n)
        grad_sesgos.insert(0, np.sum(delta, axis=0) / n)
        gradiente = delta @ capa["W"].T
    return grad_pesos, grad_sesgos


def example(rng):
    tam = [3, 4, 5, 2]
    return {
        "pesos": [rng.normal(size=t) for t in zip(tam, tam[1:])],
        "sesgos": [rng.normal(size=(1, t)).ravel() for t in tam[1:]],
        "funciones": ["tanh", "relu", "sigmoide"],
        "entrada": rng.normal(size=(6, 3)),
        "objetivo": rng.random((6, 2)),
    }
