"""What was found, as a picture."""

from pathlib import Path

from keras_reid.embedding.image_files import displayed
from keras_reid.visualization.drawing import GREEN, GREY, RED, Tile, draw_rows
from keras_reid.visualization.ranked_list import describe_distance

_FRAMES = {"same": GREEN, "different": RED, "unsure": ("#9a6700", 3), None: (GREY, 2)}


def draw_found(one, path):
    """Draws a query and what was found for it, nearest first.

    The frame says the verdict: thick green for same, amber for unsure, thin red for different, grey without a
    calibration. Under each image stand verdict and probability, or the cosine similarity (or Euclidean distance).

    Args:
        one: `FoundList`.
        path: the picture to write; its ending (.png, .jpg, …) is its format.
    """
    tiles = [Tile(one.query, "query")]
    for image in one.images:
        caption = describe_distance(one.metric, image.distance)
        if image.verdict:  # there is no room for both
            caption = f"{image.verdict} {100 * image.probability:.0f} %"
        tiles.append(Tile(image.path, caption, *_FRAMES[image.verdict]))
    draw_rows([(displayed(Path(one.query).name), tiles)], path)
