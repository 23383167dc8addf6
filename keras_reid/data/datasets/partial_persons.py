"""What the test sets of partial and occluded persons have in common."""

from typing import Literal

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.files import existing_folder, find_folder, laid_out, list_images, match_names
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

Cameras = Literal["name", "part"]
_PATTERNS = {"name": r"(-?\d+)_(\d+)", "part": r"(-?\d+)"}


def read_partial(root, name, title, directory, parts, cameras):
    """Reads a set of two folders, queries and gallery, whose files are named IDENTITY_CAMERA….

    Args:
        root: folder that holds `directory`, or that is itself the data set.
        name: of the data set, for tables.
        title: what the set is called, for errors.
        directory: name of its folder.
        parts: names of the folders of query and gallery images.
        cameras: `"name"`: the number after the first "_" of a file name is the camera; `"part"`: queries are camera
            0 and gallery images camera 1.
    """
    if cameras not in _PATTERNS:
        raise UserError(f"`cameras` of {title} must be 'name' or 'part'. Received: {cameras!r}")
    layout = laid_out(title, f"{directory}/{{{','.join(parts)}}}")
    folder = find_folder(root, title, (directory,), parts[0], layout)
    query, gallery = (
        _read(existing_folder(folder / part, layout), title, cameras, camera)
        for camera, part in enumerate(parts)
    )
    return ReIDDataset(name, query=query, gallery=gallery, protocol=CROSS_CAMERA)


def _read(folder, title, cameras, camera_of_part):
    files = list_images(folder)
    matches = match_names(_PATTERNS[cameras], files)
    misfits = [file for file, match in zip(files, matches, strict=True) if match is None]
    if misfits:
        form = "IDENTITY_CAMERA…, such as 012_1.jpg; for a copy without cameras there is cameras='part'"
        raise UserError(
            f"{len(misfits)} of {len(files)} images do not fit, the first is {folder / misfits[0]}: {title} names "
            f"its images {form if cameras == 'name' else 'IDENTITY…, such as 012.jpg'}"
        )
    return [
        Sample(folder / file, int(match[1]), int(match[2]) if cameras == "name" else camera_of_part)
        for file, match in zip(files, matches, strict=True)
    ]
