"""A user's own parts, from the experiment file to every later command."""

import json

import numpy as np
import pytest

OWN = """
import keras
import numpy as np
from keras_reid import experiment as ex
from keras_reid.data import Synthetic

{decorator}
class OwnPooling(keras.layers.Layer):
    def __init__(self, power=1.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, features):
        return keras.ops.mean(features, axis=(1, 2)) * self.power

    def compute_output_shape(self, shape):
        return (shape[0], shape[-1])

    def get_config(self):
        return {{**super().get_config(), "power": self.power}}

def own_backbone():
    return keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3, strides=4, activation="relu")])

def own_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)

def own_sampler(identities, cameras, *, seed, epoch):
    return np.random.default_rng((seed, epoch)).integers(len(identities), size=(2, 6))

def darker(images, seed):
    return images // 2

class OwnReader:
    def read(self, root):
        return Synthetic(preset="tiny").read(root)

experiment = ex.Experiment(
    name="own",
    data=ex.Data(dataset=OwnReader(), sampler=own_sampler, augmentation=(darker, keras.layers.RandomFlip())),
    model=ex.Model(backbone=own_backbone, pooling=OwnPooling(0.5), image_size=(32, 16)),
    losses={{"mine": own_loss, "triplet": ex.TripletLoss()}},
    optimizer=keras.optimizers.SGD(0.01),
    schedule=None,
    training=ex.Training(epochs=1),
)
"""


def test_own_parts_everywhere(command, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN.format(decorator='@keras.saving.register_keras_serializable(package="own")'))
    command("fit", file, cwd=tmp_path)
    run = tmp_path / "runs" / "own"
    (line,) = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    assert {"mine", "triplet"} <= set(line)
    assert line["learning_rate"] == pytest.approx(0.01)
    command("evaluate", run, cwd=tmp_path)
    query = next((tmp_path / "datasets").rglob("query"))
    command("embed", run, query, "--output", tmp_path / "e.npz", cwd=tmp_path)
    with np.load(tmp_path / "e.npz") as file:
        assert file["embeddings"].shape == (24, 8)
    command("export", run, "--format", "savedmodel", "--output", tmp_path / "exports", cwd=tmp_path)
    assert json.loads((tmp_path / "exports" / "savedmodel" / "float32" / "parity.json").read_text())[
        "verified"
    ]


def test_a_part_that_cannot_be_saved_is_refused_before_training(command, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN.format(decorator=""))
    process = command("fit", file, cwd=tmp_path, ok=False)
    assert process.returncode == 2
    assert "register_keras_serializable" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "runs" / "own").exists()
