"""Functions whose result has no derivative, or the derivative zero: they run on plain arrays."""

from __future__ import annotations

_BY_VALUES = """
    equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not
    logical_xor isnan isinf isfinite isneginf isposinf signbit sign floor ceil trunc rint round fix
    around floor_divide heaviside all any argmax argmin nanargmax nanargmin argsort argpartition
    argwhere nonzero flatnonzero count_nonzero searchsorted digitize allclose isclose
    array_equal array_equiv
"""
_BY_SHAPES = """
    shape ndim size iscomplexobj isrealobj iscomplex isreal result_type can_cast common_type
    min_scalar_type array_repr array_str array2string may_share_memory shares_memory
"""
# What the numbers decide is noted in the record of branches; the rest is for shapes and types.
DECISIONS = frozenset(_BY_VALUES.split())
PLAIN = DECISIONS | frozenset(_BY_SHAPES.split())
