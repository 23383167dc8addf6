"""A small published model: random weights under FastReID's first names, on a server of this machine."""

import functools

from keras_reid.zoo import registry
from tests import golden
from tests.checkpoints import writing
from tests.weights.test_fastreid import first_release

NAME = "fastreid/small-osnet"
FILE = "small_osnet.pth"


@functools.cache
def content(path):
    """The file's bytes; `path` is where to write it for that."""
    return writing.write_torch_file(
        path, first_release(golden.state_dict(golden.load("osnet_x0_25")))
    ).read_bytes()


def publish(monkeypatch, address, **changes):
    """Adds the small model to the registry, at an address of the test."""
    row = registry.Row(
        name=NAME,
        task="person",
        network="OSNet ×0.25",
        builder="fastreid",
        trained_on=("Market-1501", "MSMT17"),
        source="https://example.org",
        image_size=(256, 128),
        pixels="imagenet",
        config=registry.find_row("fastreid/market-bot-r50").config,
        **{"base_url": f"{address}/", "file": FILE, "licence": "none stated", **changes},
    )
    monkeypatch.setattr(registry, "_rows", lambda known=dict(registry._rows()): {**known, NAME: row})
    return row
