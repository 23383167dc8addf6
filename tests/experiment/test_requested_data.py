import json

import pytest

from keras_reid.data import BENCHMARKS
from keras_reid.experiment.requested_data import requested_data, requested_experiment
from keras_reid.experiment.run_directory import find_run
from keras_reid.utils.errors import UserError
from tests.conftest import ROOT

QUICKSTART = str(ROOT / "experiments" / "quickstart.py")


def test_a_run_and_the_model_files_in_it(tmp_path):
    (tmp_path / "command.json").write_text(json.dumps({"file": QUICKSTART}))
    (tmp_path / "best.keras").write_text("")
    for path in (tmp_path, tmp_path / "model.keras", tmp_path / "best.keras"):
        assert find_run(path).path == tmp_path
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert find_run(other) is None
    assert find_run(other / "model.keras") is None


def test_what_is_read(tmp_path):
    experiment = requested_experiment(QUICKSTART, None)
    assert experiment.name == "quickstart"
    assert requested_data(QUICKSTART, experiment).dataset == experiment.data.dataset
    named = requested_data("market1501", experiment, tmp_path, skip_unreadable=True)
    assert named.dataset == BENCHMARKS["market1501"]
    assert named.root == tmp_path
    assert named.skip_unreadable
    with pytest.raises(UserError, match="name one with --dataset"):
        requested_data(None, None)
