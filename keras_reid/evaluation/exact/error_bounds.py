"""How far a score of a float32 matrix product may be from the exact one.

The score of cosine is `q̂·ĝ` of unit vectors; that of Euclidean is `q·g − |g|²/2`, of which the squared distance is
`|q|² − 2·score` (the mean is taken off first, and all is scaled so that no length is above 1).

What is proven. Whatever the order in which a matrix product adds `dim` terms, with or without fused multiply-add, its
error is at most `dim·u/(1 − dim·u) · Σ|q_i g_i|` with `u = 2⁻²⁴` (Higham, Accuracy and Stability of Numerical
Algorithms, 3.1), and `Σ|q_i g_i| ≤ |q||g|`. With the rounding of the factors themselves that gives `1.01 (dim + 5) u
|q||g|`: 1.2e-4 for unit vectors of 2048 dimensions.

What is seen. The proof lets every rounding err to the same side. In fact they err like a random walk, by `√dim·u` at
most (Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019), and matrix products add in blocks, which keeps 13 u on the
worst of Gaussian, sparse, heavy-tailed, all-positive and cancelling vectors of 64 to 8192 dimensions.

What is done. `24 u |q||g|`, 1.4e-6, is taken first, and *checked*: every score whose exact distance is computed, those
of all matches among them, must be right to half of it. Where one is not, `InexactScores` says so, and all is done again
with 96 u, and then with what is proven, which needs no check.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDING = 2.0**-24  # u, the largest relative error of rounding to float32
BOUNDS = (24, 96, np.inf)  # in units of u, tried one after the other; the proven one counts where it is less


class InexactScores(ArithmeticError):
    """A score was farther off than is ever seen: a larger bound must be used."""


def relative_error(dim: int, bound: float) -> tuple[float, bool]:
    """The assumed error of a score, as a share of |q||g|.

    Args:
        dim: numbers in an embedding.
        bound: in units of u.

    Returns:
        `(error, proven)`: a proven error needs no check.

    Example:
        >>> error, proven = relative_error(2048, bound=24)
        >>> f"{error:.1e}", proven
        ('1.4e-06', False)
    """
    proven = 1.01 * (dim + 5)
    return min(proven, bound) * ROUNDING, proven <= bound


def cosine_scores(
    distances: NDArray[np.float64], error: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scores that correspond to exact cosine distances, and how far an estimate may be from them.

    Args:
        distances: `(k,)` float64, float32 numbers.
        error: of `relative_error`.

    Returns:
        `(scores, errors)`, `(k,)` float64 each.

    Example:
        >>> scores, errors = cosine_scores(np.array([0.25]), relative_error(2048, 24)[0])
        >>> scores.tolist(), f"{errors[0]:.1e}"
        ([0.75], '1.8e-06')
    """
    # The distance itself is off by 3 roundings, and a float32 threshold by another.
    return 1 - distances, np.full(len(distances), error + 6 * ROUNDING)


def euclidean_scores(
    distances: NDArray[np.float64], lengths: NDArray[np.float64], longest: float, scale: float, error: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scores that correspond to exact Euclidean distances, and how far an estimate may be from them.

    Args:
        distances: `(k,)` float64, float32 numbers.
        lengths: `(k,)` of the query of each, scaled.
        longest: length of the longest gallery item, scaled.
        scale: the factor that was applied to all lengths.
        error: of `relative_error`.

    Returns:
        `(scores, errors)`, `(k,)` float64 each.
    """
    scaled = distances * scale
    errors = error * lengths * longest
    errors += 4 * ROUNDING * (longest**2 + lengths * longest + lengths**2 + scaled**2)
    # Where the distance is below 1e-38, float32 has fewer digits. (No scaled distance within the part is above 2.)
    step = scale * 2.0**-149
    errors += step * (2 + step)
    return (lengths**2 - scaled**2) / 2, errors + 1e-30
