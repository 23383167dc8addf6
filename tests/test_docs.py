"""Checks the pages of docs: examples run, commands parse, and names, numbers and links are right."""

import csv
import json
import re
import subprocess
import sys

import pytest

from keras_reid.data.image_limits import MOST_MEGAPIXELS
from keras_reid.weights.fastreid_checks import _RULES
from tests import documentation as doc
from tests.checkpoints.writing import write_torch_file
from tests.conftest import ROOT
from tests.documentation.fastreid_options import OPTIONS
from tests.documentation.workplace import fill_workplace
from tests.gallery.servers import open_folder
from tests.test_recipes import ROWS
from tests.weights.test_fastreid import small_state

TEXTS = {page.name: page.read_text(encoding="utf-8") for page in doc.PAGES}
FASTREID, RECIPES = TEXTS["coming_from_fastreid.md"], TEXTS["recipes.md"]
OPTION_ROWS = [row for _, rows in doc.tables(FASTREID) if rows[0][0] == "option" for row in rows[1:]]


@pytest.fixture
def workplace(smoke_run, monkeypatch):
    """A working directory with the small data sets, the checkpoint and the run that the pages use."""
    with open_folder() as folder:  # a gallery's database enters it
        fill_workplace(folder, smoke_run[0])
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        yield folder


@pytest.mark.medium
@pytest.mark.parametrize("page", [page for page in TEXTS if "```python" in TEXTS[page]])
def test_the_python_blocks_run(page, workplace, capsys):
    doc.run_blocks(TEXTS[page], workplace)


@pytest.mark.medium
def test_an_experiment_of_own_parts_only_is_trained(workplace, command):
    for name, code in doc.file_blocks(TEXTS["plug_in_your_own.md"]).items():
        (workplace / name).write_text(code, encoding="utf-8")
    process = command("fit", "mine.py", "--training.epochs", "1", cwd=workplace)
    assert "contrastive" in process.stdout
    description = json.loads((workplace / "runs" / "mine" / "experiment.json").read_text())
    assert description["model"]["backbone"] == "own_backbone.small_network"
    assert json.loads((workplace / "runs" / "mine" / "metrics.json").read_text())["zoo"]["rank1"] > 0


@pytest.mark.parametrize("page", TEXTS)
def test_commands_parse(page, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, code in doc.file_blocks(TEXTS[page]).items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    doc.check_commands(TEXTS[page], tmp_path)


# Options that let a small machine run a page's own training in a minute.
SHORTER = ["--training.epochs", "3", "--evaluation.every", "0", "--model.image-size", "64", "32"]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["getting_started.md", "plug_in_your_own.md", "coming_from_fastreid.md"])
def test_commands_run(page, workplace, command):
    """Runs the commands of a page in order on small data, except those that need other data."""
    for name, code in doc.file_blocks(TEXTS[page]).items():
        (workplace / name).write_text(code, encoding="utf-8")
    done = 0
    for words in doc.shell_lines(TEXTS[page]):
        found = doc.module_of(words)
        if found is None or "/path/to/datasets" in words:
            continue
        module, arguments = found
        if module == "keras_reid.fit" and not {"--smoke", "--help"} & set(arguments):
            arguments = [*arguments, *SHORTER]
        if "runs/mine-2" in arguments:  # the second run that the page uses
            command("fit", "mine.py", "--data.root", "pictures", *SHORTER, cwd=workplace)
        command(module.removeprefix("keras_reid."), *arguments, cwd=workplace)
        done += 1
    assert done


@pytest.mark.slow
def test_conversion(command):
    """Runs the commands of "Weights from elsewhere" on a small network."""
    write_torch_file(command.folder / "market_bot_R50.pth", small_state())
    for words in doc.shell_lines(TEXTS["weights.md"]):
        module, arguments = doc.module_of(words)
        command(module.removeprefix("keras_reid."), *arguments, cwd=command.folder)
    assert (command.folder / "served" / "savedmodel" / "float32" / "parity.json").is_file()


def test_every_option_of_fastreid_has_one_row():
    named = [code for row in OPTION_ROWS for code in doc.spans(row[0])]
    assert sorted(named) == sorted(OPTIONS)


@pytest.mark.parametrize("row", OPTION_ROWS, ids=lambda row: row[0].strip("`"))
def test_what_an_option_is_called_here_exists(row):
    _, here, difference = row
    ours = doc.spans(here)
    assert ours or (here == "–" and difference)
    for code in (*ours, *doc.spans(difference)):
        if code not in (".pth", ".keras"):
            assert doc.problem_with(code) is None


def test_what_convert_reads():
    (rows,) = [rows for _, rows in doc.tables(FASTREID) if rows[0][0].startswith("read by")]
    named = {code for row in rows[1:] for code in doc.spans(row[0])}
    assert named == {*_RULES, "MODEL.META_ARCHITECTURE", "MODEL.HEADS.NAME"}


def test_each_experiment_of_the_original_is_in_the_table_of_recipes():
    (rows,) = [rows for _, rows in doc.tables(FASTREID) if rows[0][0] == "configuration file"]
    files = {doc.spans(row[1])[0]: doc.spans(row[2])[0] for row in rows[1:]}
    own = {f"experiments/{file.name}": file.read_text() for file in (ROOT / "experiments").glob("*.py")}
    assert set(files) == {
        path
        for path, code in own.items()
        if "from keras_reid.recipes import" in code
        and not any(other in path for other in ("distill", "_to_", "transreid"))
    }
    for path, recipe in files.items():
        assert f"from keras_reid.recipes import {recipe}\n" in own[path]


@pytest.mark.parametrize("page", ["recipes.md", "plug_in_your_own.md", "operations.md"])
def test_names_in_tables_exist(page):
    for _, rows in doc.tables(TEXTS[page]):
        if rows[0][0] in ("to", "field", "backbone, 256×128", "you have", "recipe"):
            for code in (code for row in rows[1:] for cell in row for code in doc.spans(cell)):
                if not code.startswith(("experiments/", "ibn=", "(")):
                    assert doc.problem_with(code) is None, code


def test_numbers_of_the_original():
    (rows,) = [rows for heading, rows in doc.tables(RECIPES) if heading == "Results published by FastReID"]
    for recipe, *cells in rows[1:]:
        name, network = re.fullmatch(r"`(\w+)`, ResNet-(\S+)", recipe).groups()
        for dataset, cell in zip(("market", "duke", "msmt17"), cells, strict=True):
            key = f"{dataset}_{'circle' if (dataset, name) == ('duke', 'sbs') else name}"
            assert cell == " / ".join(ROWS[key][f"R{network}"][:2])
    for name, shown in (("vehicleid_bot", 2), ("veriwild_bot", 2), ("veri_sbs", 2)):
        for numbers in ROWS[name].values():
            assert " / ".join(numbers[:shown]) in RECIPES


def test_measured_numbers():
    with open(ROOT / "benchmarks" / "results" / "backbones.csv", encoding="utf-8") as stream:
        measured = {row["backbone"]: row for row in csv.DictReader(stream)}
    names = ["mobilenet_v2_x1.0", "osnet_x0.25", "osnet_x1.0", "resnet18", "resnet50", "resnet50_ibn"]
    names += ["resnet50_mgn", "vit_base"]
    (rows,) = [rows for _, rows in doc.tables(RECIPES) if rows[0][0] == "backbone, 256×128"]
    for name, (_, *cells) in zip(names, rows[1:], strict=True):
        row = measured[name]
        values = [float(row["parameters"]) / 1e6, float(row["gflops"])]
        values += [float(row[f"{kind}_images_per_second"]) for kind in ("forward", "training")]
        for cell, value in zip(cells, values, strict=True):
            digits = len(cell.partition(".")[2])
            assert float(cell) == pytest.approx(value, abs=0.51 * 10**-digits)


def test_results_of_the_tasks():
    """The page contains the table that the command prints."""
    command = [sys.executable, str(ROOT / "benchmarks" / "tasks.py"), "--only", "table"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.count("\n") > 6
    assert printed in RECIPES


def test_measured_sizes():
    with open(ROOT / "benchmarks" / "results" / "serving.csv", encoding="utf-8") as stream:
        measured = [row for row in csv.DictReader(stream) if (row["case"], row["input"]) == ("load", "bytes")]
    (rows,) = [rows for heading, rows in doc.tables(TEXTS["deployment.md"]) if heading == "Sizing"]
    for model, protocol, clients, images, *cells in rows[1:]:
        name = "quickstart" if "quickstart" in model else "resnet50"
        (row,) = [
            row
            for row in measured
            if row["model"].startswith(name)
            and (row["protocol"], row["clients"], row["images"]) == (protocol.lower(), clients, images)
        ]
        for cell, column in zip(cells, ("images_per_second", "p95_ms", "cpu_ms"), strict=True):
            digits = len(cell.partition(".")[2])
            assert float(cell) == pytest.approx(float(row[column]), abs=0.51 * 10**-digits)


def test_measured_memory_of_decoding():
    with open(ROOT / "benchmarks" / "results" / "decoding.csv", encoding="utf-8") as stream:
        measured = [row for row in csv.DictReader(stream) if float(row["megapixels"]) == MOST_MEGAPIXELS]
    most = max(int(row["megabytes"]) for row in measured)
    text = " ".join(TEXTS["deployment.md"].split())
    assert f"an image of {MOST_MEGAPIXELS:g} megapixels" in text
    assert f"needs {most} MB at most" in text
    (per_pixel,) = re.findall(r"Decoding adds (\d+) bytes per pixel", text)
    assert int(per_pixel) == pytest.approx(most / MOST_MEGAPIXELS, abs=1)


@pytest.mark.parametrize("page", TEXTS)
def test_links_and_files_exist(page):
    doc.check_links(ROOT / "docs" / page)


@pytest.mark.parametrize(
    "code",
    [
        "evaluate --rerak",
        "fit --training.epoch 3",
        "losses.cosface.margin",
        "model.backbone.last_strid",
        "keras.optimizers.Adamm",
        "Flip(prob)",
        "Flip(probability=2.0)",
        "RandomEraser",
        "loss_weights={'nothing': 2.0}",
    ],
)
def test_what_is_not_there_is_found(code):
    assert doc.problem_with(code)


def test_each_page_is_listed():
    assert set(re.findall(r"\]\((\w+\.md)\)", TEXTS["README.md"])) == set(TEXTS) - {"README.md"}
