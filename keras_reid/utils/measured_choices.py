"""Which of several ways to compute the same is fastest on this machine: measured once, then remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, write_json
from keras_reid.utils.locks import Lock

# A way replaces the usual one only if it takes this share of its time at most: less is lost in the noise.
_WORTHWHILE = 0.85
_RUNS = 3


class MeasuredChoices:
    """Answers of the kind "on this machine, `way` is the fastest for `question`", kept in the user's cache.

    An answer never changes once it is written, not even if several processes ask at the same time: ways may differ in
    rounding, and a resumed run must continue to the bit. Where the cache cannot be written, the answer is therefore
    always the usual way, with a warning. A damaged file is replaced.

    Args:
        name: of the cache file, without ending.
        machine: what the answers depend on, a dict of texts and numbers: each machine has a file of its own.

    Example:
        >>> choices = MeasuredChoices("sums", {"processor": "any"})  # doctest: +SKIP
        >>> choices.fastest("a thousand", {"loop": loop, "formula": formula})  # doctest: +SKIP
        'formula'
    """

    def __init__(self, name: str, machine: Any) -> None:
        self.machine = machine
        digest = hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:12]
        self.path = _cache_folder() / f"{name}-{digest}.json"
        self._answers = {}
        self._unwritable = False
        self._turn = threading.RLock()

    def fastest(self, question: str, make_ways: Callable[[], Mapping[str, Callable[[], Any]]]) -> str:
        """The name of the fastest way.

        Args:
            question: a text.
            make_ways: function without arguments that returns `{name: function without arguments that computes}`, the
                usual way first. It is called the first time that this process asks.
        """
        with self._turn:
            if question not in self._answers:
                self._answers[question] = self._asked(question, make_ways())
            return self._answers[question]

    def _asked(self, question, ways):
        """The answer of the file, which is measured if it is missing."""
        known = self._read().get(question)
        if known in ways:
            return known
        usual = next(iter(ways))
        if self._unwritable:
            return usual
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = Lock(self.path.with_suffix(".lock"), waiting=lambda holder: None)
            try:
                answers = self._read()  # another process may have been faster
                if answers.get(question) not in ways:
                    answers[question] = _fastest(ways, usual)
                    write_json(self.path, {"machine": self.machine, "fastest": answers})
            finally:
                lock.release()
        except (OSError, UserError) as error:
            self._unwritable = True
            warnings.warn(
                f"{self.path}: cannot remember which way of computing is fastest on this machine ({error}), so the "
                "usual one is taken: let XDG_CACHE_HOME name a folder that can be written to",
                stacklevel=2,
            )
            return usual
        return answers[question]

    def _read(self):
        """`{question: way}` from the file; empty if it is missing or damaged."""
        with contextlib.suppress(OSError, UserError):
            content = read_json(self.path)
            answers = content.get("fastest") if isinstance(content, dict) else None
            if isinstance(answers, dict) and content.get("machine") == self.machine:
                return {key: value for key, value in answers.items() if isinstance(value, str)}
        return {}


def _fastest(ways, usual):
    """The name of the way with the shortest run, if that is worthwhile."""
    for way in ways.values():
        way()  # compiles kernels
    spent = {name: [] for name in ways}
    # In turn, so that what else the machine does slows down all of them.
    for name, way in list(ways.items()) * _RUNS:
        start = time.perf_counter()
        way()
        spent[name].append(time.perf_counter() - start)
    best = min(spent, key=lambda name: min(spent[name]))
    return best if min(spent[best]) <= _WORTHWHILE * min(spent[usual]) else usual


def _cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "keras_reid"
