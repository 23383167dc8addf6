"""With small programs in the place of `fit`."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_reid.tuning.fit_process import FitProcess, final_score, read_scores

WRITES = """
import json, os, pathlib, sys, time
run = pathlib.Path("run"); run.mkdir()
(run / "experiment.json").write_text(json.dumps({"training": {"epochs": 4}}))
with open(run / "metrics.jsonl", "w") as log:
    for epoch in range(1, 5):
        scores = {"a/rank1": epoch / 10, "a/mAP": epoch / 20, "b/mAP": 1.0} if epoch % 2 == 0 else {}
        log.write(json.dumps({"epoch": epoch, "loss": 1.0, **scores}) + "\\n"); log.flush()
(run / "metrics.json").write_text(json.dumps({"a": {"rank1": 0.5, "mAP": 0.3}, "b": {"rank1": 1, "mAP": 1}}))
print(os.environ["COLOUR"])
"""


def start(tmp_path, program, **options):
    return FitProcess(
        [sys.executable, "-c", program],
        tmp_path / "run",
        tmp_path / "logs" / "trial000.log",
        working_directory=tmp_path,
        **options,
    )


def scores_of(process):
    scores = [process.next_score()]
    while not scores[-1]["finished"]:
        scores.append(process.next_score())
    return scores


def test_the_last_score_is_of_the_final_metrics(tmp_path):
    process = start(tmp_path, WRITES, environment={"COLOUR": "red"})
    last = scores_of(process)[-1]
    assert last == {"score": 0.4, "rank1": 0.5, "mAP": 0.3, "epoch": 4, "finished": True}
    assert process.log.read_text() == "red\n"


def test_evaluations_are_reported_while_it_runs_but_not_that_of_the_last_epoch(tmp_path):
    process = start(tmp_path, WRITES + "time.sleep(1.2)", environment={"COLOUR": "red"})
    first, *others = scores_of(process)
    assert first == {"score": pytest.approx(0.15), "rank1": 0.2, "mAP": 0.1, "epoch": 2, "finished": False}
    assert [score["finished"] for score in others] == [True]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (
            "import sys; print('loading'); print('error: no such data', file=sys.stderr); sys.exit(2)",
            "no such data",
        ),
        ("print('one'); raise SystemError('lost')", "SystemError: lost"),
        ("import os; os._exit(3)", "it said nothing"),
    ],
)
def test_a_failure_is_told_by_its_own_words(tmp_path, program, words):
    log = tmp_path / "logs" / "trial000.log"
    log.parent.mkdir()
    log.write_text("error: of the time before\n")
    with pytest.raises(RuntimeError, match=words) as caught:
        start(tmp_path, program).next_score()
    assert "exit code" in str(caught.value)
    assert "of the time before" not in str(caught.value)
    assert log.read_text().startswith("error: of the time before\n")


@pytest.mark.parametrize("stubborn", [False, True])
def test_stop_ends_it_and_its_children(tmp_path, monkeypatch, stubborn):
    monkeypatch.setattr("keras_reid.tuning.fit_process._GRACE_SECONDS", 1.0)
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if stubborn else ""
    process = start(
        tmp_path,
        f"import signal, subprocess, sys, time; {ignore}"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "open('child', 'w').write(str(child.pid)); time.sleep(60)",
    )
    child = tmp_path / "child"
    while not (child.exists() and child.read_text()):
        time.sleep(0.05)
    process.stop()
    process.stop()  # again does no harm
    with pytest.raises(RuntimeError, match="exit code -"):
        process.next_score()
    wait_for_the_end_of(child.read_text())


def test_it_is_told_to_end_when_the_process_that_started_it_is_killed(tmp_path):
    child = tmp_path / "child"
    fit = f"import os, time; open({str(child)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    started = (
        "import sys, time\n"
        "from keras_reid.tuning.fit_process import FitProcess\n"
        f"FitProcess([sys.executable, '-c', {fit!r}], 'run', 'log')\n"
        "time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", started], cwd=tmp_path)
    while not (child.exists() and child.read_text()):
        assert starter.poll() is None
        time.sleep(0.05)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_for_the_end_of(child.read_text())


def wait_for_the_end_of(number):
    """Of the process with this number."""
    stat = Path("/proc", number, "stat")
    waited = time.monotonic() + 10
    while stat.exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() < waited, "it lives on"
        time.sleep(0.05)


def test_half_a_line_is_left_for_later(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_scores(file) == []
    line = json.dumps({"epoch": 1, "a/rank1": 0.5, "a/mAP": 0.25})
    file.write_text(f"{line}\n{line[:20]}")
    assert read_scores(file) == [{"score": 0.375, "rank1": 0.5, "mAP": 0.25, "epoch": 1}]


def test_final_score_is_of_the_first_test_set(tmp_path):
    (tmp_path / "metrics.json").write_text(
        json.dumps({"b": {"rank1": 0.5, "mAP": 0.1}, "a": {"rank1": 1, "mAP": 1}})
    )
    assert final_score(tmp_path)["score"] == pytest.approx(0.3)
