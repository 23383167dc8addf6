"""`keras-reid card`: what a run's files say, for the Hub and for people."""

import json

import pytest
import yaml

from keras_reid.card import main
from keras_reid.utils.errors import UserError
from keras_reid.visualization.model_card import model_card
from tests.shared_run import CALIBRATION, METRICS, write_exports, write_run


def parts(card):
    """The front matter and the body."""
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_front_matter_is_what_the_hub_reads(tmp_path):
    from huggingface_hub import ModelCard

    card = model_card(write_run(tmp_path), licence="cc-by-nc-4.0")
    front, _ = parts(card)
    assert (front["license"], front["library_name"]) == ("cc-by-nc-4.0", "keras")
    assert front["pipeline_tag"] == "image-feature-extraction"
    assert front["datasets"] == ["market1501"]
    assert {"keras_reid", "re-identification", "resnet"} <= set(front["tags"])
    theirs = ModelCard(card).data
    results = {result.metric_type: result.metric_value for result in theirs.eval_results}
    assert results == {"rank1": 0.9312, "rank5": 0.97, "rank10": 0.98, "map": 0.8444, "minp": 0.5}
    assert theirs.eval_results[0].dataset_name == "market1501"
    assert theirs.model_name == "market_r18"


def test_what_people_read(tmp_path):
    run = write_run(tmp_path, calibration=CALIBRATION)
    _, body = parts(model_card(run, write_exports(tmp_path), address="hf://me/market"))
    for text in (
        "# market_r18",
        "ResNet-18 on Market-1501.",
        "keras-reid embed hf://me/market IMAGES",
        "256 × 128 pixels",
        "Trained on: market1501, read by Market1501().",
        "| market1501 | 93.12 | 97.00 | 98.00 | 84.44 | 50.00 | 3368 |",
        "the spread over seeds was not measured",
        "Calibrated on 32,258 pairs of images (cosine)",
        "| tpr@fpr=1e-3 | 43.70 % | 0.2724 |",
        "| `exports/onnx/float32` | yes | 4.7e-07 | 1.000000 |",
        "## Intended use and limits",
        "## Privacy",
        "The author has stated no licence.",
        "| `training.epochs` | 60 |",
    ):
        assert text in body
    assert "smoke run" not in body
    assert "/home" not in body


def test_without_calibration_and_exports(tmp_path):
    front, body = parts(model_card(write_run(tmp_path, smoke=True)))
    assert "Not calibrated" in body
    assert "## Exports\n\nNone.\n" in body
    assert "**This is a smoke run" in body
    assert front["license"] == "other"


def test_the_spread_over_seeds(tmp_path):
    run = write_run(tmp_path, "market_r18-seed1")
    sets = {
        "market1501": {
            "mean": {"rank1": 0.93, "mAP": 0.84},
            "standard_deviation": {"rank1": 0.002, "mAP": 0.001},
        }
    }
    spread = {"seeds": [0, 1], "test_sets": sets, "results": {"0": {}, "1": {"market1501": METRICS}}}
    (tmp_path / "market_r18-seeds.json").write_text(json.dumps(spread))
    card = model_card(run)
    assert (
        "over the seeds 0, 1, whose means are:\n\n- market1501: Rank-1 93.00 ± 0.20, mAP 84.00 ± 0.10\n"
        in card
    )
    spread["results"]["1"] = {"market1501": {**METRICS, "rank1": 0.5}}  # of another training
    (tmp_path / "market_r18-seeds.json").write_text(json.dumps(spread))
    assert "was not measured" in model_card(run)


def test_names_that_would_spoil_a_page(tmp_path):
    run = write_run(tmp_path)
    metrics = {"a|b<script>\n---": METRICS}
    (run / "metrics.json").write_text(json.dumps(metrics))
    front, body = parts(model_card(run))
    assert "| a\\|bscript --- | 93.12" in body
    assert front["datasets"] == ["market1501", "a-b-script"]


def test_the_command(tmp_path, capsys):
    run = write_run(tmp_path)
    main([str(run), "--licence", "mit"])
    assert capsys.readouterr().out == f"card: {run / 'README.md'}\n"
    assert (run / "README.md").read_text(encoding="utf-8").startswith("---\nlicense: mit\n")
    main([str(run), "--output", str(tmp_path / "card.md"), "--exports", str(write_exports(tmp_path))])
    assert "exports/onnx" in (tmp_path / "card.md").read_text(encoding="utf-8")


def test_what_is_refused(tmp_path):
    run = write_run(tmp_path)
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([str(tmp_path / "nowhere")], "there is no such run directory"),
        (
            [str(run), "--licence", "My own!"],
            r"identifier of the Hub, such as apache-2\.0.*Received: 'My own!'",
        ),
        ([str(run), "--exports", str(tmp_path / "empty")], r"contains no artefact with a parity\.json"),
    ):
        with pytest.raises(UserError, match=message):
            main(arguments)
    assert not (run / "README.md").exists()
