"""What is wrong with a data set, said before any training: `keras-reid doctor`.

- `subject`: which images are examined, and in which part each is used; `finding`: what a check returns.
- `labels`: by identities and cameras alone, in milliseconds; `counting`, `passed_over`.
- `small_pictures`: each image once; from these `appearance` (tiny, odd, grey, empty) and `copies` (`picture_hash` finds
  candidates, `same_picture` compares them).
- `examination`: all of these.

Which identities are likely wrong a model must say: `keras_reid.evaluation.analysis.suspect_identities`.
"""

import importlib

_NAMES = {
    "Examination": "examination",
    "Finding": "finding",
    "Picture": "finding",
    "Subject": "subject",
    "examine": "examination",
    "label_findings": "labels",
}

__all__ = list(_NAMES)


def __getattr__(name):
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
