"""In-Shop Clothes Retrieval."""

import dataclasses
import os

from keras_reid.data.dataset import ALL, ReIDDataset
from keras_reid.data.datasets.image_retrieval import read_pairs
from keras_reid.data.datasets.layout import find_folder, laid_out, read_list
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

_LIST, _PARTS = "list_eval_partition.txt", ("train", "query", "gallery")
_LAYOUT = laid_out(
    "In-Shop",
    f"InShop/{{img,{_LIST}}} or InShop/{{Img/img,Eval/{_LIST}}}, or InShop with train.txt, test_query.txt and "
    "test_gallery.txt with lines PATH,CLASS (as FastReID reads it)",
)
_LINE = rf"(?P<other>\d+|image_name\s.*)|(?P<path>\S+)\s+(?P<item>\S+)\s+(?P<part>{'|'.join(_PARTS)})"


@dataclasses.dataclass(frozen=True)
class InShop:
    """In-Shop Clothes Retrieval (DeepFashion): 25882 training images of 3997 items, 14218 query, 12612 gallery images.

    Query and gallery show 3985 other items; every gallery image counts (`"all"`). Recall@1, 10, 20, 30 are reported.

    Layout: `InShop` (or `In-shop Clothes Retrieval Benchmark`) below the root, or the root itself, with
    `list_eval_partition.txt` or `Eval/list_eval_partition.txt`, whose lines read `PATH ITEM PART`, and the images, as
    `img/…` or `Img/img/…`. Where the list is missing: `{train,test_query,test_gallery}.txt` with lines `PATH,CLASS`,
    as FastReID reads them.

    Example:
        >>> [row["images"] for row in InShop().read("datasets").statistics()]
        [25882, 14218, 12612]

    Source: Liu et al., DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations, CVPR
    2016.
    """

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the list below `root`; a `UserError` names what is missing or a line that does not fit."""
        marker = "Eval" if os.path.isdir(os.path.join(root, "Eval")) else _LIST
        directories = ("InShop", "In-shop Clothes Retrieval Benchmark")
        folder = find_folder(root, "In-Shop", directories, marker, _LAYOUT)
        file = folder / "Eval" / _LIST if (folder / "Eval").is_dir() else folder / _LIST
        if not file.exists() and (folder / "train.txt").exists():
            names = ("train", "test_query", "test_gallery")
            parts = [read_pairs(folder / f"{name}.txt", folder, _LAYOUT) for name in names]
        else:
            images = folder / "Img" if (folder / "Img").is_dir() else folder
            parts = _read(file, images)
        return ReIDDataset("inshop", *parts, protocol=ALL)


def _read(file, images):
    """Lists of the samples of each part."""
    parts = {part: [] for part in _PARTS}
    for line in read_list(file, _LINE, f"PATH ITEM PART, where PART is {', '.join(_PARTS)}", _LAYOUT):
        if not line["other"]:
            parts[line["part"]].append(Sample(os.path.join(images, line["path"]), line["item"]))
    for part, samples in parts.items():
        if not samples:
            raise UserError(f"{file} has no line of the part {part!r}")
    return list(parts.values())
