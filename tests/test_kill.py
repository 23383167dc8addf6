"""Runs that are killed at random moments and resumed end where an undisturbed one ends, to the bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_reid.models import load_model

KILLS, EPOCHS = 20, 80
STEPS_PER_EPOCH = 4  # 48 images in batches of 12
EXPERIMENT = """
import dataclasses
import keras
from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic, augmentation

def backbone():
    return keras.Sequential(
        [
            keras.Input((32, 16, 3)),
            keras.layers.Conv2D(8, 3, strides=2),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.2),
            keras.layers.Conv2D(8, 3, strides=2),
        ]
    )

every = [cls() for name, cls in sorted(vars(augmentation).items()) if dataclasses.is_dataclass(cls)]
assert len(every) >= 13
experiment = ex.Experiment(
    name="killed",
    data=ex.Data(
        dataset=Synthetic(preset="tiny"),
        sampler=IdentitySampler(identities_per_batch=4, images_per_identity=3),
        augmentation=(*every, keras.layers.RandomFlip()),
    ),
    model=ex.Model(backbone=backbone, image_size=(32, 16)),
    schedule=ex.Cosine(delay_epochs=2, warmup_steps=10),
    training=ex.Training(
        epochs={epochs},
        freeze_backbone_steps=45,  # within epoch 12
        checkpoint_every=7,
        checkpoint_minutes=0.001,
        precise_bn_batches=3,
        patience=50,
    ),
    evaluation=ex.Evaluation(every=9, projector_images=0),
)
"""


class Folder:
    """A working folder with the experiment, and the command in it."""

    def __init__(self, path):
        path.mkdir()
        self.path, self.run = path, path / "runs" / "killed"
        (path / "killed.py").write_text(EXPERIMENT.replace("{epochs}", str(EPOCHS)))

    def start(self, *arguments):
        command = [sys.executable, "-m", "keras_reid.fit", "killed.py", *arguments]
        with open(self.path / "out.txt", "a") as out:
            return subprocess.Popen(command, cwd=self.path, stdout=out, stderr=subprocess.PIPE, text=True)

    def steps(self):
        """Up to which step the newest checkpoint goes."""
        manifest = self.run / "checkpoints" / "manifest.json"
        if not manifest.is_file():
            return 0
        newest = json.loads(manifest.read_text())["checkpoints"][0]
        return newest["epochs_done"] * STEPS_PER_EPOCH + newest["steps_done"]

    def wait_for(self, process, steps, seconds=600.0):
        """Until so many more steps are saved, the process ends, or the time is over."""
        until, end = self.steps() + steps, time.monotonic() + seconds
        while process.poll() is None and self.steps() < until and time.monotonic() < end:
            time.sleep(0.005)

    def numbers(self):
        """The lines of the log without what is measured."""
        measured = {"seconds", "images_per_second", "peak_memory_gb"}
        lines = (self.run / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k not in measured} for line in lines]


def finish(process):
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors


@pytest.mark.slow
def test_twenty_kills_at_random_moments_end_in_the_same_weights(tmp_path):
    whole, killed = Folder(tmp_path / "whole"), Folder(tmp_path / "killed")
    start = time.monotonic()
    process = whole.start()
    whole.wait_for(process, steps=1)
    until_it_trains = time.monotonic() - start
    finish(process)

    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 10**6))
    print(f"KILL_SEED={seed}")
    draw = random.Random(seed)
    in_the_middle = 0
    for kill in range(KILLS):
        process = killed.start("--resume")
        if kill % 2:  # while it trains
            killed.wait_for(process, steps=draw.randint(1, 16))
            time.sleep(draw.uniform(0, 0.1))
        else:  # mostly before it trains
            killed.wait_for(process, steps=1, seconds=draw.uniform(0, until_it_trains))
        assert process.poll() is None, f"ended before kill {kill}: {process.communicate()[1]}"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        print(f"kill {kill + 1} after step {killed.steps()} of {EPOCHS * STEPS_PER_EPOCH}")
        in_the_middle += any((killed.run / "checkpoints").glob("*_step_*"))

    process = killed.start("--resume")
    killed.wait_for(process, steps=1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143, errors
    assert "repeat the command with --resume" in errors
    assert "Traceback" not in errors

    finish(killed.start("--resume"))
    printed = (killed.path / "out.txt").read_text()
    assert in_the_middle, "no checkpoint within an epoch was resumed from"
    assert " steps\n" in printed, "resuming after epoch … and … steps"
    assert [path.name for path in (killed.path / "runs").iterdir()] == ["killed"]
    for name in ("model.keras", "best.keras"):
        one, other = (load_model(folder.run / name) for folder in (whole, killed))
        for a, b in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(np.array(a), np.array(b), err_msg=f"{name}: {a.path}")
    for name in ("metrics.json", "best.json"):
        assert (whole.run / name).read_text() == (killed.run / name).read_text(), name
    assert whole.numbers() == killed.numbers()
    sessions = json.loads((killed.run / "environment.json").read_text())["sessions"]
    assert len(sessions) > KILLS // 2
