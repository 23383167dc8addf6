"""DSR in an experiment: what is refused, where its share comes from, what is written."""

import json
from types import SimpleNamespace

import pytest

from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.data import Market1501, PartialREID, ReIDDataset, Synthetic
from keras_reid.data.sample import Sample
from keras_reid.experiment import smoke
from keras_reid.recipes import partial
from keras_reid.run.stages.partial import check_held_out, with_dsr
from keras_reid.utils.errors import UserError
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "dsr"}, "needs either evaluation.dsr_validation.*Received: neither"),
        (
            {"metric": "dsr", "dsr_lambda": 0.5, "dsr_validation": PartialREID()},
            "Received: dsr_lambda and dsr_validation",
        ),
        ({"dsr_lambda": 0.5}, "evaluation.dsr_lambda is for evaluation.metric dsr. Received: cosine"),
        (
            {"metric": "euclidean", "dsr_validation": PartialREID()},
            "evaluation.dsr_validation is for evaluation.metric dsr. Received: euclidean",
        ),
        (
            {"metric": "dsr", "dsr_lambda": 1.1},
            "evaluation.dsr_lambda must be from 0 to 1. Received: 1.1",
        ),
        ({"metric": "dsr", "dsr_lambda": 0.5, "flip": True}, "evaluation.flip is for embeddings"),
        ({"metric": "dsr", "dsr_validation": Market1501()}, "must not be chosen on the test"),
    ],
)
def test_settings_that_do_not_go_together(options, message):
    with pytest.raises(UserError, match=message):
        ex.Experiment(evaluation=ex.Evaluation(**options))


def test_embeddings_are_compared_by_cosine_meanwhile():
    evaluation = ex.Evaluation(metric="dsr", dsr_lambda=0.5)
    assert evaluation.embedding_metric == "cosine"
    assert ex.Evaluation(metric="euclidean").embedding_metric == "euclidean"


def test_a_smoke_run_chooses_on_other_drawn_images():
    experiment, said = smoke(partial("x"))
    assert experiment.data.dataset == Synthetic(preset="tiny")
    assert experiment.evaluation.dsr_validation == Synthetic(preset="tiny", seed=1)
    assert any(sentence.startswith("data set for the share of dsr: ") for sentence in said)


def test_the_head_needs_the_map():
    model = ex.Model(backbone=ex.ResNet(depth=18, width=8), head=ex.PartialHead())
    with pytest.raises(UserError, match=r"which needs pooling=NoPooling\(\). Received: GeM$"):
        run.build_model(ex.Experiment(model=model), 5)


def samples(*names):
    return [Sample(f"{name}.jpg", number, number % 2) for number, name in enumerate(names)]


def test_validation_images_are_held_out():
    validation = ReIDDataset("other", samples("t"), samples("a", "b"), samples("c", "d"), protocol="all")
    check_held_out(validation, {"tested on": samples("e"), "trained on": samples("f", "t")})
    with pytest.raises(
        UserError, match=r"2 of 'other' are also tested on, the first is b\.jpg: name another"
    ):
        check_held_out(validation, {"tested on": samples("e", "d", "b")})


@pytest.mark.parametrize(("validation", "share"), [(None, 0.25), (SimpleNamespace(name="other"), 0.75)])
def test_where_the_share_comes_from(monkeypatch, validation, share):
    def evaluated(model, dataset, lambda_value, batch_size):
        return SimpleNamespace(name=f"{dataset.name}: {lambda_value} {batch_size}")

    monkeypatch.setattr("keras_reid.evaluation.dsr_lambda_for", lambda *_: 0.75)
    monkeypatch.setattr("keras_reid.evaluation.evaluate_dsr", evaluated)
    monkeypatch.setattr("keras_reid.evaluation.print_table", lambda results: None)
    model, tests = SimpleNamespace(metadata={}), [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    before = {"a": "of a", "b": "of b"}
    settings = ex.Evaluation(metric="dsr", dsr_lambda=0.25, batch_size=8)
    both = with_dsr(model, tests, before, settings, validation)
    assert model.metadata == {"dsr_lambda": share}
    assert list(both) == ["a", "a (cosine)", "b", "b (cosine)"]
    assert (both["a"].name, both["a (cosine)"]) == (f"a: {share} 8", "of a")


@pytest.mark.slow
def test_from_training_to_evaluation(command, tmp_path):
    command("fit", ROOT / "experiments" / "partial_synthetic.py", "--smoke", cwd=tmp_path)
    run = tmp_path / "runs" / "partial_synthetic-smoke"
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics) == ["synthetic-person-tiny-0", "synthetic-person-tiny-0 (cosine)"]
    printed = command("evaluate", run, cwd=tmp_path).stdout
    assert "chosen when the model was trained" in printed
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["settings"]["metric"] == "dsr"
    result = evaluation["results"]["synthetic-person-tiny-0"]
    assert result["mAP"] == pytest.approx(metrics["synthetic-person-tiny-0"]["mAP"], abs=1e-6)
    printed = command("evaluate", run, "--metric", "cosine", cwd=tmp_path).stdout
    assert "share of dsr" not in printed
    result = json.loads((run / "evaluation.json").read_text())["results"]["synthetic-person-tiny-0"]
    assert result["mAP"] == pytest.approx(metrics["synthetic-person-tiny-0 (cosine)"]["mAP"], abs=1e-6)
    assert "warning" not in command("report", run, cwd=tmp_path).stdout
