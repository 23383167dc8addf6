"""CUB-200-2011."""

import dataclasses
import os

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.datasets.image_retrieval import LISTS, divide, read_train_and_test
from keras_reid.data.datasets.layout import find_folder, laid_out, read_list
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

_LAYOUT = laid_out(
    "CUB-200-2011", f"CUB_200_2011/{{images,images.txt,image_class_labels.txt}}, or CUB_200_2011 with {LISTS}"
)
_TRAINING_CLASSES = 100


@dataclasses.dataclass(frozen=True)
class CUB200:
    """CUB-200-2011 for image retrieval: 5864 images of the first 100 kinds of birds to train on, 5924 of 100 to test.

    Each test image is searched for among all the others (`"leave_one_out"`); Recall@1, 2, 4, 8 are reported.

    Layout: `CUB_200_2011/{images,images.txt,image_class_labels.txt}` below the root, or the root itself holds those; a
    line of the lists reads `NUMBER PATH` and `NUMBER CLASS`. Where they are missing: `CUB_200_2011/{train,test}.txt`
    with lines `PATH,CLASS`, as FastReID reads them.

    Example:
        >>> len(CUB200().read("datasets").query)
        5924

    Source: Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, 2011; split: Oh Song et al., Deep Metric Learning via
    Lifted Structured Feature Embedding, CVPR 2016.
    """

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the lists below `root`; a `UserError` names what is missing or a line that does not fit."""
        folder = find_folder(root, "CUB-200-2011", ("CUB_200_2011",), "images", _LAYOUT)
        if not (folder / "images.txt").exists() and (folder / "train.txt").exists():
            return read_train_and_test("cub200", folder, _LAYOUT)
        images = _read(folder / "images.txt", r"\S+", "NUMBER PATH")
        classes = _read(folder / "image_class_labels.txt", r"\d+", "NUMBER CLASS, two numbers")
        for here, there, file in (
            (images, classes, "image_class_labels.txt"),
            (classes, images, "images.txt"),
        ):
            if missing := [number for number in here if number not in there]:
                raise UserError(
                    f"{folder / file}: {len(missing)} images are missing, the first is {missing[0]}"
                )
        samples = [
            Sample(os.path.join(folder, "images", path), int(classes[number]))
            for number, path in images.items()
        ]
        return divide("cub200", samples, _TRAINING_CLASSES)


def _read(file, value, form):
    """Number of an image → what the file says of it."""
    lines = read_list(file, rf"(?P<number>\d+)\s+(?P<value>{value})", form, _LAYOUT)
    return {int(line["number"]): line["value"] for line in lines}
