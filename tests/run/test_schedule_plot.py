import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, ReIDDataset, Sample
from keras_reid.run.schedule_plot import plot_schedule
from keras_reid.utils.errors import UserError
from tests.conftest import ROOT


@dataclasses.dataclass(frozen=True)
class NoImages:
    """A set whose images do not exist: 20 batches of 8 an epoch."""

    def read(self, root):
        train = [
            Sample(f"{root}/{i}_{n}.jpg", identity=i, camera=n % 2) for i in range(10) for n in range(16)
        ]
        return ReIDDataset("none", train)


def experiment(**changes):
    return ex.Experiment(
        **{
            "name": "mine",
            "data": ex.Data(dataset=NoImages(), sampler=IdentitySampler(2, 4)),
            "model": ex.Model(
                backbone=lambda: keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)]),
                image_size=(16, 8),
            ),
            "optimizer": ex.SGD(learning_rate=0.5),
            "schedule": ex.MultiStep(milestones=(4, 8), warmup_steps=50),
            "training": ex.Training(epochs=10, freeze_backbone_steps=30),
            **changes,
        }
    )


def rows(printed):
    """`{step: (rate, text)}` of the printed table."""
    cells = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in printed.splitlines()
        if line.startswith("│")
    ]
    return {
        int(step): (float(rate), text)
        for _, step, rate, text in (
            row for row in cells if len(row) == 4 and row[1].isdigit() and "." in row[2]
        )
    }


def test_tells_and_draws_what_happens_without_any_image(tmp_path, capsys):
    plot_schedule(experiment(), tmp_path / "deep" / "plot.png")
    printed = capsys.readouterr().out
    found = rows(printed)
    assert found[0] == (0.05, "")
    assert found[50] == (0.5, "warm-up ends")
    assert found[30][1] == "backbone learns"
    assert found[80] == (0.05, "milestone: epoch 4")
    assert found[160] == (0.005, "milestone: epoch 8")
    assert found[199] == (0.005, "")
    assert "10 epochs of 20 steps" in printed
    with Image.open(tmp_path / "deep" / "plot.png") as image:
        assert np.asarray(image).std() > 0


def test_shows_the_originals_counting_and_accumulated_steps(tmp_path, capsys):
    changed = experiment(
        optimizer=ex.SGD(learning_rate=0.5, gradient_accumulation_steps=2),
        schedule=ex.MultiStep(milestones=(4,), warmup_steps=15, counting="original"),
    )
    plot_schedule(changed, tmp_path / "plot.png")
    printed = capsys.readouterr().out
    assert rows(printed)[50] == (0.05, "milestone: epoch 5")
    assert "10 epochs of 10 steps" in printed


def test_a_schedule_of_ones_own(tmp_path, capsys):
    def halving(learning_rate, steps_per_epoch, epochs):
        return keras.optimizers.schedules.ExponentialDecay(
            learning_rate, steps_per_epoch, 0.5, staircase=True
        )

    plot_schedule(experiment(schedule=halving), tmp_path / "plot.png")
    found = rows(capsys.readouterr().out)
    assert [found[20 * epoch][0] for epoch in range(3)] == [0.5, 0.25, 0.125]


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(UserError, match="an object with read"):
        plot_schedule(experiment(data=ex.Data(dataset="market")), tmp_path / "plot.png")


@pytest.mark.slow
def test_command_needs_no_data_with_smoke(command):
    arguments = (ROOT / "experiments" / "market_bot.py", "--smoke", "--plot-schedule")
    process = command("fit", *arguments)
    assert "market_bot-smoke-schedule.png" in process.stdout
    assert (command.folder / "market_bot-smoke-schedule.png").stat().st_size > 1000
    assert not (command.folder / "runs" / "market_bot-smoke" / "experiment.json").exists()
    refused = command("fit", *arguments, "plot.jpg", ok=False)
    assert refused.returncode == 2
    assert refused.stderr == "error: --plot-schedule writes a .png file. Received: plot.jpg\n"
