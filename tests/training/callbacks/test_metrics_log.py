import json

import keras
import numpy as np

from keras_reid.training.callbacks import MetricsLog


def test_a_line_an_epoch(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    model.fit(
        np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0, callbacks=[MetricsLog(tmp_path / "m.jsonl")]
    )
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(np.isfinite(line["loss"]) and line["seconds"] >= 0 for line in lines)


def test_keep_removes_what_is_repeated_and_what_was_cut_off(tmp_path):
    file = tmp_path / "m.jsonl"
    file.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n{"epo')
    MetricsLog(file).keep(2)
    assert file.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'
    MetricsLog(tmp_path / "none.jsonl").keep(2)
    assert not (tmp_path / "none.jsonl").exists()
