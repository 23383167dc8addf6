"""Images that do not look like the others: tiny, of odd proportions, grey, or empty."""

import numpy as np

from keras_reid.data.doctor.finding import NOTE, WARNING, Finding, Picture
from keras_reid.data.doctor.small_pictures import SmallPictures

_TINY = 16  # pixels of the shorter side
_SMALLER = 4  # times smaller than the median
_ODDER = 2.0  # times wider or higher than the median, or
_DEVIATIONS = 6.0  # robust standard deviations of the logarithm, whichever is more
_GREY = 3  # levels between the channels of a small picture
_EMPTY = 2.0  # levels of the standard deviation within a small picture
_FEW = 0.1  # share of grey images up to which they are exceptions
_NORMAL = 1.4826  # from the median absolute deviation to the standard deviation of a normal distribution


def appearance_findings(small: SmallPictures) -> list[Finding]:
    """Tiny images, odd proportions, grey images among coloured ones, and empty images.

    Each is judged by the median of all: tiny is a shorter side below 16 pixels or a quarter of the median; odd is a
    ratio of width to height that differs from the median by a factor of 2 and by 6 robust standard deviations.

    Args:
        small: `SmallPictures` of everything that is examined.

    Returns:
        list of `Finding`s.
    """
    if not len(small):
        return []
    found = [*_tiny(small), *_odd(small)]
    # A pixel of the small picture is a mean, so that noise of a compressed image does not count.
    deviations = small.pictures.reshape(len(small), -1).std(axis=1)
    empty = deviations < _EMPTY
    found += _some(
        small,
        empty,
        "Empty images",
        WARNING,
        "show a single colour, such as {}: nothing can be recognised. Leave them out",
        "constant",
    )
    channels = small.pictures.astype(np.int16)
    grey = (np.ptp(channels, axis=3).max(axis=(1, 2)) <= _GREY) & ~empty
    if grey.mean() <= _FEW:
        found += _some(
            small,
            grey,
            "Grey images",
            NOTE,
            "are grey among coloured ones, such as {}: another kind of camera?",
            "greyscale",
        )
    return found


def _tiny(small):
    shorter = small.sizes.min(axis=1)
    limit = max(_TINY, np.median(shorter) / _SMALLER)
    return _some(
        small,
        shorter < limit,
        "Tiny images",
        WARNING,
        f"are less than {limit:g} pixels wide or high, such as {{}} (median: {np.median(shorter):g}): hardly "
        "anything can be recognised. Leave them out",
        "tiny",
    )


def _odd(small):
    ratios = np.log(small.sizes[:, 1] / small.sizes[:, 0])
    median = np.median(ratios)
    distances = np.abs(ratios - median)
    limit = max(np.log(_ODDER), _DEVIATIONS * _NORMAL * np.median(distances))
    return _some(
        small,
        distances > limit,
        "Odd proportions",
        NOTE,
        f"are much wider or higher than the others, such as {{}} (median of width by height: {np.exp(median):.2g}): "
        "two subjects in a box, or a part of one?",
        "odd_shapes",
    )


def _some(small, chosen, title, severity, what, name):
    places = np.flatnonzero(chosen).tolist()
    if not places:
        return []
    height, width = small.sizes[places[0]]
    example = f"{small.paths[places[0]]} ({width} x {height} pixels)"
    cases = tuple((Picture(small.paths[place], "{1} x {0}".format(*small.sizes[place])),) for place in places)
    sentence = f"{len(places)} of {len(small)} images {what.format(example)}"
    return [Finding(title, severity, sentence, cases, (name,))]
