"""Pairs of pictures that may be copies, by a hash of what they show, without comparing each with each."""

import functools

import numpy as np

from keras_reid.data.doctor.small_pictures import SIDE
from keras_reid.utils.progress import progress

_FREQUENCIES = 8  # in each direction
BITS = _FREQUENCIES**2 - 1
_MOST_DIFFERENT = 14  # bits of the hashes of a candidate pair
_BANDS = 20
_FEWEST, _MOST = 10, 24  # bits of a band
_FEW = 64  # images that are all compared: of so few a median says little
_LARGE = 512  # images of one band that are compared each with each
_BLOCK = 4096
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def picture_hashes(pictures: np.ndarray) -> np.ndarray:
    """63 bits of each picture: whether a low frequency is above its median over all pictures.

    The frequencies are the first 8 × 8 of the discrete cosine transform of the grey picture, but for the mean, and
    divided by their length. So brightness and contrast do not count, compression and a small crop change few bits,
    and what all pictures share, such as a person in the middle, does not make them alike.

    Args:
        pictures: uint8 `(n, 32, 32, 3)`.

    Returns:
        bool `(n, 63)`.
    """
    frequencies = np.empty((len(pictures), BITS), np.float32)
    for start in range(0, len(pictures), _BLOCK):
        grey = pictures[start : start + _BLOCK].astype(np.float32) @ _LUMA
        low = _cosines() @ grey @ _cosines().T
        frequencies[start : start + _BLOCK] = low.reshape(len(low), -1)[:, 1:]
    frequencies /= np.maximum(np.linalg.norm(frequencies, axis=1, keepdims=True), 1e-6)
    return frequencies > np.median(frequencies, axis=0) if len(pictures) else frequencies > 0


def candidate_pairs(hashes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Pairs of similar hashes.

    Each of 20 bands is a random choice of bits, as many as give each image about one chance neighbour; only images
    that agree in all bits of a band are compared. Among 10 000 images a pair with 6 changed bits, as by a new
    compression with a crop of 2 %, is missed once in 300 times, one with 10, as by a crop of 4 %, once in six. Of more
    than 512 images in one band, each is compared with the 511 that follow in the order of their hashes.

    Up to 64 images are all compared. Time and memory: grow with n log n.

    Args:
        hashes: bool `(n, bits)`.
        seed: of the choice of bits.

    Returns:
        int64 `(pairs, 2)`, each pair once, the smaller number first, of hashes that differ in at most 14 bits
        (where there are more than 64).
    """
    count, bits = hashes.shape
    if count <= _FEW:
        return np.stack(np.triu_indices(count, 1), axis=1)
    width = int(np.clip(np.ceil(np.log2(count)), _FEWEST, min(_MOST, bits)))
    words = np.packbits(np.pad(hashes, [(0, 0), (0, -bits % 64)]), axis=1).view(np.uint64)
    generator = np.random.default_rng(seed)
    found = np.empty(0, np.int64)
    with progress("looking for copies", total=_BANDS, unit="bands") as advance:
        for _ in range(_BANDS):
            band = generator.permutation(bits)[:width]
            keys = hashes[:, band] @ (1 << np.arange(width, dtype=np.int64))
            order = np.lexsort((words[:, 0], keys))
            new = [_similar(pairs, words) @ [count, 1] for pairs in _neighbours(order, keys[order])]
            found = np.unique(np.concatenate([found, *new]))
            advance()
    return np.stack(np.divmod(found, count), axis=1)


def _neighbours(order, keys):
    """Pairs of images of one key: each with the next one, each with the next but one, and so on."""
    first = np.arange(len(keys))
    for distance in range(1, _LARGE):
        first = first[first + distance < len(keys)]
        first = first[keys[first + distance] == keys[first]]
        if not len(first):
            return
        yield np.sort(np.stack([order[first], order[first + distance]], axis=1), axis=1)


def _similar(pairs, words):
    """Those of the pairs whose hashes differ in few bits."""
    different = np.bitwise_count(words[pairs[:, 0]] ^ words[pairs[:, 1]]).sum(axis=1)
    return pairs[different <= _MOST_DIFFERENT]


@functools.cache
def _cosines():
    """The first rows of the discrete cosine transform."""
    rows, columns = np.arange(_FREQUENCIES)[:, None], np.arange(SIDE)[None]
    return np.cos(np.pi * rows * (columns + 0.5) / SIDE).astype(np.float32)
