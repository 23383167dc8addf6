"""One embedding for each tracklet: a mean of its crops that bad ones hardly move, and none for two objects at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.utils.errors import UserError

# Chosen on the seeds 31 and 32 of benchmarks/tracks_tracklets.py.
_LEAST_CROPS = 3  # on each side of a jump
_TIGHT = 0.5  # least mean agreement within each side of a jump
_CONTRAST = 0.35  # by which it must exceed that between the sides
_LEAST_QUALITY = 2.0  # of the crops on each side together, that of the track's best being 1
_STEPS = 60  # of the power iteration; after 30 no figure changes any more
_NAMED = 5  # tracks that the message names


@dataclasses.dataclass(frozen=True, eq=False)
class Summary:
    """What `summarise` finds. Tracklets are sorted by track, and within a track by time.

    Args:
        tracklet: int64 `(m,)`, of each crop, row of what follows.
        kept: bool `(m,)`, False for a crop that was left out of the mean.
        embedding: float32 `(t, dim)`, of unit length.
        track: int64 `(t,)`, the track that each tracklet is from.
        spread: float32 `(t,)`, root mean squared cosine distance of the kept crops to the embedding.
        jumps: pairs of track and first frame of a tracklet that is not the track's first.
    """

    tracklet: NDArray[np.int64]
    kept: NDArray[np.bool_]
    embedding: NDArray[np.float32]
    track: NDArray[np.int64]
    spread: NDArray[np.float32]
    jumps: tuple[tuple[int, int], ...]

    def message(self) -> str | None:
        """A line about the tracks that were split, for people; None if there are none.

        Example:
            >>> crops = np.repeat(np.eye(2), 4, axis=0)
            >>> summarise(crops, np.ones(8), np.full(8, 7), np.arange(8)).message()
            '1 of 1 tracks was split, because its id jumps to another object: track 7 from frame 4'
        """
        if not self.jumps:
            return None
        split, all_tracks = len({track for track, _ in self.jumps}), len(np.unique(self.track))
        were = "was split, because its id jumps" if split == 1 else "were split, because their ids jump"
        named = ", ".join(f"track {track} from frame {frame}" for track, frame in self.jumps[:_NAMED])
        more = f", and {len(self.jumps) - _NAMED} more" if len(self.jumps) > _NAMED else ""
        return f"{split} of {all_tracks} tracks {were} to another object: {named}{more}"


def summarise(
    embeddings: ArrayLike, quality: ArrayLike, track: ArrayLike, frame: ArrayLike, *, alike: float = 0.5
) -> Summary:
    """Gives each track one embedding, or several if its id jumps to another object.

    Two crops i and j agree by `a_ij = exp(−(d_ij / alike)² / 2)`, with their cosine distance d.

    **Weights.** A crop counts by its quality q and by how much others agree with it, those most that are far in time:
    a bad view often lasts, so that neighbours prove little, while the object itself is there before and after it. The
    weights v are the solution of

    `v_i ∝ q_i Σ_j a_ij t_ij v_j`, with `t_ij = ((|frame_i − frame_j| + 1) / (last − first + 1))²`

    (a leading eigenvector, by power iteration). Crops farther from `Σ v_i x_i` than `alike` are outliers: they are left
    out. The embedding is the sum over the others at unit length, with no weight above their median: where all crops are
    good, it is nearly the plain mean.

    **Jumps.** A track is split between two crops if on each side there are at least 3, with the quality of 2 of the
    track's best together; if the mean agreement within each side (weighted by quality, and by that of the crop with all
    others) is at least 0.5, and exceeds the agreement between the sides by 0.35. The place of the largest excess is
    taken, and both parts are looked at again.

    Time and memory grow with (crops in a track)². The result does not depend on the order of the rows.

    Args:
        embeddings: `(m, dim)`, of any length but 0.
        quality: `(m,)`, at least 0, as of `keras_reid.tracks.tracklets.quality.quality`. If all of a tracklet are 0,
            they count alike.
        track: `(m,)` integers.
        frame: `(m,)` integers, for the order and distance in time.
        alike: cosine distance at which agreement has fallen to 0.6; the largest at which crops of one object are
            usual. Defaults to 0.5, and results are much the same from 0.3 to 0.6. It suits models whose different
            objects are about 0.9 apart; take less if they are closer.

    Returns:
        A `Summary`.

    Raises:
        UserError: shapes or kinds do not fit, a number is not finite, an embedding is 0, or an argument out of range.

    Example:
        >>> crops = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [1.0, 0.1]]
        >>> summary = summarise(crops, [0.9, 0.9, 0.3, 0.8], [7, 7, 7, 7], [0, 6, 12, 18])
        >>> summary.kept.tolist(), [f"{number:.2f}" for number in summary.embedding[0]]
        ([True, True, False, True], ['1.00', '0.06'])
    """
    x, worth, track, frame = _checked(embeddings, quality, track, frame)
    if not 0 < alike <= 2:
        raise UserError(f"`alike` must be a cosine distance above 0, at most 2. Received: alike={alike}.")
    tracklet, kept = np.zeros(len(x), np.int64), np.zeros(len(x), bool)
    middles, tracks, spreads, jumps = [], [], [], []
    order = np.lexsort((np.arange(len(x)), frame, track))
    for rows in np.split(order, np.flatnonzero(np.diff(track[order])) + 1) if len(x) else ():
        for number, part in enumerate(_parts(x, worth, rows, alike)):
            middle, good = _middle(x[part], worth[part], frame[part], alike)
            tracklet[part], kept[part] = len(middles), good
            if number:
                jumps.append((int(track[part[0]]), int(frame[part[0]])))
            far = 1 - x[part[good]] @ middle
            middles.append(middle)
            tracks.append(track[part[0]])
            spreads.append(np.sqrt(np.mean(np.maximum(far, 0) ** 2)))
    return Summary(
        tracklet=tracklet,
        kept=kept,
        embedding=np.array(middles, np.float32).reshape(-1, x.shape[1]),
        track=np.array(tracks, np.int64),
        spread=np.array(spreads, np.float32),
        jumps=tuple(jumps),
    )


def _checked(embeddings, quality, track, frame):
    x, worth = np.asarray(embeddings), np.asarray(quality, np.float64)
    track, frame = (np.asarray(values) for values in (track, frame))
    if x.ndim != 2 or not worth.shape == track.shape == frame.shape == x.shape[:1]:
        raise UserError(
            "`embeddings` must have the shape (m, dim), and `quality`, `track` and `frame` the shape (m,). "
            f"Received: {x.shape}, {worth.shape}, {track.shape} and {frame.shape}."
        )
    for name, values in (("track", track), ("frame", frame)):
        if len(values) and values.dtype.kind not in "iu":
            raise UserError(f"`{name}` must hold integers. Received: dtype={values.dtype}.")
    bad = ~(np.isfinite(x).all(axis=1) & (np.abs(x) > 0).any(axis=1))
    if bad.any():
        raise UserError(
            f"`embeddings` must be finite and not 0. Received: {bad.sum()} other rows, the first is {bad.argmax()}."
        )
    bad = ~((worth >= 0) & (worth < np.inf))
    if bad.any():
        raise UserError(
            f"`quality` must be finite, and at least 0. Received: {worth[bad.argmax()]} in row {bad.argmax()}."
        )
    x = x / np.abs(x).max(axis=1, keepdims=True, initial=0).astype(
        np.float64
    )  # no square over- or underflows
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x, worth, track.astype(np.int64), frame.astype(np.int64)


def _agreement(x: NDArray[Any], alike: float) -> NDArray[np.float64]:
    return np.exp(-(np.maximum(1 - x @ x.T, 0) ** 2) / (2 * alike**2))


def _worth(worth):
    """Qualities of which the best is 1, so that their scale does not count."""
    best = worth.max()
    return worth / best if best > 0 else np.ones(len(worth))


def _middle(x, worth, frame, alike):
    """The unit vector that stands for crops sorted by time, and which of them it is made of."""
    worth = _worth(worth)
    apart = (np.abs(frame[:, None] - frame) + 1) / (frame[-1] - frame[0] + 1)
    root = np.sqrt(worth)
    matrix = _agreement(x, alike) * apart**2 * root[:, None] * root
    # The shift changes no eigenvector; without it, the iteration of two crops would swing for ever.
    matrix[np.diag_indices(len(x))] += matrix.sum(axis=1).max()
    values = root
    for _ in range(_STEPS):
        values = matrix @ values
        values /= np.linalg.norm(values)
    weights = root * values
    middle = _unit(weights @ x, x[weights.argmax()])
    kept = (1 - x @ middle <= alike) & (weights > 0)
    if not kept.any():
        kept = weights == weights.max()
    capped = np.minimum(weights, np.median(weights[kept]))
    return _unit((capped * kept) @ x, x[weights.argmax()]), kept


def _unit(vector, otherwise):
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-6 else otherwise  # opposite crops may cancel out


def _parts(x, worth, rows, alike):
    """The stretches of a track, sorted by time, between which its id jumps."""
    place = _jump(x[rows], _worth(worth[rows]), alike)
    if not place:
        return [rows]
    return [*_parts(x, worth, rows[:place], alike), *_parts(x, worth, rows[place:], alike)]


def _jump(x, worth, alike):
    """The first crop after a jump; 0 if there is none."""
    count = len(x)
    if count < 2 * _LEAST_CROPS:
        return 0
    agree = _agreement(x, alike)
    np.fill_diagonal(agree, 0)
    weight = worth * (agree @ worth)
    pair = np.outer(weight, weight)
    np.fill_diagonal(pair, 0)
    place = np.arange(_LEAST_CROPS, count - _LEAST_CROPS + 1)
    (before, between, after), (all_before, all_between, all_after) = (
        _blocks(values, place) for values in (agree * pair, pair)
    )
    tiny = np.finfo(float).tiny
    within = np.minimum(before / np.maximum(all_before, tiny), after / np.maximum(all_after, tiny))
    sums = np.cumsum(worth)
    solid = np.minimum(sums[place - 1], sums[-1] - sums[place - 1]) >= _LEAST_QUALITY
    excess = within - between / np.maximum(all_between, tiny)
    excess = np.where((within >= _TIGHT) & solid, excess, 0)
    best = int(excess.argmax())
    return int(place[best]) if excess[best] >= _CONTRAST else 0


def _blocks(matrix, place):
    """Sums over the blocks of a symmetric matrix before, between and after each place."""
    sums = np.zeros(np.add(matrix.shape, 1))
    sums[1:, 1:] = matrix.cumsum(axis=0).cumsum(axis=1)
    before, strip = sums[place, place], sums[place, -1]
    return before, strip - before, sums[-1, -1] - 2 * strip + before
