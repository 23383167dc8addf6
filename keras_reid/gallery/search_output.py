"""What a search found, on the terminal and as a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import rich.console
import rich.table
import rich.text

from keras_reid.embedding.named_images import displayed
from keras_reid.utils.percent import percent
from keras_reid.visualization.ranked_list import describe_distance
from keras_reid.visualization.ranked_list_picture import GREEN, GREY, RED, Tile, draw_rows

if TYPE_CHECKING:
    from rich.console import Console

    from keras_reid.gallery.gallery_search import SearchResult

_SIGNS = {"same": "✓", "different": "✗"}
_FRAMES = {"same": GREEN, "different": RED, "unsure": ("#9a6700", 3), None: (GREY, 2)}


def print_search_result(result: SearchResult, console: Console | None = None) -> None:
    """Prints the ranked list of a query: rank, distance, and with a calibration probability and verdict, file.

    Args:
        result: `SearchResult`.
        console: a `rich.console.Console`; None prints to standard output.
    """
    console = console or rich.console.Console()
    calibrated = result.prior is not None
    title = rich.text.Text(f"query {displayed(result.query)}")  # brackets in a name are no markup
    table = rich.table.Table(title=title, title_justify="left")
    table.add_column("Rank", justify="right")
    table.add_column("Distance", justify="right")
    if calibrated:
        table.add_column("Probability", justify="right")
        table.add_column("Verdict")
    table.add_column("File", overflow="fold")
    for hit in result.images:
        verdict = [f"{hit.probability:.4f}", hit.verdict] if calibrated else []
        table.add_row(str(hit.rank), f"{hit.distance:.4f}", *verdict, rich.text.Text(displayed(hit.path)))
    if not result.images:
        table.caption = "the gallery holds no other image"
    elif calibrated:
        table.caption = f"{result.metric} distance; probabilities at a prior of {result.prior:.3g}"
    else:
        table.caption = f"{result.metric} distance"
    console.print(table)
    for reason, ranks in _reasons(result).items():
        console.print(f"unsure of {ranks}: {reason}", soft_wrap=True)


def _reasons(result):
    """Reason → the ranks that it limits, in words."""
    ranks = {}
    for hit in result.images:
        if hit.reason:
            ranks.setdefault(hit.reason, []).append(str(hit.rank))
    return {
        reason: "all" if len(some) == len(result.images) else f"rank {', '.join(some)}"
        for reason, some in ranks.items()
    }


def draw_search_result(result: SearchResult, path: str | os.PathLike[str]) -> None:
    """Draws a query and what was found for it, nearest first.

    The frame says the verdict: thick green with a ✓ for same, amber for unsure, thin red with a ✗ for different, grey
    without a calibration. Under each image stand its rank, verdict and probability, or the cosine similarity (or
    Euclidean distance), and the file name.

    Args:
        result: `SearchResult`.
        path: the picture to write; its ending (.png, .jpg, …) is its format.
    """
    tiles = [Tile(result.query, ("query",))]
    for hit in result.images:
        words = (f"{hit.rank}", describe_distance(result.metric, hit.distance))
        if hit.verdict and hit.probability is not None:  # there is no room for both
            words = (f"{hit.rank}", f"{hit.verdict} {percent(hit.probability)}")
        tiles.append(Tile(hit.path, words, *_FRAMES[hit.verdict], sign=_SIGNS.get(hit.verdict or "", "")))
    draw_rows([(displayed(Path(result.query).name), tiles)], path)
