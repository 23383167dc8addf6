import json

import pytest

from keras_reid.data import BENCHMARKS
from keras_reid.experiment.requested_data import chosen_data, experiment_of, run_directory
from keras_reid.utils.errors import UserError
from tests.conftest import ROOT

QUICKSTART = str(ROOT / "experiments" / "quickstart.py")


def test_a_run_and_the_model_files_in_it(tmp_path):
    (tmp_path / "command.json").write_text(json.dumps({"file": QUICKSTART}))
    (tmp_path / "best.keras").write_text("")
    for path in (tmp_path, tmp_path / "model.keras", tmp_path / "best.keras"):
        assert run_directory(path).path == tmp_path
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert run_directory(other) is None
    assert run_directory(other / "model.keras") is None


def test_what_is_read(tmp_path):
    experiment = experiment_of(QUICKSTART, None)
    assert experiment.name == "quickstart"
    assert chosen_data(QUICKSTART, experiment).dataset == experiment.data.dataset
    named = chosen_data("market1501", experiment, tmp_path, skip_unreadable=True)
    assert named.dataset == BENCHMARKS["market1501"]
    assert named.root == tmp_path
    assert named.skip_unreadable
    with pytest.raises(UserError, match="name one with --dataset"):
        chosen_data(None, None)
