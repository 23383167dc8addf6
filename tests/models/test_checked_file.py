"""Model files of others: absurd sizes, depths and weights are refused in a line, before time or memory is spent."""

import io
import json
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_reid.models import load_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import fingerprint
from keras_reid.utils.model_metadata import read_metadata
from tests.export.conftest import small_model

INITIALIZE = keras.Variable._initialize_with_initializer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    file = tmp_path_factory.mktemp("saved") / "model.keras"
    small_model().save(file)
    return file


@pytest.fixture
def changed(saved, tmp_path):
    """`changed("config.json", bytes → bytes)` → a model file in which one entry is another; quick = packed."""

    def change(entry, how, compression=zipfile.ZIP_STORED):
        file = tmp_path / "changed.keras"
        with zipfile.ZipFile(saved) as old, zipfile.ZipFile(file, "w", compression) as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, how(content) if name == entry else content)
        return file

    return change


def with_config(changed, edit):
    def how(content):
        config = json.loads(content)
        edit(config["config"])
        return json.dumps(config).encode()

    return changed("config.json", how)


def refused(file, said, of=load_model):
    """Says it, in one line, within a second of processor time."""
    started = time.process_time()
    with pytest.raises(UserError, match=said) as caught:
        of(file)
    assert time.process_time() - started < 3
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 600
    assert keras.Variable._initialize_with_initializer is INITIALIZE


@pytest.mark.parametrize("of", [load_model, fingerprint, read_metadata])
def test_deep_and_huge_configurations(changed, of):
    deep = b'{"config":' * 50_000 + b"1" + b"}" * 50_000
    refused(changed("config.json", lambda _: deep), "at most 100 nested levels", of)
    packed = zipfile.ZIP_DEFLATED
    refused(changed("config.json", lambda _: b" " * 60_000_000, packed), "at most 16,777,216 bytes", of)
    refused(changed("config.json", lambda _: b"[]"), "does not describe a model", of)
    refused(changed("config.json", lambda _: b'{"config": 3}'), "does not describe a model", of)
    refused(changed("config.json", lambda _: b"\xff\x00"), "not valid JSON", of)


@pytest.mark.parametrize("size", [[10**9, 10**9], [32, 4097], [0, 16], [32], "32", [32.5, 16], [True, 16]])
def test_absurd_image_sizes(changed, size):
    file = with_config(changed, lambda config: config["metadata"].update(image_size=size))
    refused(file, r"image_size must be height and width, 1 to 4096 pixels\. Received: ")


def test_a_configuration_of_more_weights_than_the_file_holds(changed):
    def edit(config):
        layers = config["backbone"]["config"]["layers"]
        (convolution,) = [layer for layer in layers if layer["class_name"] == "Conv2D"]
        convolution["config"]["filters"] = 10**12

    refused(
        with_config(changed, edit),
        r"changed\.keras: its configuration must describe the weights that it holds, .* MB\. "
        r"Received: .*kernel of shape \(3, 3, 3, 1000000000000\)",
    )
    # Each variable alone would be within the bounds.
    many = [
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 9000}, "registered_name": None}
    ]
    backbone = keras.Sequential([keras.Input((32, 16, 3)), keras.layers.Conv2D(4, 1)]).get_config()
    backbone["layers"] += [{**many[0], "config": {"units": 9000, "name": f"d{k}"}} for k in range(20)]
    sequential = {"module": "keras", "class_name": "Sequential", "config": backbone, "registered_name": None}
    refused(
        with_config(changed, lambda config: config.update(backbone=sequential)), "must describe the weights"
    )


@pytest.mark.parametrize("value", ["x", None, -1, 1e308, [[[]]], {"class_name": 3, "config": 4}, 10**30])
def test_other_nonsense_is_one_line(changed, value):
    refused(with_config(changed, lambda config: config["backbone"].update(config=value)), "cannot be loaded")
    refused(
        with_config(changed, lambda config: config["head"]["config"].update(num_classes=value)), "changed"
    )


def edited(edit):
    def how(content):
        stream = io.BytesIO(content)
        with h5py.File(stream, "r+") as weights:
            edit(weights)
        return stream.getvalue()

    return how


def datasets(weights):
    found = []
    weights.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def test_weights_that_take_more_memory_than_the_file(changed):
    def edit(weights):
        first = datasets(weights)[0]
        parent, name = first.parent, first.name.rpartition("/")[2]
        del parent[name]
        parent.create_dataset(name, (40_000, 40_000), "f4", chunks=(64, 64))

    refused(changed("model.weights.h5", edited(edit)), r"Received: weights of 6,400 MB")
    zeros = changed("assets.txt", None)
    with zipfile.ZipFile(zeros, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", b"\0" * 400_000_000)
    refused(zeros, r"an archive that unpacks to 400 MB")
    refused(changed("model.weights.h5", lambda content: content[:500]), r"model\.weights\.h5 is damaged")


def test_weights_that_are_nan_are_refused_by_name(changed):
    def edit(weights):
        for dataset in datasets(weights)[:5]:
            dataset[(0,) * dataset.ndim] = np.nan

    refused(
        changed("model.weights.h5", edited(edit)),
        r"must be numbers\. Received: NaN in \S+/\S+, .* and 2 more\.",
    )


def test_infinite_weights_are_warned_of_by_name(changed):
    def edit(weights):
        (variance,) = [one for one in datasets(weights) if one.shape == (8,)][:1]
        variance[0] = np.inf

    with pytest.warns(UserWarning, match=r"changed\.keras: infinite weights in \S+/\S+$"):
        load_model(changed("model.weights.h5", edited(edit)))


def test_a_good_file_packed_anew_is_loaded(changed, saved):
    file = changed("config.json", lambda content: content, zipfile.ZIP_DEFLATED)
    for one, other in zip(load_model(file).weights, load_model(saved).weights, strict=True):
        np.testing.assert_array_equal(one, other)
