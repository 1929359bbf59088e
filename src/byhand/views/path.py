"""The way of the parameters through training, on the plane that holds most of it.

θ_t are the trained parameters after epoch t, T the last of them. The plane goes through θ_T along
the first two principal components of the path, so the loss drawn at the end of the path is the true
one there; the other points are projected, and how far they lie beside the plane is said.

    M = [θ_0 − θ̄; …; θ_T − θ̄]                     [epochs, parameters]
    M Mᵀ q_k = s_k² q_k                           [epochs, epochs], which is small
    u_k = Mᵀ q_k / s_k                            a direction, of length 1
    s_k² / Σ s²                                   the share of the path's variance along it

A smooth curve on such a plane is no finding: a random walk has one too, and puts more than half of
its variance into two directions.

Source      Li et al., arXiv 1712.09913, section 7; Antognini, Sohl-Dickstein, PCA of high
            dimensional random walks with comparison to neural network training (2018),
            arXiv 1806.08805.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.views.landscape import EXAMPLES, POINTS, contours, label, surface
from byhand.views.style import BLACK, RED, figure, styled
from byhand.views.subject import DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
MARGIN = 0.25
"""What is shown around the path, as a share of its extent."""
LEAST = 3
"""Points that do not lie on a plane of their own accord."""


@dataclass(frozen=True)
class Plane:
    """The plane through the last point of a path along its first two principal components.

    directions  [2, parameters]     of length 1, at right angles
    points      [epochs, 2]         the path on the plane; the last one is (0, 0)
    explained   [2]                 shares of the path's variance
    beside      [epochs]            the distance of each point from the plane
    """

    directions: Array
    points: Array
    explained: Array
    beside: Array


def principal_plane(path: Array) -> Plane:
    """The plane of a path[epochs, parameters]."""
    M = path - path.mean(axis=0)
    squares, q = np.linalg.eigh(M @ M.T)  # in rising order
    u = (M.T @ q[:, :-3:-1]).T
    u = u / np.linalg.norm(u, axis=1, keepdims=True)
    from_end = path - path[-1]
    points = from_end @ u.T
    beside = np.linalg.norm(from_end - points @ u, axis=1)
    return Plane(u, points, squares[:-3:-1] / squares.sum(), beside)


@dataclass(frozen=True)
class Path:
    """A plane, and the loss[b, a] on it; lengths[epochs] are the distances ‖θ_t − θ_T‖."""

    about: str
    epochs: list[int]
    plane: Plane
    lengths: Array
    a: Array
    b: Array
    loss: Array

    @property
    def words(self) -> str:
        first, second = 100 * self.plane.explained
        worst = int(self.plane.beside.argmax())
        return (
            f"the plane has {first:.1f} + {second:.1f} % of the path's variance; epoch "
            f"{self.epochs[worst]} lies farthest beside it, by {self.plane.beside[worst]:.3g}, and "
            f"{self.lengths[worst]:.3g} from the end of the path"
        )


def compute(subject: Subject, points: int = POINTS, examples: int = EXAMPLES) -> Path:
    """Find the plane of the epochs that the run has kept, and compute the loss on it.

    Raises      DoesNotApply where it has kept fewer than three, or before the first epoch.
    """
    subject.epochs()
    kept = subject.run.kept_parameters()
    if len(kept) < LEAST:
        raise DoesNotApply(
            f"the parameters of {LEAST} epochs are needed, and run {subject.run.name} kept those "
            f"of {len(kept)} (byhand train with --set training.keep_epochs=true keeps all)"
        )
    program, few = subject.program, subject.dataset.train.first(examples)
    epochs = list(kept)
    end = kept[epochs[-1]]
    trained = [name for name in end if name in program.description.model.trained]
    path = np.stack([_flat([kept[epoch][name] for name in trained]) for epoch in epochs])
    plane = principal_plane(path)
    a, b = (_line(plane.points[:, k], points) for k in range(2))
    u, v = ({n: np.zeros(w.shape) for n, w in end.items()} for _ in range(2))
    for direction, flat in zip((u, v), plane.directions, strict=True):
        ends = np.cumsum([end[name].size for name in trained])[:-1]
        for name, piece in zip(trained, np.split(flat, ends), strict=True):
            direction[name] = piece.reshape(end[name].shape)
    loss = surface(program, few, end, u, v, a, b)
    about = f"{subject.about}; the loss is the mean of {len(few)} training examples"
    return Path(about, epochs, plane, np.linalg.norm(path - path[-1], axis=1), a, b, loss)


def _flat(arrays: list[Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays], dtype=np.float64)


def _line(coordinates: Array, points: int) -> Array:
    low, high = float(coordinates.min()), float(coordinates.max())
    margin = MARGIN * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, points)


@styled
def draw(view: Path) -> Figure:
    headline = "The path of the parameters, on the plane that holds most of it"
    # As high as the plane is, at true proportions, between a strip and a square.
    upper = 6.4 * float(np.clip(np.ptp(view.b) / np.ptp(view.a), 0.3, 1.0)) + 0.5
    page = figure(upper + 2.0, headline, f"{view.about}\n{view.words}")
    plane, distances = page.subplots(2, 1, height_ratios=[upper, 2.0])
    contours(plane, view.a, view.b, view.loss)
    along(plane, view.plane.points, view.epochs)
    first, second = 100 * view.plane.explained
    plane.set_xlabel(f"distance along the first component ({first:.1f} % of the variance)")
    plane.set_ylabel(f"along the second ({second:.1f} %)")
    distances.plot(view.epochs, view.lengths, "o-", ms=3, color=BLACK, label="from where they end")
    distances.plot(view.epochs, view.plane.beside, "o-", ms=3, color=RED, label="beside the plane")
    distances.set_ylim(bottom=0)
    distances.set_title("How far the parameters are")
    distances.set_xlabel("epoch (0 is the start)")
    distances.set_ylabel("distance")
    distances.legend()
    return page


def along(axes: Axes, points: Array, epochs: list[int]) -> None:
    """The path as a line with a dot for each epoch, the first and the last one named."""
    axes.plot(*points.T, "o-", color=RED, ms=4, lw=1.4, mec="white", mew=0.5)
    for k in (0, -1):
        label(axes, f"epoch {epochs[k]}" if epochs[k] else "start", (points[k, 0], points[k, 1]))
