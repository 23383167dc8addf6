"""Cars-196."""

import dataclasses
import os

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.datasets.image_retrieval import LISTS, divide, read_train_and_test
from keras_reid.data.datasets.layout import find_folder, laid_out
from keras_reid.data.datasets.matlab import read_matlab
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

_DIRECTORIES = ("Cars_196", "stanford_cars")
_WITH_LABELS = "cars_test_annos_withlabels.mat"
_LAYOUT = laid_out(
    "Cars-196",
    "Cars_196/{car_ims,cars_annos.mat}, or stanford_cars/{cars_train,cars_test,devkit/cars_train_annos.mat,"
    f"{_WITH_LABELS}}}, or Cars_196 with {LISTS}",
)
_TRAINING_CLASSES = 98


@dataclasses.dataclass(frozen=True)
class Cars196:
    """Cars-196 for image retrieval: 8054 images of the first 98 models of cars to train on, 8131 of 98 to test.

    Each test image is searched for among all the others (`"leave_one_out"`); Recall@1, 2, 4, 8 are reported.

    Layout, the first of these in `Cars_196` or `stanford_cars` below the root, or in the root itself: `car_ims` and
    `cars_annos.mat`; `cars_train`, `cars_test`, `devkit/cars_train_annos.mat` and `cars_test_annos_withlabels.mat`
    (there or in `devkit`), whose own division is not used; `train.txt` and `test.txt` with lines `PATH,CLASS`, as
    FastReID reads them.

    Example:
        >>> len(Cars196().read("datasets").query)
        8131

    Source: Krause et al., 3D Object Representations for Fine-Grained Categorization, ICCV workshop 2013; split: Oh Song
    et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016.
    """

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the annotations below `root`; a `UserError` names what is missing or does not fit."""
        marker = next(
            (name for name in ("car_ims", "devkit", "train.txt") if os.path.exists(os.path.join(root, name))),
            "car_ims",
        )
        folder = find_folder(root, "Cars-196", _DIRECTORIES, marker, _LAYOUT)
        if (folder / "cars_annos.mat").is_file():
            samples = _read(folder / "cars_annos.mat", folder, "relative_im_path")
        elif (folder / "devkit").is_dir():
            devkit = folder / "devkit"
            place = devkit if (devkit / _WITH_LABELS).is_file() else folder
            samples = _read(devkit / "cars_train_annos.mat", folder / "cars_train", "fname")
            samples += _read(place / _WITH_LABELS, folder / "cars_test", "fname")
        elif (folder / "train.txt").is_file():
            return read_train_and_test("cars196", folder, _LAYOUT)
        else:
            raise UserError(f"{folder} holds neither cars_annos.mat, devkit nor train.txt; {_LAYOUT}")
        return divide("cars196", samples, _TRAINING_CLASSES)


def _read(file, folder, path):
    """Samples of a MATLAB file whose structure `annotations` has a path and a class for each image."""
    if not file.is_file():
        raise UserError(f"{file} does not exist; {_LAYOUT}")
    annotations = read_matlab(file).get("annotations")
    if not isinstance(annotations, dict) or not {path, "class"} <= set(annotations):
        raise UserError(
            f"{file}: there is no structure `annotations` with the fields {path} and class; {_LAYOUT}"
        )
    samples = []
    rows = zip(annotations[path], annotations["class"], strict=True)
    for row, (name, number) in enumerate(rows, start=1):
        if not isinstance(name, str) or getattr(number, "size", 0) != 1:
            raise UserError(
                f"{file}: annotation {row} must have a path and one class. Received: {name!r}, {number!r}"
            )
        samples.append(Sample(os.path.join(folder, name), int(number.item())))
    return samples
