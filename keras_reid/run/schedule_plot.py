"""The learning rate of an experiment, drawn and printed before it is trained."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.experiment.components import Backbone
from keras_reid.run.data import read_dataset
from keras_reid.run.model import build_model, compile_model

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment

_POINTS = 4000


def plot_schedule(experiment: Experiment, path: str | os.PathLike[str]) -> None:
    """Draws the learning rate of an experiment over its steps, and prints it at some epochs.

    The rate comes from the optimizer of the compiled model, so the picture shows what training uses. The data set is
    read for the number of steps, but no image is decoded; the backbone is built with random weights.

    Args:
        experiment: an `Experiment`.
        path: the picture to write.

    Raises:
        UserError: for a mistake in the experiment or its data.
    """
    import rich.console
    import rich.table

    from keras_reid.data.samplers import draw_batches
    from keras_reid.training import learning_rates
    from keras_reid.visualization.schedule_picture import draw_schedule

    dataset = read_dataset(experiment.data.dataset, experiment.data.root)
    labels = dataset.train_labels()
    batches = len(draw_batches(experiment.data.sampler, *labels, seed=experiment.training.seed, epoch=0))
    if isinstance(experiment.model.backbone, Backbone):
        backbone = replace(experiment.model.backbone, pretrained=None)  # type: ignore[call-arg]
        experiment = replace(experiment, model=replace(experiment.model, backbone=backbone))
    model = compile_model(build_model(experiment, len(labels[2])), experiment, batches)

    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    steps_per_epoch = batches / (inner.gradient_accumulation_steps or 1)
    epochs = experiment.training.epochs
    total = int(epochs * steps_per_epoch)
    starts = np.minimum(np.round(np.arange(epochs) * steps_per_epoch), total - 1).astype(int)
    marks = _marks(experiment, steps_per_epoch)
    around = [step + by for step, _ in marks for by in (-1, 0)]
    steps = np.unique(np.concatenate([starts, np.linspace(0, total - 1, _POINTS).astype(int), around]))
    steps = steps[(steps >= 0) & (steps < total)].astype(int)
    rates = learning_rates(model.optimizer, steps)
    marks = [(step, text) for step, text in marks if step < total]
    draw_schedule(
        steps,
        rates,
        path,
        steps_per_epoch,
        marks,
        f"{experiment.name}: learning rate, at most {rates.max():.4g}",
    )

    table = rich.table.Table(title=f"learning rate of {experiment.name}", title_justify="left")
    for column in ("epoch", "step", "learning rate", ""):
        table.add_column(column, justify="left" if not column else "right")
    events = {}
    for step, text in marks:
        events[step] = f"{events[step]}, {text}" if step in events else text
    some = starts[:: max(1, -(-epochs // 12))]
    for step in sorted({0, total - 1, *some.tolist(), *events}):
        rate = rates[np.searchsorted(steps, step)]
        table.add_row(f"{step / steps_per_epoch:.6g}", f"{step}", f"{rate:.6g}", events.get(step, ""))
    rich.console.Console().print(table)
    print(f"{epochs} epochs of {steps_per_epoch:g} steps; picture: {path}")


def _marks(experiment, steps_per_epoch):
    """`(step, text)` of what happens in the training."""
    schedule = experiment.schedule
    marks = []
    if getattr(schedule, "warmup_steps", 0):
        marks.append((schedule.warmup_steps, "warm-up ends"))
    if experiment.training.freeze_backbone_steps:
        marks.append((experiment.training.freeze_backbone_steps, "backbone learns"))
    if hasattr(schedule, "marks"):
        for epoch, text in schedule.marks(steps_per_epoch, experiment.training.epochs).items():
            if epoch > 0:
                marks.append((round(epoch * steps_per_epoch), f"{text}: epoch {epoch}"))
    return marks
