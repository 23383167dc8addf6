import json
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from keras_reid.data import BENCHMARKS, ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.evaluate import main
from keras_reid.evaluation import DatasetEvaluation, Features, evaluate
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from tests.conftest import ROOT


def test_an_unknown_data_set_lists_those_there_are(tmp_path):
    model = tmp_path / "model.keras"
    with zipfile.ZipFile(model, "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(UserError, match=r"an experiment file\. Received: 'market'") as caught:
        main([str(model), "--dataset", "market"])
    assert f"--dataset must be one of {', '.join(BENCHMARKS)}, or" in str(caught.value)


@pytest.fixture
def nothing(tmp_path):
    """A file that is a model by its name only: what is refused is refused before it is loaded."""
    model = tmp_path / "model.keras"
    with zipfile.ZipFile(model, "w") as file:
        file.writestr("config.json", "{}")
    return [str(model), "--dataset", "market1501"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--memory", "much"], "such as 1GB or 512MiB. Received: 'much'"),
        (["--memory", "1MB"], "--memory must be at least 64MiB. Received: 1 MB"),
        (["--single-shot", "0"], "--single-shot is a number of draws.*Received: 0"),
        (["--single-shot", "2", "--roc"], "--roc is for the whole gallery"),
        (["--single-shot", "2", "--rerank"], "--rerank is for the whole gallery"),
        (["--per-camera", "--rerank"], "--per-camera is for the distances of embeddings as they are"),
        (["--open-set", "0.5", "--rerank"], "--open-set is for the distances of embeddings as they are"),
        (["--open-set", "1"], "--open-set must lie between 0 and 1. Received: 1.0"),
        (["--protocol", "single"], "protocol"),
        (["--dsr-lambda", "0.5"], "--dsr-lambda is for --metric dsr. Received: cosine"),
        (["--dsr-validation", "market1501"], "--dsr-validation is for --metric dsr. Received: cosine"),
        (
            ["--metric", "dsr", "--dsr-lambda", "0.5", "--dsr-validation", "dukemtmc"],
            "--dsr-validation chooses what --dsr-lambda says: leave one",
        ),
        (["--metric", "dsr", "--dsr-lambda", "2"], "--dsr-lambda must be from 0 to 1. Received: 2.0"),
        (
            ["--metric", "dsr", "--dsr-validation", "duke"],
            "--dsr-validation must be one of .*or an experiment file. Received: 'duke'",
        ),
        (
            ["--metric", "dsr", "--dsr-validation", str(ROOT / "experiments" / "partial_dsr.py")],
            "needs an experiment file with one test set. Received: .*partial_dsr.py with 3",
        ),
        (["--recall", "1", "0"], "--recall takes numbers of images, at least 1. Received: 1 0"),
    ],
)
def test_options_are_refused_before_anything_is_loaded(nothing, options, message):
    with pytest.raises(UserError, match=message):
        main([*nothing, *options])


def samples(camera):
    return [Sample(f"{identity}_{camera}.jpg", identity=identity, camera=camera) for identity in range(6)]


def set_of(query, gallery, protocol):
    return lambda: ReIDDataset("small", (), query, gallery, protocol=protocol)


NEEDS_ANOTHER_CAMERA = "no query of data set 'small' has its identity in the gallery under another camera"


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (
            set_of(samples(0), samples(1), None),
            [],
            "embedding of 2_1.jpg holds NaN or infinity, as do 1 of 12",
        ),
        (set_of(samples(0), [], None), [], "data set 'small' has 6 query images but no gallery images"),
        (set_of(samples(2), samples(2), "cross_camera"), [], NEEDS_ANOTHER_CAMERA),
        (
            set_of(samples(2)[:3], samples(2)[3:] + [Sample("again.jpg", identity=0, camera=2)], "all"),
            ["--protocol", "cross_camera"],
            NEEDS_ANOTHER_CAMERA,
        ),
        (
            set_of(samples(0), samples(0) + samples(1), "cross_camera"),
            ["--protocol", "all"],
            "6 files of data set 'small' are in query and gallery",
        ),
    ],
)
def test_what_cannot_be_ranked_is_said_in_one_line(nothing, monkeypatch, capsys, dataset, options, message):
    embedded = []

    def embed(model, paths, batch_size, flip):
        embedded.extend(paths)
        return np.array([[np.nan if path == "2_1.jpg" else 1.0] * 4 for path in paths], np.float32)

    monkeypatch.setattr(
        "keras_reid.run.data.read_datasets", lambda data, train, protocol=None: (None, [dataset()])
    )
    monkeypatch.setattr("keras_reid.models.load_model", lambda path, **_: None)
    monkeypatch.setattr("keras_reid.evaluation.dataset_features.embed_paths", embed)
    monkeypatch.setattr(sys, "argv", ["evaluate", *nothing, *options])
    with pytest.raises(SystemExit) as stopped:
        command_line.run(main)
    assert stopped.value.code == command_line.USER_ERROR
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert bool(embedded) == ("NaN" in message)  # the rest is known before the long work


@pytest.mark.parametrize(
    ("options", "metadata", "share", "said"),
    [
        ([], {}, 0.5, "share of dsr: 0.5, chosen nowhere: use --dsr-validation"),
        ([], {"dsr_lambda": 0.25}, 0.25, "share of dsr: 0.25, chosen when the model was trained"),
        (["--dsr-lambda", "0.75"], {"dsr_lambda": 0.25}, 0.75, ""),
        (["--dsr-validation", "dukemtmc"], {"dsr_lambda": 0.25}, 0.9, "share of dsr, chosen on small: 0.9"),
    ],
)
def test_share_of_dsr(nothing, tmp_path, monkeypatch, capsys, options, metadata, share, said):
    used = []

    def read(data, train, protocol=None):
        part = 0 if data.dataset == BENCHMARKS["market1501"] else 2
        dataset = ReIDDataset("small", (), samples(part), samples(part + 1), protocol="all")
        return None, [dataset]

    def evaluated(evaluator, dataset):
        used.append(evaluator.settings.dsr_lambda)
        query, gallery = (Features(np.eye(6), np.arange(6), np.full(6, camera)) for camera in (0, 1))
        return DatasetEvaluation(evaluate(query, gallery), query, gallery)

    model = SimpleNamespace(metadata=metadata)
    monkeypatch.setattr("keras_reid.run.data.read_datasets", read)
    monkeypatch.setattr("keras_reid.models.load_model", lambda path, **_: model)
    monkeypatch.setattr("keras_reid.evaluation.Evaluator.run", evaluated)
    monkeypatch.setattr("keras_reid.evaluation.dsr_lambda_for", lambda model, dataset, batch_size: 0.9)
    main([*nothing, "--metric", "dsr", *options, "--output", str(tmp_path / "out.json")])
    assert used == [share]
    assert said in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["settings"]["dsr_lambda"] == share


def test_the_share_is_not_chosen_on_the_test(nothing, monkeypatch):
    dataset = ReIDDataset("small", (), samples(0), samples(1), protocol="all")
    monkeypatch.setattr(
        "keras_reid.run.data.read_datasets", lambda data, train, protocol=None: (None, [dataset])
    )
    monkeypatch.setattr("keras_reid.models.load_model", lambda path, **_: SimpleNamespace(metadata={}))
    with pytest.raises(UserError, match=r"12 of 'small' are also tested on, the first is 0_0\.jpg"):
        main([*nothing, "--metric", "dsr", "--dsr-validation", "dukemtmc"])
