"""How a Transformer's layers are written in PyTorch: the classes that torch.nn does not have."""

from __future__ import annotations

from byhand.layers.rotary import BASE

RESIDUAL = '''\
class Residual(nn.Module):
    """x + f(x)"""

    def __init__(self, *f: nn.Module) -> None:
        super().__init__()
        self.f = nn.Sequential(*f)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)
'''
CONCATENATION = '''\
class Concatenation(nn.Module):
    """x and f(x), side by side"""

    def __init__(self, *f: nn.Module) -> None:
        super().__init__()
        self.f = nn.Sequential(*f)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.f(x)), dim=-1)
'''
ATTENTION = f'''\
class SelfAttention(nn.Module):
    """Attention of a sequence to itself; each of the kv_heads serves a group of heads."""

    def __init__(self, width: int, heads: int, kv_heads: int, causal: bool, rotary: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.causal, self.rotary = heads, kv_heads, causal, rotary
        narrow = width // heads * kv_heads
        self.q, self.o = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(width, narrow, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        k, v = (
            layer(x).unflatten(2, (self.kv_heads, -1)).transpose(1, 2) for layer in (self.k, self.v)
        )
        if self.rotary:
            q, k = turned(q), turned(k)
        k, v = (a.repeat_interleave(self.heads // self.kv_heads, 1) for a in (k, v))
        o = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.o(o.transpose(1, 2).flatten(2))


def turned(x: Tensor) -> Tensor:
    """Rotary positions: each pair of numbers turned by an angle that grows with the step."""
    steps = torch.arange(x.shape[2], device=x.device, dtype=torch.float64)
    pairs = torch.arange(0, x.shape[3], 2, device=x.device, dtype=torch.float64)
    angle = steps[:, None] * {BASE!r} ** (-pairs / x.shape[3])
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)
'''
SWIGLU = '''\
class SwiGLU(nn.Module):
    """A hidden layer in which each unit is opened or closed by another."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(nn.functional.silu(self.gate(x)) * self.up(x))
'''
LEARNED = '''\
class LearnedPositions(nn.Module):
    """A row of a table for each place in the sequence."""

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.P = nn.Parameter(torch.empty(positions, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.P[: x.shape[1]]
'''
SINUSOIDAL = f'''\
class SinusoidalPositions(nn.Module):
    """Sines and cosines of each place in the sequence."""

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.arange(x.shape[1], device=x.device, dtype=torch.float64)
        pairs = torch.arange(0, x.shape[2], 2, device=x.device, dtype=torch.float64)
        angle = steps[:, None] * {BASE!r} ** (-pairs / x.shape[2])
        return x + torch.stack((angle.sin(), angle.cos()), -1).flatten(1).to(x.dtype)
'''
