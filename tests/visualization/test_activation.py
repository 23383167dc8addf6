import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_reid import heads, layers
from keras_reid.embedding import embed_paths
from keras_reid.experiment import NoPooling, build
from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError
from keras_reid.visualization import similarity_maps
from keras_reid.visualization.activation import draw_heat

SIZE = (32, 16)
POOLINGS = {
    "gem": layers.GeMPooling2D,
    "average": keras.layers.GlobalAveragePooling2D,
    "maximum": keras.layers.GlobalMaxPooling2D,
    "both": layers.AverageMaxPooling2D,
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    names = []
    for number in range(3):
        names.append(str(folder / f"{number}.png"))
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(names[-1])
    return names


def patches(dtype=None):
    """A backbone whose map has a position for each 8 × 8 pixels, and nothing is negative."""
    images = keras.Input((*SIZE, 3))
    convolution = keras.layers.Conv2D(6, 8, 8, activation="relu", name="conv", dtype=dtype)
    return keras.Model(images, convolution(images), name="patches")


def model_of(pooling, backbone=None, head=None):
    return ReIDModel(backbone or patches(), pooling, head or heads.BNNeckHead(4), image_size=SIZE)


@pytest.mark.parametrize(
    ("pooling", "dtype"), [*((pooling, "float32") for pooling in POOLINGS), ("gem", "mixed_float16")]
)
def test_the_map_sums_to_the_similarity(paths, pooling, dtype):
    model = model_of(POOLINGS[pooling](), patches(dtype))
    embeddings = embed_paths(model, paths)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    maps = similarity_maps(model, paths, embeddings[0])
    assert maps.shape == (3, 4, 2)
    assert maps.sum(axis=(1, 2)) == pytest.approx(unit @ unit[0], abs=1e-3 if dtype == "float32" else 5e-3)
    assert maps[0].sum() == pytest.approx(1, abs=1e-3 if dtype == "float32" else 5e-3)


def test_it_is_high_where_what_the_query_shows_is(tmp_path):
    red, blue = (250, 0, 0), (0, 0, 250)
    Image.new("RGB", SIZE[::-1], red).save(tmp_path / "red.png")
    both = Image.new("RGB", SIZE[::-1], blue)
    both.paste(red, (0, 0, 16, 8))  # the uppermost row of the map
    both.save(tmp_path / "both.png")
    model = model_of(keras.layers.GlobalAveragePooling2D())
    kernel = np.zeros((8, 8, 3, 6), np.float32)
    kernel[:, :, 0, 0] = kernel[:, :, 2, 1] = 1  # one channel for red, one for blue
    model.backbone.get_layer("conv").set_weights([kernel, np.zeros(6, np.float32)])
    query = embed_paths(model, [tmp_path / "red.png"])
    (heat,) = similarity_maps(model, [tmp_path / "both.png"], query)
    assert (heat[0] > 0.01).all()
    assert heat[1:] == pytest.approx(0, abs=1e-6)


def test_batches_and_references_of_their_own(paths):
    model = model_of(layers.GeMPooling2D())
    embeddings = embed_paths(model, paths)
    together = similarity_maps(model, paths, embeddings)
    (alone,) = similarity_maps(model, paths[2:], embeddings[2])
    assert alone == pytest.approx(together[2], abs=1e-5)
    assert similarity_maps(model, paths, embeddings, batch_size=2) == pytest.approx(together, abs=1e-5)


def test_several_maps_are_added(paths):
    images = keras.Input((48, 16, 3))
    maps = [
        keras.layers.Conv2D(4, 8, strides, activation="relu", padding="same", name=f"b{number}")(images)
        for number, strides in enumerate(((16, 16), (8, 8), (8, 8)))
    ]
    head = heads.MultiGranularityHeads(4, embedding_dim=8)
    model = ReIDModel(keras.Model(images, maps), build(NoPooling()), head, image_size=(48, 16))
    embeddings = embed_paths(model, paths)
    heat = similarity_maps(model, paths, embeddings)
    assert heat.shape == (3, 6, 2)
    assert heat.sum(axis=(1, 2)) == pytest.approx(1, abs=2e-3)


def test_cameras_are_unknown(paths):
    class Cameras(keras.layers.Layer):
        num_cameras = 2

        def call(self, inputs, training=False):
            # Some other map where a camera is known.
            known = ops.cast(inputs["cameras"] >= 0, "float32")[:, None, None, None]
            return inputs["images"][:, ::8, ::8] * (1 - known) + 5

    model = model_of(keras.layers.GlobalAveragePooling2D(), Cameras())
    embeddings = embed_paths(model, paths)
    maps = similarity_maps(model, paths, embeddings)
    assert maps.shape == (3, 4, 2)
    assert maps.sum(axis=(1, 2)) == pytest.approx(1, abs=1e-3)


def test_a_class_token_has_no_positions(paths):
    images = keras.Input((*SIZE, 3))
    token = keras.layers.Reshape((1, 1, 3))(keras.layers.GlobalAveragePooling2D()(images))
    model = model_of(layers.IdentityPooling2D(), keras.Model(images, token))
    with pytest.raises(UserError, match="no feature map with positions, such as a transformer's class token"):
        similarity_maps(model, paths, embed_paths(model, paths))


def test_heat_is_lighter_where_there_is_more():
    image = Image.new("RGB", (40, 20), (100, 100, 100))
    drawn = np.asarray(draw_heat(image, np.array([[-1.0, 0.5, 2.0]]), largest=2.0)).astype(int)
    left, middle, right = drawn[10, 2].sum(), drawn[10, 20].sum(), drawn[10, 37].sum()
    assert left < middle < right
    assert drawn.shape == (20, 40, 3)
    paler = np.asarray(draw_heat(image, np.array([[-1.0, 0.5, 2.0]]), largest=8.0)).astype(int)
    assert paler[10, 37].sum() < right
