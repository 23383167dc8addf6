"""`keras-reid doctor FILE.py|FOLDER`: what is wrong with the data, before any training."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.experiment.loading import load_experiment
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.files import write_json
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import is_published, resolved

_FOUND = 1  # exit code with --strict


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Say what is wrong with the data, before any training.

    Counts images by identity and camera, and looks for: cameras that are constant within identities, identities with
    one image or one camera, copies and near copies across parts, identities and cameras, files that cannot be read or
    are passed over, tiny, odd, grey and empty images. With a model, also for images whose identity is likely wrong and
    for reference pictures that look like many other identities.

    FOLDER is read as `Folder()` reads it; any other layout, or a benchmark, needs an experiment file, of which the
    training set and all test sets are examined. Prints a table and writes a page with the pictures. The exit code is 0
    whatever is found, unless --strict is given.
    """

    file_or_folder: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE.py|FOLDER")]
    """an experiment file, or a folder of images"""
    model: Annotated[str | None, tyro.conf.arg(metavar="RUN_OR_MODEL")] = None
    """a run directory (runs/NAME) or a .keras file that says which identities are likely wrong; best one that was not
    trained on these images"""
    root: Path | None = None
    """folder that holds the data sets; by default that of the experiment file"""
    json: Path | None = None
    """file for everything that was found, as JSON"""
    output: Path | None = None
    """HTML file to write; by default doctor-NAME.html"""
    strict: bool = False
    """exit with code 1 if anything worse than a note was found"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Doctor, arguments, prog="keras-reid doctor", config=(tyro.conf.FlagCreatePairsOff,)
    )
    if options.output and options.output.suffix not in (".html", ".htm"):
        raise UserError(f"--output must be a file that ends in .html. Received: {options.output}")
    if options.model and not is_published(options.model):
        find_model_file(options.model)
    name, data = _data(options)
    options = resolved(options, "model")

    command_line.load_tensorflow()
    from keras_reid.data.doctor import examine
    from keras_reid.visualization.doctor_page import write_doctor_page

    subject = _read(data)
    model = None
    if options.model:
        from keras_reid.models import load_model

        model = load_model(options.model, trust_code=options.trust_code)
    examination = examine(subject, name)
    if model is not None:
        from keras_reid.evaluation.analysis.model_findings import model_findings

        examination = examination.with_findings(model_findings(subject, model, examination))
    _print(examination)
    page = options.output or Path("doctor-" + re.sub(r"[^\w.-]+", "_", name) + ".html")
    write_doctor_page(page, examination)
    print(f"page with the pictures: {page}")
    if options.json:
        write_json(options.json, examination.to_dict())
        print(f"written to {options.json}")
    if options.strict and not examination.is_clean():
        sys.exit(_FOUND)


def _data(options):
    """The name of what is examined, and the `Data` that describes it."""
    from keras_reid.data import Folder
    from keras_reid.experiment import Data

    path = Path(options.file_or_folder)
    if path.is_dir():
        if options.root:
            raise UserError(
                f"--root is for an experiment file; {path} is a folder of images. Leave --root out"
            )
        return path.resolve().name, Data(dataset=Folder(), root=path)
    if path.suffix != ".py":
        raise UserError(
            f"the doctor examines a folder of images or an experiment file that ends in .py. Received: {path}"
            + ("" if path.exists() else ", which does not exist")
        )
    experiment = load_experiment(path)
    data = experiment.data
    return experiment.name, data if options.root is None else dataclasses.replace(data, root=options.root)


def _read(data):
    """The `Subject`: every data set is read once."""
    from keras_reid.data.doctor import Subject
    from keras_reid.run.data import read_dataset

    read = {}
    for reader in (data.dataset, *data.test_datasets):
        if id(reader) not in read:
            read[id(reader)] = read_dataset(reader, data.root)
    tests = tuple(read[id(reader)] for reader in data.test_datasets or [data.dataset])
    return Subject(read[id(data.dataset)], tests)


def _print(examination):
    """The findings on the terminal, the worst first."""
    import rich.console
    import rich.table
    import rich.text

    if not examination.findings:
        print(f"{examination.name}: nothing found in {len(examination.paths)} images")
        return
    colors = {"error": "bold red", "warning": "yellow", "note": ""}
    table = rich.table.Table(title=f"doctor: {examination.name}", title_justify="left", show_lines=True)
    table.add_column("Severity")
    table.add_column("Finding", overflow="fold")
    for finding in examination.findings:
        table.add_row(
            rich.text.Text(finding.severity, colors[finding.severity]), rich.text.Text(finding.sentence)
        )
    rich.console.Console().print(table)


if __name__ == "__main__":
    command_line.run(main)
