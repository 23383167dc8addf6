import concurrent.futures
import gc
import json
import pathlib
import shutil
import subprocess
import sys
import weakref

import numpy as np
import pytest

from keras_reid.data.decoding import decoding_graph
from keras_reid.data.pipeline import test_batches as pipeline_batches
from keras_reid.data.resizing import _filters
from keras_reid.embedding import Embedder, computing, embed_paths, l2_normalize
from keras_reid.embedding import pixel_batches as batching
from keras_reid.models import Distiller, load_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import fingerprint
from tests.data.images import encoded, random_image
from tests.export.conftest import small_model

BACKENDS = ("keras", "savedmodel", "onnx", "litert")
SIZES = ((80, 33), (32, 16), (20, 60), (31, 17), (200, 90), (32, 17), (64, 32))  # of crops


@pytest.fixture(scope="module")
def embedders(artefacts, model):
    return {name: Embedder(model if name == "keras" else getattr(artefacts, name)) for name in BACKENDS}


@pytest.fixture(scope="module")
def crops():
    return [np.asarray(random_image(*size, seed=seed)) for seed, size in enumerate(SIZES)]


@pytest.fixture(scope="module")
def paths(crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    for place, pixels in enumerate(crops):
        (folder / f"{place}.png").write_bytes(encoded(random_image(*pixels.shape[:2], seed=place), "PNG"))
    return [str(folder / f"{place}.png") for place in range(len(crops))]


def pixels(count, size=(32, 16)):
    return np.random.default_rng(count).integers(0, 256, (count, *size, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 2, 5, 33])
def test_each_back_end_gives_the_models_embeddings(embedders, model, count):
    expected = l2_normalize(model.predict(pixels(count), verbose=0))
    for name, embedder in embedders.items():
        embeddings = embedder(pixels(count))
        assert (embeddings.shape, embeddings.dtype) == ((count, 8), np.float32)
        np.testing.assert_allclose(embeddings, expected, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_crops_of_different_sizes(embedders, crops, paths):
    expected = embedders["keras"](paths)
    for name, embedder in embedders.items():
        assert (embedder.image_size, embedder.dim) == ((32, 16), 8)
        # A few pixels that Pillow makes are a level off.
        np.testing.assert_allclose(embedder(crops), expected, atol=1e-5 if name == "savedmodel" else 1e-3)


def test_a_keras_model_gives_what_it_gave_before_to_the_bit(model, paths):
    (batch,) = pipeline_batches(paths, model.image_size)
    expected = model.predict_on_batch(batch)
    np.testing.assert_array_equal(embed_paths(model, paths), expected)
    np.testing.assert_array_equal(Embedder(model, normalize=False)(paths), expected)
    np.testing.assert_array_equal(Embedder(model)(paths), l2_normalize(expected))
    mirrored = (expected + model.predict_on_batch(batch[:, :, ::-1])) / 2
    np.testing.assert_array_equal(embed_paths(model, paths, flip=True), mirrored)
    np.testing.assert_array_equal(Embedder(model, flip=True, normalize=False)(paths), mirrored)


@pytest.mark.parametrize("name", BACKENDS)
def test_files_bytes_and_arrays_are_one(embedders, crops, paths, name):
    embedder = embedders[name]
    expected = embedder(paths)
    contents = [pathlib.Path(path).read_bytes() for path in paths]
    mixed = [crops[0], paths[1], contents[2], *crops[3:5], contents[5], crops[6]]
    for images in (contents, crops, mixed, np.array(paths), [crop.astype("float32") for crop in crops]):
        np.testing.assert_array_equal(embedder(images), expected)
    pixels = embedder.pixels(contents[2])
    assert (pixels.shape, pixels.dtype) == ((1, *embedder.image_size, 3), np.uint8)
    np.testing.assert_allclose(embedder(pixels), expected[2:3], atol=1e-5)


@pytest.mark.parametrize("name", BACKENDS)
def test_one_image_gives_one_row_and_none_gives_none(embedders, crops, paths, name):
    embedder = embedders[name]
    for image in (paths[0], crops[0], pathlib.Path(paths[0]).read_bytes()):
        np.testing.assert_array_equal(embedder(image), embedder([image]))
        assert embedder(image).shape == (1, 8)
    for nothing in ([], pixels(0), pixels(0).astype("float32"), pixels(0, size=(5, 5))):
        assert (embedder(nothing).shape, embedder(nothing).dtype) == ((0, 8), np.float32)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
@pytest.mark.parametrize("few", [0, 100])
def test_any_batch_size_and_threads_change_nothing(model, crops, monkeypatch, batch_size, few):
    monkeypatch.setattr(batching, "_FEW", few)
    embedder = Embedder(model, batch_size=batch_size)
    np.testing.assert_allclose(embedder(crops * 3), Embedder(model)(crops * 3), atol=1e-6)
    assert len(embedder(pixels(8))) == 8


def test_few_images_need_no_pipeline_and_many_have_one(model, paths, monkeypatch):
    expected = embed_paths(model, paths)
    monkeypatch.setattr("keras_reid.data.pipeline.test_batches", None)
    embed_paths(model, paths)
    monkeypatch.setattr(computing, "_FEW", 3)
    with pytest.raises(TypeError, match="not callable"):
        embed_paths(model, paths)
    monkeypatch.undo()
    monkeypatch.setattr(computing, "_FEW", 3)
    np.testing.assert_array_equal(embed_paths(model, paths), expected)


@pytest.mark.parametrize("name", BACKENDS)
def test_several_threads(embedders, crops, name):
    embedder = embedders[name]
    work = [crops[start:stop] for start in range(4) for stop in range(start + 1, 7)]
    expected = [embedder(images) for images in work]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            for found, wanted in zip(pool.map(embedder, work), expected, strict=True):
                np.testing.assert_allclose(found, wanted, atol=1e-6)


_WITHOUT = """
import json, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras"):
            raise ImportError(name)

sys.meta_path.insert(0, Without())
from keras_reid.embedding import Embedder
onnx, litert, *paths = sys.argv[1:]
print(json.dumps([Embedder(artefact)(paths).tolist() for artefact in (onnx, litert)]))
"""


def test_onnx_and_litert_need_neither_tensorflow_nor_keras(artefacts, embedders, paths):
    words = [sys.executable, "-c", _WITHOUT, artefacts.onnx, artefacts.litert, *paths]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, embeddings in zip(("onnx", "litert"), json.loads(done.stdout), strict=True):
        np.testing.assert_allclose(embeddings, embedders[name](paths), atol=1e-6)


def test_a_folder_with_an_artefact_will_do(artefacts, embedders):
    for name in ("onnx", "litert"):
        folder = Embedder(str(getattr(artefacts, name).parent))
        np.testing.assert_array_equal(folder(pixels(2)), embedders[name](pixels(2)))


@pytest.mark.parametrize("name", BACKENDS)
def test_a_broken_image_is_named(embedders, crops, paths, tmp_path, name):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(encoded(random_image(40, 40))[:300])
    for images, message in (
        ([*crops, bad], r"bad\.jpg: truncated or damaged"),
        ([paths[0], str(tmp_path / "no.jpg")], r"no\.jpg: no such file"),
        ([tmp_path], "is a folder"),
        ([crops[0], b"text"], r"images\[1\]: not a JPEG, PNG or BMP image"),
        (b"", r"images\[0\]: the file is empty"),
        ([crops[0], crops[1] / 300], r"images\[1\] must have pixels from 0 to 255"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            embedders[name](images)
        assert "\n" not in str(caught.value)


def test_an_embedding_that_is_no_number_is_named(crops, paths):
    model = small_model()
    model.head.neck.gamma.assign(np.full(8, 3e38))
    model.head.neck.moving_variance.assign(np.zeros(8))
    with pytest.raises(UserError, match=r"embedding of images\[0\] holds NaN or infinity"):
        Embedder(model)(crops)
    with pytest.raises(UserError, match=r"embedding of .*0\.png holds NaN or infinity"):
        Embedder(model)(paths)


def test_weights_that_change_count_at_once(crops):
    model = small_model()
    embedder = Embedder(model)
    before = embedder(crops)
    for variable in model.weights:
        if "kernel" in variable.path:
            variable.assign(variable * np.linspace(-1, 1, variable.shape[-1]))
    assert not np.allclose(embedder(crops), before, atol=1e-3)
    np.testing.assert_allclose(
        embedder(pixels(3)), l2_normalize(model.predict(pixels(3), verbose=0)), atol=1e-6
    )


def test_a_distiller_embeds_as_its_student(model):
    embeddings = Embedder(Distiller(model, [small_model(seed=1)]))(pixels(3))
    np.testing.assert_allclose(embeddings, Embedder(model)(pixels(3)), atol=1e-6)


def test_a_model_that_nobody_needs_is_freed():
    model = small_model()
    Embedder(model)(pixels(2))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_warming_up_compiles_what_calls_need(model):
    embedder = Embedder(model)
    assert embedder.warm_up([1, 4]) is None
    decoding = decoding_graph().experimental_get_tracing_count()
    filters = _filters.cache_info().misses
    embedder([*pixels(3, size=(9, 9)), encoded(random_image(50, 20))])
    assert decoding_graph().experimental_get_tracing_count() == decoding == 1
    assert _filters.cache_info().misses == filters


def test_the_fingerprint_tells_models_apart(artefacts, embedders, model, tmp_path):
    known = {name: embedder.fingerprint for name, embedder in embedders.items()}
    assert len(set(known.values())) == len(BACKENDS)
    assert all(len(value) == 32 and int(value, 16) for value in known.values())
    shutil.copytree(artefacts.savedmodel, tmp_path / "copy")
    assert Embedder(tmp_path / "copy").fingerprint == known["savedmodel"]
    again = load_model(artefacts.keras)
    assert Embedder(again).fingerprint == known["keras"]
    again.metadata.update({"calibration": {"metric": "cosine"}, "threshold": 0.3})
    assert Embedder(again).fingerprint == known["keras"]
    again.weights[0].assign_add(np.full(again.weights[0].shape, 1e-6))
    assert Embedder(again).fingerprint != known["keras"]
    assert Embedder(model, fingerprint=fingerprint(artefacts.keras)).fingerprint == fingerprint(
        artefacts.keras
    )


def test_the_metadata_are_the_models(embedders, model):
    for embedder in embedders.values():
        assert (
            model.metadata.items()
            <= {**embedder.metadata, "image_size": model.metadata["image_size"]}.items()
        )


def test_what_it_cannot_embed_with(artefacts, model, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    (tmp_path / "alone").mkdir()
    shutil.copy(artefacts.litert, tmp_path / "alone" / "model.tflite")
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    shutil.copy(artefacts.litert.with_name("metadata.json"), tmp_path)
    for given, message in [
        (5, "needs a loaded ReIDModel, or the path of.*Received: int"),
        (model.backbone, "needs a loaded ReIDModel.*Received: Sequential"),
        (tmp_path / "no", "no: there is no such artefact"),
        (tmp_path / "empty", "empty: the folder holds no artefact"),
        (artefacts.keras, r"model\.keras: not an artefact.*load_model"),
        (tmp_path / "bad.onnx", r"bad\.onnx: ONNX Runtime cannot load it"),
        (tmp_path / "bad.tflite", r"bad\.tflite: LiteRT cannot load it"),
        (tmp_path / "alone", r"alone/metadata\.json: must be there.*missing or damaged"),
        (tmp_path, "the SavedModel cannot be loaded"),
    ]:
        with pytest.raises(UserError, match=message) as caught:
            Embedder(given)
        assert "\n" not in str(caught.value)


def test_artefacts_that_others_made(tmp_path):
    import onnx
    import tensorflow as tf
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [other])
    program = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(program, str(tmp_path / "other.onnx"))
    with pytest.raises(UserError, match=r"other\.onnx: must be a file from .*without its metadata"):
        Embedder(tmp_path / "other.onnx")
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    with pytest.raises(UserError, match=r"other: must be a SavedModel from .*Received: none"):
        Embedder(tmp_path / "other")


def test_options(artefacts, model):
    for options in ({"flip": True}, {"normalize": False}):
        with pytest.raises(UserError, match="an artefact gives embeddings of unit length"):
            Embedder(artefacts.onnx, **options)
    with pytest.raises(UserError, match=r"`batch_size` must be at least 1\. Received: 0"):
        Embedder(model, batch_size=0)


def test_an_artefact_is_evaluated_as_a_model(embedders, artefacts, model, paths):
    from keras_reid.embedding.backends.onnx_file import OnnxFile

    found = embed_paths(OnnxFile(artefacts.onnx), paths)
    np.testing.assert_allclose(found, l2_normalize(embed_paths(model, paths)), atol=1e-5)
