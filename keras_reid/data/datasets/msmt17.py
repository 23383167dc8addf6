"""MSMT17."""

import dataclasses
import os

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.layout import existing_folder, find_folder, laid_out, read_list
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

_LAYOUT = laid_out(
    "MSMT17",
    "MSMT17_V1/{train,test} or MSMT17_V2/{mask_train_v2,mask_test_v2}, each beside list_train.txt, list_val.txt, "
    "list_query.txt and list_gallery.txt",
)
_CAMERAS = 15
_FORM = "PATH IDENTITY, such as 0000/0000_000_01_0303morning_0008_0.jpg 0, where _01_ is the camera"


@dataclasses.dataclass(frozen=True)
class MSMT17:
    """MSMT17: 4101 persons, 15 cameras; 11659 query and 82161 gallery images.

    The authors divide the 32621 training images of 1041 persons into 30248 to train on and 2373 for validation,
    of the same persons. As in FastReID the latter are trained on only if `validation` says so, or where everything is
    combined.

    Layout: the first of `MSMT17_V1` and `MSMT17_V2` (faces blurred) below the root, or the root itself; in it the
    lists `list_{train,val,query,gallery}.txt` and the folders `train` and `test`, in V2 `mask_train_v2` and
    `mask_test_v2`. Test identities are numbered on from the training identities, so that no identity is in both.

    Args:
        validation: also trains on the images of list_val.txt.

    Example:
        >>> MSMT17(validation=True).read("datasets").statistics()[0]
        {'subset': 'train', 'identities': 1041, 'images': 32621, 'cameras': 15}

    Source: Wei et al., Person Transfer GAN to Bridge Domain Gap for Person Re-Identification, CVPR 2018.
    """

    validation: bool = False

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the lists below `root`; a `UserError` names what is missing or a line that does not fit."""
        folder = find_folder(root, "MSMT17", ("MSMT17_V1", "MSMT17_V2"), "list_train.txt", _LAYOUT)
        second = folder.name == "MSMT17_V2" or (folder / "mask_train_v2").is_dir()
        train_folder, test_folder = ("mask_train_v2", "mask_test_v2") if second else ("train", "test")
        train_folder = existing_folder(folder / train_folder, _LAYOUT)
        test_folder = existing_folder(folder / test_folder, _LAYOUT)
        train = _read(folder / "list_train.txt", train_folder)
        validation = _read(folder / "list_val.txt", train_folder)
        count = len({sample.identity for sample in train})
        query, gallery = (
            _read(folder / f"list_{part}.txt", test_folder, first=count) for part in ("query", "gallery")
        )
        if self.validation:
            train, validation = train + validation, []
        return ReIDDataset(
            "msmt17", train, query, gallery, protocol=CROSS_CAMERA, validation=tuple(validation)
        )


def _read(file, folder, first=0):
    """Samples of a list; `first` is added to the identities."""
    lines = read_list(
        file, r"(?P<path>(?:[^_\s]*_){2}(?P<camera>\d+)_\S*) +(?P<identity>\d+)", _FORM, _LAYOUT
    )
    if wrong := [line["path"] for line in lines if not 1 <= int(line["camera"]) <= _CAMERAS]:
        raise UserError(f"{file}: {wrong[0]} tells no camera of MSMT17, which has cameras 1 to {_CAMERAS}")
    return [
        Sample(os.path.join(folder, line["path"]), int(line["identity"]) + first, int(line["camera"]) - 1)
        for line in lines
    ]
