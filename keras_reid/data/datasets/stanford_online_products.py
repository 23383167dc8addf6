"""Stanford Online Products."""

import dataclasses
import os

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.datasets.image_retrieval import LISTS, leave_one_out, read_train_and_test
from keras_reid.data.datasets.layout import find_folder, laid_out, read_list
from keras_reid.data.sample import Sample

_DIRECTORY = "Stanford_Online_Products"
_LAYOUT = laid_out(
    "Stanford Online Products",
    f"{_DIRECTORY}/{{Ebay_train.txt,Ebay_test.txt,…_final}}, or {_DIRECTORY} with {LISTS}",
)
_LINE = r"(?P<header>image_id\s.*)|\d+\s+(?P<product>\d+)\s+\d+\s+(?P<path>\S+)"


@dataclasses.dataclass(frozen=True)
class StanfordOnlineProducts:
    """Stanford Online Products (SOP): 59551 images of 11318 products to train on, 60502 of 11316 others to test.

    Each test image is searched for among all the others (`"leave_one_out"`); Recall@1, 10, 100, 1000 are reported.

    Layout: `Stanford_Online_Products/{Ebay_train.txt,Ebay_test.txt}` below the root, or the root itself holds those;
    a line after the first reads `IMAGE PRODUCT KIND PATH`. Where they are missing: `{train,test}.txt` with lines
    `PATH,CLASS`, as FastReID reads them.

    Example:
        >>> len(StanfordOnlineProducts().read("datasets").query)
        60502

    Source: Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016.
    """

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the lists below `root`; a `UserError` names what is missing or a line that does not fit."""
        folder = find_folder(root, "Stanford Online Products", (_DIRECTORY,), "Ebay_train.txt", _LAYOUT)
        if not (folder / "Ebay_train.txt").exists() and (folder / "train.txt").exists():
            return read_train_and_test("sop", folder, _LAYOUT)
        return leave_one_out(
            "sop", *(_read(folder / f"Ebay_{part}.txt", folder) for part in ("train", "test"))
        )


def _read(file, folder):
    lines = read_list(file, _LINE, "IMAGE PRODUCT KIND PATH, three numbers and a file", _LAYOUT)
    return [
        Sample(os.path.join(folder, line["path"]), int(line["product"]))
        for line in lines
        if not line["header"]
    ]
