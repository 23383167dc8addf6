"""PyTorch's side of `against_pytorch.py`, which starts it. Needs PyTorch and NumPy alone."""

import contextlib
import os
import time

import numpy as np
import torch
import turns
from pytorch_models import Baseline, cross_entropy, hard_triplet

IMAGES_PER_IDENTITY = 4
_ready = {}


def prepare(work, mode, steps, weights=None, **case):
    """Makes what a turn runs, and runs it `steps` times; returns the result of the first time.

    Args:
        work: "train" or "forward".
        mode: "eager", "channels_last", "fused" or "compiled".
        steps: how often.
        weights: a `.npz` file to write the initial weights to, or None.
        case: `depth`, `height`, `width`, `batch`, `classes`.
    """
    step = {"train": make_step, "forward": make_forward}[work](mode, weights, **case)
    _ready[work, mode] = step
    first = step()
    for _ in range(steps - 1):
        step()
    return first


def turn(work, mode):
    """Seconds of one run of what was prepared."""
    start = time.perf_counter()
    _ready[work, mode]()
    return time.perf_counter() - start


def make_model(mode, depth, classes):
    torch.manual_seed(0)
    model = Baseline(depth, classes)
    return model if mode == "eager" else model.to(memory_format=torch.channels_last)


def make_images(mode, height, width, batch):
    images = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), "uint8")
    images = torch.from_numpy(images).permute(0, 3, 1, 2)
    layout = torch.contiguous_format if mode == "eager" else torch.channels_last
    return images.contiguous(memory_format=layout)


def make_step(mode, weights, depth, height, width, batch, classes):
    """A function that runs a training step and returns its loss."""
    model = make_model(mode, depth, classes).train()
    if weights:
        np.savez(weights, **{name: value.numpy() for name, value in model.state_dict().items()})
    images = make_images(mode, height, width, batch)
    labels = torch.arange(batch) // IMAGES_PER_IDENTITY
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # Adam with L2 in the gradient; without `fused` it is a loop over the parameters on a processor.
    optimizer = torch.optim.Adam(
        trained, 3.5e-4, weight_decay=5e-4, fused=True if mode in ("fused", "compiled") else None
    )

    def loss_of(pixels):
        feature, _, logits = model(pixels)
        return cross_entropy(logits, labels, 0.1) + hard_triplet(feature, labels, 0.3)

    if mode == "compiled":
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad()
        loss = loss_of(images.float())
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def make_forward(mode, weights, depth, height, width, batch, classes):
    """A function that embeds a batch and returns the sum of what it got."""
    model = make_model(mode, depth, classes).eval()
    images = make_images(mode, height, width, batch)
    embed = torch.compile(model) if mode == "compiled" else model

    def forward():
        with torch.inference_mode():
            return embed(images.float())[1].sum().item()

    return forward


if __name__ == "__main__":
    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    with contextlib.suppress(KeyboardInterrupt):
        turns.answer({"prepare": prepare, "turn": turn})
