"""What was found, on the terminal."""

import rich.console
import rich.table
import rich.text

from keras_reid.embedding.image_files import displayed


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
