"""A corpus of one program, w² x² summed, and its sheet with one mistake."""

from __future__ import annotations

SOURCE = """\
def forward(x, w):
    z = w * x
    return (z * z).sum(), (x, z)


def backward(cache):
    x, z = cache
    dz = 2 * z
    dw = (dz * x).sum()
    return dw


def example(rng):
    return {"x": rng.normal(size=5), "w": rng.normal()}
"""
SHEET = """\
call = '''
loss, cache = m.forward(**inputs)
grads = {"w": m.backward(cache)}
'''

[[mistake]]
id = "half"
kind = "scale"
edits = [{ old = "    dz = 2 * z", new = "    dz = z" }]
"""
