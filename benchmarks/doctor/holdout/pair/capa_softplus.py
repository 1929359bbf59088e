# -*- coding: utf-8 -*-
# Capa densa con activación softplus.  Las columnas son los ejemplos.
import numpy as np


def sigmoide(z):
    return 1.0 / (1.0 + np.exp(-z))


def capa_adelante(entrada, pesos, sesgo):
    z = np.dot(pesos, entrada) + sesgo        # (salidas, ejemplos)
    salida = np.log1p(np.exp(z))
    memoria = (entrada, pesos, z)
    return salida, memoria


def capa_atras(d_salida, memoria):
    entrada, pesos, z = memoria
    dz = d_salida * sigmoide(z)
    d_pesos = np.dot(dz, entrada.T)
    d_sesgo = np.sum(dz, axis=1, keepdims=True)
    d_entrada = np.dot(pesos.T, dz)
    return d_entrada, d_pesos, d_sesgo


def example(rng):
    entradas, salidas, ejemplos = 4, 3, 6
    return {
        'entrada': rng.normal(size=(entradas, ejemplos)),
        'pesos': rng.normal(size=(salidas, entradas)),
        'sesgo': rng.normal(size=(salidas, 1)),
    }
