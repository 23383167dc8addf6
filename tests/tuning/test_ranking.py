import csv
import json

from keras_reid.tuning.ranking import print_ranking, rank, write_ranking


def record(trial, status, score, **others):
    numbers = {"score": score, "rank1": score, "mAP": score, "epoch": None if score is None else 4}
    return {
        "trial": trial,
        "status": status,
        "values": {"training.seed": trial[-1]},
        **numbers,
        "run": f"runs/x-{trial}",
        "arguments": ["--training.seed", trial[-1]],
        **others,
    }


RECORDS = [
    record("trial0", "failed", None, error="out of [memory]"),
    record("trial1", "stopped early", 0.9),
    record("trial2", "finished", 0.2),
    record("trial3", "finished", 0.3),
    record("trial4", "failed", 0.95, error="full"),
    record("trial5", "finished", 0.3),
]


def test_finished_trials_come_first_by_score_then_number():
    assert [item["trial"][-1] for item in rank(RECORDS)] == list("352140")


def test_written_as_csv_and_json(tmp_path):
    write_ranking(tmp_path, rank(RECORDS))
    assert json.loads((tmp_path / "trials.json").read_text()) == rank(RECORDS)
    with open(tmp_path / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "trial": "trial3",
        "status": "finished",
        "training.seed": "3",
        "score": "0.3",
        "rank1": "0.3",
        "mAP": "0.3",
        "epoch": "4",
        "run": "runs/x-trial3",
        "error": "",
    }
    assert rows[-1]["error"] == "out of [memory]"


def test_printed_in_percent_with_what_went_wrong(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_ranking(rank(RECORDS))
    printed = capsys.readouterr().out
    for text in ("30.00", "stopped early, epoch 4", "trial0 failed: out of [memory]", " seed "):
        assert text in printed


def test_columns_are_named_by_the_whole_key_where_its_end_is_not_enough(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    values = {"losses.triplet.margin": "0", "model.head.classifier.margin": "0.3", "training.seed": "1"}
    print_ranking([{**RECORDS[2], "values": values}])
    printed = capsys.readouterr().out
    for text in (" losses.triplet.margin ", " model.head.classifier.margin ", " seed "):
        assert text in printed
