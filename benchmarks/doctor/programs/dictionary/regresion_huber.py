# regresión robusta (pérdida de Huber), una capa oculta
import numpy as np

DELTA = 0.5
LAMBDA = 0.01


def adelante(pesos, entradas, objetivo):
    z = np.matmul(entradas, pesos['w1']) + pesos['b1']
    oculta = np.tanh(z)
    salida = np.matmul(oculta, pesos['w2']) + pesos['b2']
    error = salida - objetivo
    pequeno = np.abs(error) <= DELTA
    perdida = np.where(pequeno, 0.5 * error ** 2, DELTA * (np.abs(error) - 0.5 * DELTA)).mean()
    perdida += LAMBDA * (pesos['w1'] ** 2).sum()
    return perdida, {'entradas': entradas, 'oculta': oculta, 'error': error, 'pequeno': pequeno}


def atras(pesos, memoria):
    error = memoria['error']
    oculta = memoria['oculta']
    d_salida = np.where(memoria['pequeno'], error, DELTA * np.sign(error)) / error.size
    d_oculta = np.matmul(d_salida, pesos['w2'].T)
    d_z = d_oculta * (1 - np.square(oculta))
    return {
        'd_w2': np.matmul(oculta.T, d_salida),
        'd_b2': d_salida.sum(axis=0),
        'd_w1': np.matmul(memoria['entradas'].T, d_z) + 2 * LAMBDA * pesos['w1'],
        'd_b1': d_z.sum(axis=0),
    }


def example(rng):
    pesos = {
        'w1': rng.normal(size=(3, 5)), 'b1': rng.normal(size=5),
        'w2': rng.normal(size=(5, 2)), 'b2': rng.normal(size=2),
    }
    return {'pesos': pesos, 'entradas': rng.normal(size=(6, 3)), 'objetivo': rng.normal(size=(6, 2))}
