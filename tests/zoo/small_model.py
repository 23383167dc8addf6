"""A small published model: random weights under FastReID's first names, on a server of this machine."""

import functools
import pathlib

import keras_reid
from keras_reid.zoo import registry
from tests.checkpoints import writing
from tests.weights.test_fastreid import first_release, small_state

NAME = "fastreid/small-bot-r18"
FILE = "small_bot_R18.pth"
IMAGES = pathlib.Path(keras_reid.__file__).parent / "zoo" / "images"
CONFIG = registry.find_row("fastreid/market-bot-r50").config


@functools.cache
def content(path):
    """The file's bytes; `path` is where to write it for that."""
    return writing.write_torch_file(path, first_release(small_state())).read_bytes()


def publish(monkeypatch, address, **changes):
    """Adds the small model to the registry, at an address of the test."""
    row = registry.Row(
        name=NAME,
        task="person",
        network="ResNet-18",
        builder="fastreid",
        trained_on=("Market-1501", "MSMT17"),
        source="https://example.org",
        image_size=(256, 128),
        pixels="imagenet",
        config=CONFIG,
        **{"base_url": f"{address}/", "file": FILE, "licence": "none stated", **changes},
    )
    known = {**registry._rows(), NAME: row}
    monkeypatch.setattr(registry, "_rows", lambda: known)
    return row
