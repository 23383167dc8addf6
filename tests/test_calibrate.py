import json

import numpy as np
import pytest

from keras_reid.calibrate import main
from keras_reid.evaluation import Calibration
from keras_reid.models import load_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_metadata import read_metadata
from tests.export.conftest import small_model

EXPERIMENT = """
from keras_reid import experiment as ex
from keras_reid.data import Synthetic

experiment = ex.Experiment(
    name="small",
    data=ex.Data(dataset=Synthetic(preset="tiny"), root="{root}"),
    evaluation=ex.Evaluation(metric="{metric}", dsr_lambda={share}, flip={flip}),
)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture
def given(tmp_path, root):
    """`given(metric, flip)`: a model file and an experiment file, as arguments."""

    def write(metric="cosine", flip=False):
        small_model().save(tmp_path / "model.keras")
        experiment = tmp_path / "small.py"
        share = 0.5 if metric == "dsr" else None
        experiment.write_text(EXPERIMENT.format(root=root, metric=metric, flip=flip, share=share))
        return [str(tmp_path / "model.keras"), "--dataset", str(experiment)]

    return write


def test_everything_is_written_into_the_model_and_beside_it(given, tmp_path, capsys):
    weights = small_model().get_weights()
    main([*given(), "--false-positive-rate", "0.02", "--prior", "0.3", "--same-above", "0.8",
          "--different-below", "0.05"])  # fmt: skip
    names = {"model.keras", "small.py", "model.calibration.json", "model.calibration.png"}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == names
    model = load_model(tmp_path / "model.keras")
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    calibration = Calibration.from_metadata(model.metadata)
    assert (calibration.prior, calibration.false_positive_rate) == (0.3, 0.02)
    assert (calibration.same_above, calibration.different_below) == (0.8, 0.05)
    assert (calibration.metric, calibration.flip) == ("cosine", False)
    assert model.metadata["threshold"] == calibration.threshold
    assert calibration.fitted_on["dataset"] == "synthetic-person-tiny-0"
    assert calibration.fitted_on["protocol"] == "cross_camera"
    assert calibration.fitted_on["identities"] == 8
    assert calibration.cameras["names"] == ["1", "2", "3"]
    assert len(calibration.best_matches) == 100
    assert calibration.domain is None  # eight identities are too few
    beside = json.loads((tmp_path / "model.calibration.json").read_text())
    assert beside == calibration.to_metadata()
    told = capsys.readouterr().out
    assert "TPR@FPR=2E-2" in told
    assert f"accept a distance below {calibration.threshold:.4f}" in told
    assert "identities that were not fitted on" in told
    assert "fewer than 50 identities" in told


@pytest.mark.medium
def test_settings_of_the_experiment_and_options_above_them(given, tmp_path):
    found = {}
    for name, metric, flip, options in [
        ("plain", "cosine", False, []),
        ("experiment's", "euclidean", True, []),
        ("flip", "cosine", False, ["--flip"]),
        ("metric", "euclidean", False, ["--metric", "cosine", "--protocol", "all"]),
    ]:
        main([*given(metric, flip), "--false-positive-rate", "0.02", *options])
        found[name] = read_metadata(tmp_path / "model.keras")["calibration"]
    kept = {name: (one["metric"], one["flip"]) for name, one in found.items()}
    assert kept == {
        "plain": ("cosine", False),
        "experiment's": ("euclidean", True),
        "flip": ("cosine", True),
        "metric": ("cosine", False),
    }
    assert found["flip"]["distances"] != found["plain"]["distances"]
    assert found["metric"]["fitted_on"]["protocol"] == "all"
    assert found["metric"]["fitted_on"]["same_pairs"] > found["plain"]["fitted_on"]["same_pairs"]


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        ("dsr", [], "not dsr: add --metric cosine"),
        ("cosine", ["--prior", "2"], "prior.*Received: 2"),
        ("cosine", ["--false-positive-rate", "0"], "false-positive rate.*Received: 0"),
        ("cosine", ["--same-above", "0.05"], "different_below=0.1, same_above=0.05"),
        ("cosine", ["--memory", "much"], "Received: 'much'"),
        ("cosine", ["--dataset", "market"], "--dataset must be one of .*Received: 'market'"),
        ("cosine", ["--protocol", "one"], "protocol"),
    ],
)
def test_options_are_refused_before_anything_is_loaded(given, monkeypatch, metric, options, message):
    arguments = given(metric)
    monkeypatch.setattr("keras_reid.models.load_model", None)
    with pytest.raises(UserError, match=message):
        main([*arguments, *options])


def test_a_model_file_needs_a_data_set(given):
    with pytest.raises(
        UserError, match="a model file outside a run has no test set: name one with --dataset"
    ):
        main(given()[:1])


def test_a_model_that_gives_nan_or_is_measured_too_finely_stays_as_it_is(given, tmp_path):
    arguments = given()
    model = small_model()
    # The weights are numbers; the embeddings are too large for any.
    model.head.neck.gamma.assign(np.full(8, 3e38))
    model.head.neck.moving_variance.assign(np.zeros(8))
    model.save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"\.jpg.*NaN or infinity"):
        main(arguments)
    small_model().save(tmp_path / "model.keras")
    before = (tmp_path / "model.keras").read_bytes()
    with pytest.raises(UserError, match="1e-06 cannot be measured with"):
        main([*arguments, "--false-positive-rate", "1e-6"])
    assert (tmp_path / "model.keras").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["model.keras", "small.py"]


@pytest.mark.medium
def test_the_test_set_is_read_once_for_calibration_and_report(copied_run, monkeypatch):
    from keras_reid.run import data

    read, names = data.read_dataset, []

    def counted(*arguments):
        dataset = read(*arguments)
        names.append(dataset.name)
        return dataset

    monkeypatch.setattr(data, "read_dataset", counted)
    monkeypatch.chdir(copied_run.parents[1])
    before = (copied_run / "report" / "index.html").read_text()
    main([str(copied_run), "--false-positive-rate", "0.02", "--trust-code"])
    assert len(names) == 1
    assert (copied_run / "report" / "index.html").read_text() != before
    # Under another protocol the test set is not what the report shows.
    main([str(copied_run), "--false-positive-rate", "0.02", "--trust-code", "--protocol", "all"])
    assert len(names) == 3


@pytest.mark.medium
def test_the_report_of_a_run_is_current_afterwards(copied_run, command, root):
    """And where the code of the run may not be executed, the command says what is left to do."""
    run = copied_run
    page = run / "report" / "index.html"
    assert "The model is not calibrated" in page.read_text()
    command("calibrate", run, "--false-positive-rate", "0.02", cwd=run.parents[1])
    threshold = load_model(run).metadata["threshold"]
    assert f"calibrated threshold {threshold:.3f}" in page.read_text()

    with open(run / "experiment.py", "a") as stream:
        stream.write("# changed")
    other = run.parents[1] / "other.py"
    other.write_text(EXPERIMENT.format(root=root, metric="cosine", flip=False, share=None))
    said = command(
        "calibrate", run, "--dataset", other, "--false-positive-rate", "0.05", cwd=run.parents[1]
    ).stderr
    assert "still shows what was before: `keras-reid report" in said
    assert "is not executed" in said
