import json
from types import SimpleNamespace

import pytest

from keras_reid.training.callbacks import BestModel


def evaluations(first, second=0.0):
    """Of two sets with mAP = Rank-1 = the number."""
    return {
        name: SimpleNamespace(
            result=SimpleNamespace(mAP=value, rank1=value, to_dict=lambda value=value: {"mAP": value})
        )
        for name, value in (("a", first), ("b", second))
    }


def track(folder, values, start=1, best=None, **options):
    saved = []
    if best is None:
        best = BestModel(folder, lambda model, file, epoch: saved.append((file.name, epoch)), **options)
    for epoch, value in enumerate(values, start):
        best.consider("model", epoch, evaluations(*value) if isinstance(value, tuple) else evaluations(value))
    return best, saved


def test_keeps_the_best_by_the_first_set_and_writes_its_metrics(tmp_path):
    best, saved = track(tmp_path, [(0.2, 0.9), (0.5, 0.1), (0.5, 0.99), (0.4, 0.3)])
    assert saved == [("best.keras", 1), ("best.keras", 2)]
    assert (best.epoch, best.value, best.since) == (2, 0.5, 2)
    content = json.loads((tmp_path / "best.json").read_text())
    assert content["epoch"] == 2
    assert content["measure"] == "(mAP + Rank-1) / 2 of a"
    assert content["results"] == {"a": {"mAP": 0.5}, "b": {"mAP": 0.1}}


@pytest.mark.parametrize(("patience", "exhausted"), [(0, False), (2, True), (3, False)])
def test_is_exhausted_after_so_many_evaluations(tmp_path, patience, exhausted):
    best, _ = track(tmp_path, [0.5, 0.4, 0.3], patience=patience)
    assert best.exhausted == exhausted


def test_an_epoch_evaluated_twice_counts_once(tmp_path):
    best, _ = track(tmp_path, [0.5, 0.4], patience=2)
    best.consider("model", 2, evaluations(0.45))
    assert best.since == 1


def test_goes_on_after_a_resume(tmp_path):
    best, _ = track(tmp_path, [0.5, 0.4])
    other = BestModel(tmp_path, pytest.fail, patience=2)
    other.restore(json.loads(json.dumps(best.state())))
    track(tmp_path, [0.45], start=3, best=other)
    assert (other.epoch, other.value, other.exhausted) == (1, 0.5, True)
