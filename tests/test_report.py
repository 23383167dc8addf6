import json
import shutil
import zipfile

import pytest

from keras_reid.report import main
from keras_reid.utils.errors import UserError
from tests.visualization.test_report import Page


def broken(folder, *, keep=()):
    """A folder with some of a finished run's files."""
    folder.mkdir()
    for name in keep:
        (folder / name).write_text("{}")
    if "model.keras" in keep:
        with zipfile.ZipFile(folder / "model.keras", "w") as file:
            file.writestr("config.json", "{}")
    return str(folder)


def test_what_is_no_finished_run_is_refused(tmp_path):
    finished = broken(tmp_path / "c", keep=("command.json", "model.keras", "metrics.json"))
    for arguments, message in (
        ([], "RUN|at least one run"),
        ([str(tmp_path / "nowhere")], "there is no such run directory"),
        ([broken(tmp_path / "a")], "not a run directory: it contains no command.json"),
        ([str(tmp_path / "c" / "model.keras")], "a file. Pass the run directory"),
        (
            [broken(tmp_path / "b", keep=("command.json", "model.keras"))],
            "not finished: it contains no metrics.json",
        ),
        ([broken(tmp_path / "d", keep=("command.json",))], "contains no model.keras"),
        ([finished, finished + "/"], "name each run once. Received"),
        (
            [finished, "--output", "page.pdf"],
            "--output must be a file that ends in .html. Received: page.pdf",
        ),
    ):
        with pytest.raises(UserError, match=message):
            main(arguments)


def test_fit_writes_the_whole_report(smoke_run):
    run, _ = smoke_run
    text = (run / "report" / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    for heading in (
        "Same or not",
        "Cameras",
        "Ranked lists",
        "Activation maps",
        "Training",
        "Experiment",
        "Versions",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert "AUC" in page.text
    assert "There are none" not in page.text
    assert len(text) < 5e6


@pytest.mark.slow
def test_the_report_is_made_anew_and_runs_are_compared(copied_run, capsys):
    run = copied_run
    page = run / "report" / "index.html"
    before, metrics = page.read_text(encoding="utf-8"), json.loads((run / "metrics.json").read_text())
    (run / "report" / "curves.json").unlink()
    page.unlink()
    other = run.with_name("other")
    shutil.copytree(run, other)
    (other / "report" / "curves.json").write_text("{}")
    ((name, summary),) = metrics.items()
    (run / "metrics.json").write_text(json.dumps({name: {**summary, "mAP": 0.123}}))
    main([str(run), str(other)])
    said = capsys.readouterr().out
    assert "no curves yet, so its report is made first" in said
    assert f"warning: mAP of {name} is {100 * summary['mAP']:.2f} %, and was 12.30 %" in said
    assert "rank1 of" not in said
    assert (run / "report" / "curves.json").is_file()
    comparison = (run.parent / "comparison.html").read_text(encoding="utf-8")
    assert "Comparison of quickstart-smoke and other" in comparison
    after = page.read_text(encoding="utf-8")
    # The same numbers and pictures as at the end of the training; the folder has another name.
    assert after.partition("<h2>Retrieval</h2>")[2] == before.partition("<h2>Retrieval</h2>")[2]


def test_missing_data_leaves_what_was_there(tmp_path):
    run = broken(tmp_path / "run", keep=("model.keras", "metrics.json"))
    (tmp_path / "run" / "experiment.py").write_text(
        "from keras_reid import experiment as ex\nfrom keras_reid.data import Folder\n"
        "experiment = ex.Experiment(data=ex.Data(dataset=Folder()))\n"
    )
    command = {"file": "x.py", "arguments": [], "smoke": False, "seed": None}
    (tmp_path / "run" / "command.json").write_text(json.dumps(command))
    with pytest.raises(UserError, match=r"experiment\.py: is not executed, .*--trust-code"):
        main([run])
    for root in ("one", "two"):
        with pytest.raises(UserError, match=root):
            main(
                [run, "--trust-code", "--root", str(tmp_path / root), "--output", str(tmp_path / "page.html")]
            )
    assert not (tmp_path / "page.html").exists()
    assert not (tmp_path / "run" / "report").exists()
