import dataclasses
import html.parser
import json
import re

import numpy as np
import pytest

from keras_reid.data import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.evaluation import DatasetEvaluation, evaluate
from keras_reid.visualization import collect_findings, write_report
from keras_reid.visualization.report import CURVES

VOID = {"meta", "img", "br", "input"}


class Page(html.parser.HTMLParser):
    """Collects the text and checks that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.tags, self.sources, self.links, self.targets = [], "", [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        self.sources += [attributes["src"]] if "src" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        self.targets += [f"#{attributes['id']}"] if "id" in attributes else []
        if tag == "img":
            assert attributes["alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data + " "


class Model:
    """What the page says of a model."""

    image_size, embedding_dim = (64, 32), 512

    def __init__(self, **metadata):
        self.metadata = metadata

    def count_params(self):
        return 1234567


@pytest.fixture(scope="module")
def looked_at(retrieval):
    """A data set of the coloured images and its evaluation."""
    parts = [
        [
            Sample(path, int(identity), f"c<{camera}>")
            for path, identity, camera in zip(paths, features.identities, features.cameras, strict=True)
        ]
        for paths, features in (
            (retrieval.query_paths, retrieval.query),
            (retrieval.gallery_paths, retrieval.gallery),
        )
    ]
    dataset = ReIDDataset("a<b", (), *parts)
    return dataset, DatasetEvaluation(
        evaluate(retrieval.query, retrieval.gallery), retrieval.query, retrieval.gallery
    )


@pytest.fixture(scope="module")
def findings(looked_at):
    found = collect_findings(None, *looked_at)
    heats = [
        np.linspace(-1, 1, (1 + len(one.images)) * 8).reshape(-1, 4, 2)
        for group in found.lists.values()
        for one in group
    ]
    return dataclasses.replace(found, maps=heats)


@pytest.fixture
def run(tmp_path):
    """The files that a run leaves for its report."""
    folder = tmp_path / "first <run> & $more"
    folder.mkdir()
    model = {
        "type": "Model",
        "backbone": {"type": "ResNet", "depth": 18, "ibn": False, "width": 32},
        "pooling": {"type": "GeM"},
        "head": {"type": "BNNeckHead"},
    }
    experiment = {"type": "Experiment", "model": model, "note": "<script>alert(1)</script>"}
    (folder / "experiment.json").write_text(json.dumps(experiment))
    (folder / "experiment.py").write_text('"""Coloured rectangles.\n\nMore of them."""\n')
    log = [{"epoch": e, "step": 7 * e, "loss": 1 / e, "seconds": 40.0, "learning_rate": 1e-3} for e in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    (folder / "best.json").write_text('{"epoch": 2}')
    machine = {"system": "Linux-6", "processor": "Abacus", "cores": 4, "gpus": []}
    versions = {"keras_reid": "0.1.0", "keras": "3.15.1"}
    sessions = [
        {
            "started": "2026-01-01T10:00:00+00:00",
            "versions": versions,
            "git": {"revision": "0123456789abcdef", "modified": True},
            "machine": machine,
        },
        {
            "started": "2026-01-02T10:00:00+00:00",
            "versions": {**versions, "keras": "3.16.0"},
            "git": None,
            "machine": machine,
        },
    ]
    (folder / "environment.json").write_text(json.dumps({"seed": 42, "sessions": sessions}))
    return folder


def test_one_file_without_network(run, findings):
    path = write_report(run, [findings], Model())
    assert path == run / "report" / "index.html"
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    shown = [one for group in findings.lists.values() for one in group]
    pictures = sum(2 * (1 + len(one.images)) + len(one.missed[:10]) for one in shown)
    assert len(page.sources) == pictures
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert "script" not in page.tags
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert page.links
    assert page.links == page.targets


def test_says_everything(run, findings):
    page = Page(write_report(run, [findings], Model()).read_text(encoding="utf-8"))
    values = findings.result.to_dict()
    for key in ("rank1", "rank5", "rank10", "mAP", "mINP"):
        assert f"{100 * values[key]:.2f}" in page.text
    for text in (
        *("first <run> & $more", "a<b", "<script>alert(1)</script>", "cam c<0>", "Coloured rectangles."),
        "10 queries, 40 gallery images, 5 identities, 3 cameras, cosine distance",
        *("ResNet(depth=18, width=32)", "GeM, BNNeckHead", "1,234,567", "512 numbers", "64 × 32 pixels"),
        *("2 epochs, 14 steps", "1:20 with evaluations", "42", "Abacus, 4 cores"),
        *("0123456789ab with changes", "keras_reid 0.1.0, in no git repository", "3.15.1", "3.16.0"),
        *("Best queries", "Queries in the middle", "Worst queries", "Missed: ", "rank "),
        *("TPR at FPR 0.01 %", "AUC", "EER", "threshold at equal error rates", "The model is not calibrated"),
        *("Loss", "Learning rate", "query \\ gallery"),
    ):
        assert text in page.text
    assert "More of them" not in page.text
    assert f"{100 * findings.roc.equal_error_rate:.2f}" in page.text


def test_curves_are_kept_for_comparisons(run, findings):
    write_report(run, [findings])
    curves = json.loads((run / CURVES).read_text())["a<b"]
    assert curves["cmc"] == pytest.approx(findings.result.cmc.tolist())
    assert curves["roc"]["tpr"][-1] == 1
    assert sorted(curves["roc"]["fpr"]) == curves["roc"]["fpr"]


def test_chart_and_table_say_the_same_number(run, findings):
    """At a false-positive rate of 0.1 %, in the legend of the ROC curve and in the table below."""
    pairs = dataclasses.replace(findings.roc, num_negative_pairs=10**6)  # so that the rate is on the curve
    text = write_report(run, [dataclasses.replace(findings, roc=pairs)]).read_text()
    (row,) = re.findall(r"TPR at FPR 0\.10 %</th><td>([\d.]+ %)", text)
    legend = text.partition("<b>ROC</b>")[2].partition("</div>")[0]
    assert f"<b>{row}</b>" in legend


def test_settings_that_have_their_defaults_are_folded(run, findings):
    changed = {"type": "Experiment", "model": {"type": "Model", "backbone": {"type": "ResNet", "depth": 18}}}
    text = write_report(run, [findings], changed=changed).read_text()
    shown, _, folded = text.partition('id="experiment"')[2].partition("<details>")
    assert "ResNet(depth=18)" in shown
    assert "model.pooling" not in shown
    assert "All 4 settings" in folded
    assert "model.pooling" in folded


def test_the_shades_of_cameras_have_a_key(run, findings):
    text = Page(write_report(run, [findings]).read_text()).text
    low, high = (np.round(100 * one(findings.pairs.rank1), 1) for one in (np.nanmin, np.nanmax))
    assert (f"Rank-1: {low:.1f} %" in text) == (high > low)


def test_a_camera_whose_name_says_that_it_is_one_is_not_called_so_twice(run, findings):
    def renamed(camera):
        return camera.replace("c<", "Camera ")

    names = {number: renamed(name) for number, name in findings.camera_names.items()}
    lists = {
        group: [
            dataclasses.replace(
                one,
                camera=renamed(one.camera),
                images=tuple(
                    dataclasses.replace(image, camera=renamed(image.camera)) for image in one.images
                ),
            )
            for one in many
        ]
        for group, many in findings.lists.items()
    }
    found = dataclasses.replace(findings, camera_names=names, lists=lists, maps=[])
    text = Page(write_report(run, [found]).read_text()).text
    assert text.count("Camera 0>") > 5
    assert "cam Camera" not in text


def test_a_calibrated_model_shows_its_threshold(run, findings):
    reliability = [
        {"predicted": 0.1, "observed": 0.2, "pairs": 9},
        {"predicted": 0.9, "observed": 0.8, "pairs": 3},
    ]
    calibration = {"metric": "cosine", "threshold": 0.25, "reliability": reliability}
    text = Page(write_report(run, [findings], Model(calibration=calibration)).read_text()).text
    assert "calibrated threshold 0.250" in text
    assert "Reliability" in text
    assert "equal error rates" not in text
    assert "fitted on this very test set" not in text
    own = {**calibration, "fitted_on": {"dataset": "a<b"}}
    assert "fitted on this very test set" in write_report(run, [findings], Model(calibration=own)).read_text()
    row = {"cameras": ["door", "a<b"], "threshold": 0.2, "false_positive_rate": [0.001, 0.002]}
    row |= {"identities": 9, "pairs": 99}
    cameras = {"names": ["a<b", "door"], "other": 0.1234, "pairs": [row]}
    text = Page(
        write_report(run, [findings], Model(calibration={**own, "cameras": cameras})).read_text()
    ).text
    for told in ("door – a<b", "0.1 – 0.2", "For a camera that was not calibrated: 0.1234"):
        assert told in text
    # One for another distance says nothing here.
    other = {**calibration, "metric": "euclidean"}
    text = Page(write_report(run, [findings], Model(calibration=other)).read_text()).text
    assert "not calibrated for the cosine distance" in text
    assert "Reliability" not in text


def test_what_is_missing_is_said(run, looked_at):
    few = collect_findings(None, *looked_at, most_pairs=399)
    assert few.roc is None
    assert collect_findings(None, *looked_at, most_pairs=400).roc is not None
    few.remarks["maps"] = "There are none for this model."
    text = Page(write_report(run, [few]).read_text()).text
    assert "The 400 pairs of a query and a gallery image are not compared" in text
    assert "There are none for this model." in text
    assert json.loads((run / CURVES).read_text())["a<b"]["roc"] is None
    assert "parameters" not in text  # without a model


def test_a_bare_folder_and_another_file(tmp_path, findings):
    path = write_report(
        tmp_path, [findings, dataclasses.replace(findings, name="second")], output=tmp_path / "x.html"
    )
    assert path == tmp_path / "x.html"
    page = Page(path.read_text())
    assert "Training" not in page.text
    assert "Versions" not in page.text
    assert "Ranked lists: second" in page.text  # several sets are told apart
    assert page.links == page.targets


def test_without_cameras_or_other_identities(looked_at):
    dataset, evaluation = looked_at
    nowhere = [dataclasses.replace(features, cameras=features.cameras * 0 - 1) for features in
               (evaluation.query, evaluation.gallery)]  # fmt: skip
    unknown = dataclasses.replace(
        dataset,
        query=[dataclasses.replace(sample, camera=None) for sample in dataset.query],
        gallery=[dataclasses.replace(sample, camera=None) for sample in dataset.gallery],
        protocol="all",
    )
    found = collect_findings(None, unknown, DatasetEvaluation(evaluate(*nowhere, protocol="all"), *nowhere))
    assert found.pairs is None
    assert "cameras" not in found.counts
    one = [features[features.identities == 0] for features in nowhere]
    alone = dataclasses.replace(
        unknown,
        query=[sample for sample in unknown.query if sample.identity == 0],
        gallery=[sample for sample in unknown.gallery if sample.identity == 0],
    )
    found = collect_findings(None, alone, DatasetEvaluation(evaluate(*one, protocol="all"), *one))
    assert "needs pairs of one identity and pairs of different ones" in found.remarks["roc"]


def test_a_model_without_maps_costs_no_report(looked_at):
    class Broken:
        image_size = (32, 16)

    found = collect_findings(Broken(), *looked_at)
    assert found.maps == []
    assert found.remarks["maps"].startswith("They failed with this model: 'Broken' object has no attribute")


def test_the_old_name_of_the_findings_warns():
    with pytest.warns(DeprecationWarning, match=r"visualization\.find is now .*\.collect_findings"):
        from keras_reid.visualization import find
    assert find is collect_findings
