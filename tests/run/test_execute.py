"""A user's own parts, from the experiment file to every later command."""

import json
import re

import numpy as np
import pytest

from keras_reid.experiment import Evaluation, Experiment, Training
from keras_reid.utils.errors import UserError

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
    evaluation=ex.Evaluation(recall=(1, 30)),
)
"""


@pytest.fixture
def own_run(command, tmp_path):
    """The run of an experiment of own parts, and what `fit` printed."""
    (tmp_path / "own.py").write_text(
        OWN.format(decorator='@keras.saving.register_keras_serializable(package="own")')
    )
    finished = command("fit", "own.py", cwd=tmp_path)
    return tmp_path / "runs" / "own", finished.stdout


@pytest.mark.medium
def test_own_parts_everywhere(own_run):
    run, printed = own_run
    (final,) = json.loads((run / "metrics.json").read_text()).values()
    assert final["recall@1"] == final["rank1"] <= final["recall@30"]
    assert "Recall@30" in printed
    (line,) = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    assert {"mine", "triplet"} <= set(line)
    assert line["learning_rate"] == pytest.approx(0.01)


@pytest.mark.medium
def test_what_is_made_of_own_parts_is_evaluated_embedded_and_exported(own_run, command, tmp_path):
    run, _ = own_run
    for options, recalls in (([], ["recall@1", "recall@30"]), (["--recall", "2"], ["recall@2"])):
        finished = command("evaluate", run, *options, cwd=tmp_path)
        (result,) = json.loads((run / "evaluation.json").read_text())["results"].values()
        assert [key for key in result if key.startswith("recall")] == recalls
        assert recalls[-1].title() in finished.stdout
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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"training": Training(checkpoint_minutes=-1)}, r"training\.checkpoint_minutes must be 0 or more"),
        ({"training": Training(precise_bn_batches=-1)}, r"training\.precise_bn_batches must be 0 or more"),
        ({"training": Training(log_every=-1)}, r"training\.log_every must be 0 or more"),
        ({"evaluation": Evaluation(recall=(1, 0))}, r"evaluation\.recall must be 1 or more\. Received: 0"),
        ({"evaluation": Evaluation(projector_images=-1)}, r"evaluation\.projector_images must be 0 or more"),
        (
            {"training": Training(patience=3), "evaluation": Evaluation(every=0)},
            r"training\.patience counts evaluations.* evaluation\.every must be 1 or more",
        ),
    ],
)
def test_refuses_settings_that_make_no_sense(fields, message):
    with pytest.raises(UserError, match=message):
        Experiment(**fields)


@pytest.mark.slow
def test_early_stop_precise_batch_norm_and_logs(command, tmp_path):
    text = OWN.format(decorator='@keras.saving.register_keras_serializable(package="own")')
    text = text.replace(
        'keras.layers.Conv2D(8, 3, strides=4, activation="relu")',
        "keras.layers.Conv2D(8, 3, strides=4), keras.layers.BatchNormalization(name='bn')",
    )
    (tmp_path / "own.py").write_text(text.replace("SGD(0.01)", "SGD(1e-9)").replace("epochs=1", "epochs=20"))
    common = ["--evaluation.every", "1", "--training.patience", "2"]
    weights = []
    for name, more in (
        ("moving", ["--training.log-every", "0"]),
        ("precise", ["--training.precise-bn-batches", "3", "--training.log-every", "1"]),
    ):
        options = [
            "--name",
            name,
            *common,
            *more,
            "--evaluation.projector-images",
            "6" if name == "precise" else "0",
        ]
        process = command("fit", "own.py", *options, cwd=tmp_path)
        run = tmp_path / "runs" / name
        lines = (run / "metrics.jsonl").read_text().splitlines()
        stopped, best = re.search(
            r"stopping after epoch (\d+): 2 evaluations .* epoch (\d+)", process.stdout
        ).groups()
        assert len(lines) == int(stopped) == int(best) + 2 < 20
        # What was evaluated last, after the statistics were computed anew, is what is written.
        final = json.loads((run / "metrics.json").read_text())
        (name_of_set,) = final
        assert json.loads(lines[-1])[f"{name_of_set}/mAP"] == final[name_of_set]["mAP"]
        command("evaluate", run, cwd=tmp_path)
        again = json.loads((run / "evaluation.json").read_text())["results"]
        assert again[name_of_set]["mAP"] == pytest.approx(final[name_of_set]["mAP"], abs=1e-6)
        weights.append(run)
    moving, precise = weights
    assert not (moving / "tensorboard" / "projector_config.pbtxt").exists()
    assert (precise / "tensorboard" / "projector_config.pbtxt").is_file()
    sizes = [next((run / "tensorboard").glob("events.*")).stat().st_size for run in weights]
    assert sizes[1] > 2 * sizes[0], "steps and a picture of a batch"
    variances = []
    for run in weights:
        with np.load(sorted((run / "checkpoints").glob("*.npz"))[-1]) as arrays:
            variances.append(arrays["model/0005"])
    assert (variances[0] != variances[1]).any()
