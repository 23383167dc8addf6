"""The small data for the examples in the documentation."""

import json
import shutil

import numpy as np
from PIL import Image

from tests.checkpoints.writing import write_torch_file
from tests.weights.test_fastreid import small_state


def fill_workplace(folder, run):
    """Fills a folder with the files that the pages of docs use.

    Args:
        folder: where.
        run: a finished run directory, which is called `runs/quickstart` there.
    """
    (folder / "runs").mkdir()
    shutil.copytree(run, folder / "runs" / "quickstart")  # which the commands change
    write_torch_file(folder / "market_bot_R18.pth", small_state(width=64))
    for name in ("market_bot_R50.pth", "model_best.pth"):
        write_torch_file(folder / name, small_state())
    (folder / "config.yaml").write_text("MODEL: {HEADS: {POOL_LAYER: GlobalAvgPool}}")
    rows = []
    for number in range(12):
        for camera, day in ((0, 1), (1, 1), (0, 2), (1, 2)):
            file = f"images/a{number}_{camera}_{day}.png"
            draw(folder / "zoo" / file, number, camera + 2 * day)
            rows.append({"file": file, "animal": f"a{number}", "enclosure": camera, "day": day})
    (folder / "zoo" / "animals.json").write_text(json.dumps(rows))
    for number in range(26):  # half of them give the thousand pairs that a rate of 0.001 needs
        for camera in range(2):
            for picture in range(3):
                file = folder / "pictures" / f"a{number}" / f"cam{camera}_{picture}.png"
                draw(file, number, camera + 2 * picture)


def draw(file, identity, noise):
    """A coarse image of an identity, 64 × 32."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(identity).integers(40, 215, (8, 4, 3))
    pixels = pixels.repeat(8, axis=0).repeat(8, axis=1)
    pixels = pixels + np.random.default_rng(noise).integers(-40, 40, pixels.shape)
    Image.fromarray(pixels.astype("uint8")).save(file)
