"""CUHK03."""

import dataclasses
import os
from pathlib import PurePath

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.layout import existing_folder, find_folder, laid_out
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json

_LAYOUT = laid_out(
    "CUHK03",
    "cuhk03/images_{labeled,detected}/*.png and cuhk03/splits_{new,classic}_{labeled,detected}.json, which "
    "`python -m keras_reid.data.datasets.extract_cuhk03 ROOT/cuhk03` makes from "
    "cuhk03/cuhk03_release/cuhk-03.mat and cuhk03/cuhk03_new_protocol_config_{labeled,detected}.mat",
)


@dataclasses.dataclass(frozen=True)
class CUHK03:
    """CUHK03: 1467 persons before 5 pairs of cameras, cut out by hand (labelled) or by a detector.

    The new protocol trains on 767 persons and tests on 700, once. The classic one tests on 100 persons, in 20 splits
    of which the mean counts, with every test image as query and in the gallery.

    Layout: `cuhk03/images_{labeled,detected}/PAIR_PERSON_VIEW_IMAGE.png` and
    `cuhk03/splits_{new,classic}_{labeled,detected}.json` below the root, or the root itself holds those. They are what
    FastReID and Torchreid extract from the distributed `.mat` files at first use; to do that here run
    `python -m keras_reid.data.datasets.extract_cuhk03 ROOT/cuhk03`. Training identities count from 0 in each split;
    a test identity of the same number is another person. The camera is the view, 0 or 1.

    Args:
        labeled: the boxes drawn by hand, instead of the detected ones.
        classic_split: the classic protocol, instead of the new one.
        split_id: which of the 20 splits, 0 … 19; 0 in the new protocol.

    Example:
        >>> CUHK03().read("datasets").statistics()[0]
        {'subset': 'train', 'identities': 767, 'images': 7368, 'cameras': 2}

    Source: Li et al., DeepReID: Deep Filter Pairing Neural Network for Person Re-identification, CVPR 2014;
    Zhong et al., Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017 (new protocol).
    """

    labeled: bool = True
    classic_split: bool = False
    split_id: int = 0

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the split below `root`; a `UserError` names what is missing."""
        boxes = "labeled" if self.labeled else "detected"
        kind = "classic" if self.classic_split else "new"
        folder = find_folder(root, "CUHK03", ("cuhk03",), f"images_{boxes}", _LAYOUT)
        images = existing_folder(folder / f"images_{boxes}", _LAYOUT)
        split = _read_split(folder / f"splits_{kind}_{boxes}.json", self.split_id)
        parts = (
            [Sample(images / name, identity, camera) for name, identity, camera in part] for part in split
        )
        name = "cuhk03"
        name += "" if self.labeled else "_detected"
        name += f"_classic{self.split_id}" if self.classic_split else ""
        return ReIDDataset(name, *parts, protocol=CROSS_CAMERA)


def _read_split(file, number):
    """Train, query and gallery of one split, lists of (name, identity, camera)."""
    if not file.is_file():
        raise UserError(f"{file} does not exist; {_LAYOUT}")
    wrong = f"{file} is not a list of splits with train, query and gallery; extract it again"
    try:
        splits = list(read_json(file))
    except (ValueError, TypeError):
        raise UserError(wrong) from None
    try:
        if isinstance(number, bool) or number not in range(len(splits)):
            raise UserError(
                f"`split_id` must be 0 … {len(splits) - 1} for {file}. Received: split_id={number!r}"
            )
        return [
            # Other toolboxes write the paths of the machine on which they ran.
            [
                (PurePath(path.replace("\\", "/")).name, identity, camera)
                for path, identity, camera in splits[number][part]
            ]
            for part in ("train", "query", "gallery")
        ]
    except UserError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(wrong) from None
