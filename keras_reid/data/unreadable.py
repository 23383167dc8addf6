"""Finds unreadable images before any long work begins."""

from __future__ import annotations

import concurrent.futures
import functools
import os
import sys
from collections.abc import Sequence

import tensorflow as tf

from keras_reid.data.contents import contents_of
from keras_reid.data.decoding import FEW, decode_bytes
from keras_reid.data.image_limits import megapixels_allowed, objection
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

_REMEDY = "repair or remove them, or leave them out with --skip-unreadable"
_AT_ONCE = 4096  # files handed to the threads, each of which costs a kilobyte until it is done
_NAMED = 5  # files that an error names one by one; the rest is counted


def check_images(
    paths: Sequence[str | os.PathLike[str]], skip_unreadable: bool = False, remedy: str = _REMEDY
) -> list[int]:
    """Decodes every file as training and evaluation will, in several threads, and says which can be read.

    An image above the limits of `keras_reid.data.image_limits` counts as unreadable, and is not decoded.

    Args:
        paths: image files.
        skip_unreadable: False: an unreadable file is an error. True: unreadable files are counted and listed
            on standard error, and left out of the result.
        remedy: what to do about an unreadable file, for the error.

    Returns:
        list of the places in `paths` whose files can be read.

    Raises:
        UserError: if a file cannot be read and `skip_unreadable` is False, or if no file can be read.

    Example:
        >>> check_images(["good.jpg", "truncated.jpg"], skip_unreadable=True)
        [0]
    """
    reasons = unreadable_images(paths)
    if not reasons:
        return list(range(len(paths)))
    lines = [f"{paths[place]}: {reason}" for place, reason in reasons.items()]
    if len(reasons) == len(paths) or not skip_unreadable:
        more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
        if len(reasons) == len(paths):
            remedy = "nothing would be left"
        raise UserError(
            f"{len(reasons)} of {len(paths)} images cannot be read: "
            f"{'; '.join(lines[:_NAMED])}{more}; {remedy}"
        )
    say_left_out(lines, len(paths))
    return [place for place in range(len(paths)) if place not in reasons]


def unreadable_images(paths: Sequence[str | os.PathLike[str]]) -> dict[int, str]:
    """Why files cannot be read: a dict, place in `paths` → reason, of those that cannot.

    Each file is decoded as training and evaluation will decode it, in several threads, with progress. An image above
    the limits of `keras_reid.data.image_limits` is not decoded.

    Args:
        paths: image files.

    Example:
        >>> unreadable_images(["good.jpg", "truncated.jpg"])
        {1: 'truncated or damaged'}
    """
    return _reasons(functools.partial(_reason_against, few=len(paths) <= FEW), paths, "checking")


def refused_images(paths: Sequence[str | os.PathLike[str]]) -> dict[int, str]:
    """Why files must not be decoded, as `unreadable_images`, but by their headers alone.

    For code that leaves out files whose decoding fails: decoding these would not fail, but take all memory. Time: about
    0.1 ms a file, and reading it.

    Args:
        paths: image files; one that cannot be read is passed over.

    Example:
        >>> refused_images(["good.jpg", "bomb.png"])
        {1: '20000 x 20000 pixels, more than 25 megapixels; make it smaller'}
    """
    return _reasons(_header_against, paths, "looking at headers")


def _reasons(function, paths, name):
    megapixels_allowed()  # a wrong value of the variable is one error, not one for each file
    reasons = {}
    with (
        progress(name, total=len(paths)) as advance,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as threads,
    ):
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            for place, reason in enumerate(threads.map(function, some), start):
                if reason:
                    reasons[place] = reason
                advance()
    return reasons


def say_left_out(lines: Sequence[str], total: int) -> None:
    """Counts and lists the files that were left out, on standard error.

    Args:
        lines: `FILE: REASON` of each.
        total: how many files there are in all.
    """
    print(
        f"left out {len(lines)} of {total} images that cannot be read:", *lines, sep="\n  ", file=sys.stderr
    )


def _reason_against(path, few):
    """Why a file cannot be read; empty if it can."""
    if os.path.isdir(path):
        return "is a folder"
    try:
        contents = contents_of(path)
        if reason := objection(contents):
            return reason
        decode_bytes(contents, few)
    except (FileNotFoundError, tf.errors.NotFoundError):
        return "no such file"
    except (PermissionError, tf.errors.PermissionDeniedError):
        return "not permitted to read it"
    except OSError as error:
        return error.strerror or str(error)
    except tf.errors.OpError as error:
        return in_short(error.message)
    return ""


def _header_against(path):
    """Why a file must not be decoded; empty where it may, or cannot be read."""
    try:
        return objection(contents_of(path))
    except (OSError, tf.errors.OpError):
        return ""


def in_short(message: str) -> str:
    """What is wrong with an image, out of TensorFlow's error message, which also tells of the graph."""
    if "assertion failed: [" in message:
        return message.split("assertion failed: [")[1].split("]")[0]
    if any(kind in message for kind in ("Invalid JPEG", "jpeg::", "Invalid PNG", "Input size should match")):
        return "truncated or damaged"
    lines = [line.split("[[")[0].strip() for line in message.splitlines()]
    return next((line for line in reversed(lines) if line), "cannot be decoded")
