"""How long the tests take, by lane, folder and test: `python benchmarks/test_times.py`.

    python benchmarks/test_times.py                       the default lane, as `make test` runs it
    python benchmarks/test_times.py --lane medium -- -n 0
    python benchmarks/test_times.py --read junit.xml --label before
    python benchmarks/test_times.py --only table

Runs pytest and measures it, even if tests fail. Writes three kinds of rows to benchmarks/results/test_times.csv. Level
`lane` is the duration of the lane from start to end; each run adds a numbered row. Levels `folder` (the sum over each
folder) and `test` (the 60 slowest tests), both including set-up, replace the earlier rows with the same label and lane.
With two workers, the sums are nearly twice the duration. `--read` reads a file that pytest has already written with
`--junit-xml`.

`table` prints the lanes, the folders and the slowest tests.
"""

import argparse
import collections
import csv
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import measuring

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import written_aside

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = pathlib.Path(__file__).with_name("results") / "test_times.csv"
LANES = {"default": "not medium and not slow", "medium": "medium and not slow", "slow": "slow"}
WORKERS = "-n auto --maxprocesses 4 --dist loadfile"  # as the Makefile
COLUMNS = ("label", "lane", "run", "level", "name", "cases", "seconds", *measuring.MACHINE)
SLOWEST = 60


def run(lane, arguments):
    """Runs the tests of a lane; returns the file with their times."""
    file = pathlib.Path(tempfile.mkdtemp()) / "junit.xml"
    words = [sys.executable, "-m", "pytest", *WORKERS.split(), "-m", LANES[lane], f"--junit-xml={file}"]
    words += arguments
    code = subprocess.run(words, cwd=ROOT).returncode
    if not file.exists():
        raise UserError(f"pytest wrote no times and ended with exit code {code}: {' '.join(words)}")
    return file


def read(file):
    """The seconds from start to end, and the seconds of each test by its name, of a file of `pytest --junit-xml`."""
    try:
        (suite,) = ElementTree.parse(file).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{file} must be a file from `pytest --junit-xml`: {error}") from error
    tests = collections.defaultdict(float)  # a test and its failing teardown are two entries
    for case in suite.iter("testcase"):
        if case.get("classname") is None:  # pytest's own entry after an interruption
            continue
        tests[f"{case.get('classname')}::{case.get('name')}"] += float(case.get("time"))
    return float(suite.get("time")), dict(tests)


def folder(test):
    """`"tests.data.datasets.test_csv::test_x"` → `"tests/data/datasets"`."""
    module = test.partition("::")[0].split(".")
    return "/".join(module[:-1])


def rows_of(seconds, tests):
    """The rows of a run, without what identifies it: level, name, cases, seconds."""
    folders = collections.defaultdict(list)
    for name, spent in tests.items():
        folders[folder(name)].append(spent)
    rows = [("lane", "", len(tests), seconds)]
    rows += [("folder", name, len(spent), sum(spent)) for name, spent in sorted(folders.items())]
    slowest = sorted(tests.items(), key=lambda item: -item[1])[:SLOWEST]
    return rows + [("test", name, 1, spent) for name, spent in slowest]


def write(output, label, lane, rows):
    """Adds a run: keeps the durations of earlier runs with the same label and lane, and replaces their other rows."""
    here = {"label": label, "lane": lane}
    kept, runs = [], 0
    for row in measuring.rows(output, {}):
        same = all(row[key] == value for key, value in here.items())
        if not same or row["level"] == "lane":
            kept.append(row)
            runs += same
    machine = measuring.machine()
    for level, name, cases, seconds in rows:
        values = {"run": runs + 1, "level": level, "name": name, "cases": cases, "seconds": f"{seconds:.2f}"}
        kept.append({**here, **values, **machine})
    output.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(output) as aside, open(aside, "w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


def print_table(output):
    """Prints lanes and folders side by side, with a column for each label and lane, and the slowest tests of each."""
    rows = measuring.rows(output, {})
    columns = list(dict.fromkeys((row["label"], row["lane"]) for row in rows))

    def of(level):
        found = collections.defaultdict(lambda: collections.defaultdict(list))
        for row in rows:
            if row["level"] == level:
                found[row["name"]][row["label"], row["lane"]].append(row)
        return found

    print("| | " + " | ".join(f"{label}, {lane}" for label, lane in columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for name, cells in [*of("lane").items(), *sorted(of("folder").items())]:
        shown = (
            "; ".join(f"{row['cases']}: {float(row['seconds']):.0f} s" for row in cells[column])
            for column in columns
        )
        print(f"| {name or 'start to end'} | " + " | ".join(shown) + " |")
    for label, lane in columns:
        print(f"\n{SLOWEST} slowest: {label}, {lane}")
        for name, cells in of("test").items():
            for row in cells[label, lane]:
                print(f"{float(row['seconds']):8.2f} s  {name}")


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lane", choices=LANES, default="default")
    parser.add_argument("--label", default="now", help="name of this version in the table")
    parser.add_argument(
        "--read",
        type=pathlib.Path,
        metavar="FILE",
        help="read a file from `pytest --junit-xml` and run nothing",
    )
    parser.add_argument("--only", choices=["table"], help="print the table and run nothing")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    parser.add_argument(
        "pytest", nargs="*", metavar="ARGUMENT", help="further arguments for pytest, after --"
    )
    options = parser.parse_args(arguments)
    if options.only != "table":
        seconds, tests = read(options.read or run(options.lane, options.pytest))
        write(options.output, options.label, options.lane, rows_of(seconds, tests))
    print_table(options.output)


if __name__ == "__main__":
    command_line.run(main)
