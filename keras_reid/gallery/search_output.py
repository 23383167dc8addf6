"""What a search found, on the terminal and as a picture."""

from pathlib import Path

import rich.console
import rich.table
import rich.text

from keras_reid.embedding.image_files import displayed
from keras_reid.visualization.drawing import GREEN, GREY, RED, Tile, draw_rows
from keras_reid.visualization.ranked_list import describe_distance

_FRAMES = {"same": GREEN, "different": RED, "unsure": ("#9a6700", 3), None: (GREY, 2)}


def print_found(one, console=None):
    """Prints the ranked list of a query: rank, distance, and with a calibration probability and verdict, file.

    Args:
        one: `FoundList`.
        console: a `rich.console.Console`; None prints to standard output.
    """
    console = console or rich.console.Console()
    calibrated = one.prior is not None
    title = rich.text.Text(f"query {displayed(one.query)}")  # brackets in a name are no markup
    table = rich.table.Table(title=title, title_justify="left")
    table.add_column("Rank", justify="right")
    table.add_column("Distance", justify="right")
    if calibrated:
        table.add_column("Probability", justify="right")
        table.add_column("Verdict")
    table.add_column("File", overflow="fold")
    for image in one.images:
        told = [f"{image.probability:.4f}", image.verdict] if calibrated else []
        table.add_row(str(image.rank), f"{image.distance:.4f}", *told, rich.text.Text(displayed(image.path)))
    if not one.images:
        table.caption = "the gallery holds no other image"
    elif calibrated:
        table.caption = f"{one.metric} distance; probabilities at a prior of {one.prior:.3g}"
    else:
        table.caption = f"{one.metric} distance"
    console.print(table)


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
