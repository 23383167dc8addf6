"""Results as a table on the terminal."""

import rich.console
import rich.table

COLUMNS = (("Rank-1", "rank1"), ("Rank-5", "rank5"), ("Rank-10", "rank10"), ("mAP", "mAP"), ("mINP", "mINP"))


def print_table(results, console=None):
    """Prints one line for each test set: percent with two decimals, and how many queries were counted.

    Args:
        results: name of the test set → `RetrievalResult`, or its `to_dict()`.
        console: a `rich.console.Console`; None prints to standard output.

    Example:
        >>> metrics = {"rank1": 0.95, "rank5": 0.98, "rank10": 0.99, "mAP": 0.88, "mINP": 0.65}
        >>> print_table({"market": {**metrics, "num_queries": 9, "num_valid_queries": 9}})  # doctest: +SKIP
    """
    table = rich.table.Table()
    table.add_column("Test set", overflow="fold")  # rather than cut a name off
    for title, _ in COLUMNS:
        table.add_column(title, justify="right")
    table.add_column("Queries", justify="right")
    skipped = False
    for name, result in results.items():
        values = result if isinstance(result, dict) else result.to_dict()
        queries, valid = values["num_queries"], values["num_valid_queries"]
        skipped |= valid < queries
        count = str(queries) if valid == queries else f"{valid} of {queries}"
        table.add_row(name, *(f"{100 * values[key]:.2f}" for _, key in COLUMNS), count)
    if skipped:
        table.caption = "Queries without a match in the gallery are left out."
    (console or rich.console.Console()).print(table)
