"""Finds out from the environment which of several workers this process is."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from keras_reid.utils.errors import UserError


class Worker(NamedTuple):
    """A process in distributed training."""

    index: int = 0  # type: ignore[assignment]  # a tuple has a method of this name
    """number of this worker, from 0"""
    count: int = 1  # type: ignore[assignment]
    """number of workers"""
    chief: bool = True
    """whether this worker evaluates and writes; a single process always does"""


def this_worker() -> Worker:
    """The `Worker` that the environment variable `TF_CONFIG` describes; without the variable, a single worker.

    `TF_CONFIG` is JSON, as TensorFlow defines it: `{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker",
    "index": 0}}`; the first worker may have its own entry `"chief"`.

    Raises:
        UserError: `TF_CONFIG` is malformed.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return Worker()
    try:
        config = json.loads(text)
        cluster = {kind: list(addresses) for kind, addresses in config.get("cluster", {}).items()}
        task = config.get("task", {})
        kind, index = task.get("type", "worker"), int(task.get("index", 0))
        chiefs, workers = len(cluster.get("chief", ())), len(cluster.get("worker", ()))
        if not cluster:
            return Worker()
        if kind not in ("chief", "worker") or not 0 <= index < (chiefs if kind == "chief" else workers):
            raise ValueError(f"there is no {kind} {index} in the cluster")
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            "TF_CONFIG must be JSON with `cluster` (chief, worker: lists of addresses) and `task` (type, index): "
            f"{error}. Received: {text[:200]!r}"
        ) from error
    place = index if kind == "chief" else chiefs + index
    return Worker(place, chiefs + workers, place == 0)
