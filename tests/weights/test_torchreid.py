"""torchreid's OSNets as whole models.

The golden values in `tests/golden/models/torchreid_*.json` are those of torchreid's own classes in PyTorch 2.13 on a
CPU: the network was made as the file's "source" says, its weights were set to `golden._weight(name, shape)` and it was
called, in evaluation, on `golden.images` with ImageNet's mean and deviation.
"""

import os
import pathlib

import numpy as np
import pytest

from keras_reid.checkpoints import read_state_dict
from keras_reid.heads import FullyConnectedHead
from keras_reid.layers import LinearClassifier
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_torchreid, build_whole_model
from keras_reid.weights.torchreid import _targets
from tests import golden

TOLERANCE = 1e-5  # relative L2 error; measured: 2e-6
CLASSES = 9


def empty_model(backbone):
    import keras

    from keras_reid.models import ReIDModel

    head = FullyConnectedHead(CLASSES, LinearClassifier(CLASSES, use_bias=True))
    return ReIDModel(backbone, keras.layers.GlobalAveragePooling2D(), head, (64, 32))


def ain_state():
    """An OSNet-AIN as torchreid saves it, `(state dict, what is expected of it)`."""
    from keras_reid.backbones import OSNetAIN

    expected = golden.load("torchreid_osnet_ain_x0_25")
    return golden.state_of_targets(expected, _targets(empty_model(OSNetAIN(0.25)), True)), expected


@pytest.fixture(scope="module")
def ain():
    return ain_state()


def check(model, state, expected):
    embedding = np.asarray(model(golden.images(expected), training=False))
    assert list(embedding.shape) == expected["embedding_shape"]
    assert golden.relative_error(embedding[:, :64], expected["embedding_first_64"]) < TOLERANCE
    norms = np.linalg.norm(embedding, axis=1)
    assert golden.relative_error(norms, expected["embedding_l2_norms"]) < TOLERANCE
    np.testing.assert_array_equal(np.asarray(model.head.classifier.bias), state["classifier.bias"])
    np.testing.assert_array_equal(np.asarray(model.head.classifier.kernel).T, state["classifier.weight"])


def test_osnet_ain(ain):
    state, expected = ain
    model = build_whole_model({f"module.{name}": value for name, value in state.items()})
    assert type(model.backbone).__name__ == "OSNetAIN"
    assert (model.backbone.width, model.image_size, model.head.num_classes) == (0.25, (256, 128), CLASSES)
    assert model.metadata["provenance"] == {"source": "torchreid", "file": None, "interpolation": "bilinear"}
    check(model, state, expected)


@pytest.mark.medium
def test_osnet_ibn():
    from keras_reid.backbones import OSNet

    expected = golden.load("torchreid_osnet_ibn_x0_25")
    state = golden.state_of_targets(expected, _targets(empty_model(OSNet(0.25, ibn=True)), True))
    model = build_torchreid(state, image_size=(64, 32))
    assert model.backbone.ibn
    assert model.image_size == (64, 32)
    check(model, state, expected)


@pytest.mark.medium
def test_without_classifier(ain):
    state, expected = ain
    state = {name: value for name, value in state.items() if not name.startswith("classifier")}
    model = build_torchreid(state)
    assert model.head.num_classes == 1
    embedding = np.asarray(model(golden.images(expected), training=False))
    assert golden.relative_error(embedding[:, :64], expected["embedding_first_64"]) < TOLERANCE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc.1.running_mean"), "not those of an OSNet with torchreid's embedding"),
        (lambda state: state.update({"conv1.conv.weight": np.zeros((20, 3, 7, 7))}), "Received: 20 channels"),
        (lambda state: state.update({"fc.0.bias": np.zeros(0)}), "no values under 'fc.0.bias'"),
    ],
    ids=["no embedding", "other width", "no values"],
)
def test_other_networks_are_refused(change, message):
    state = {
        "conv1.conv.weight": np.zeros((16, 3, 7, 7)),
        "conv2.0.conv2d.3.conv2.weight": np.zeros((16, 1, 3, 3)),
        "fc.0.weight": np.zeros((512, 128)),
        "fc.1.running_mean": np.zeros(512),
    }
    change(state)
    with pytest.raises(UserError, match=message):
        build_torchreid(state)


@pytest.mark.medium
def test_a_weight_too_many_is_refused(ain):
    state = {**ain[0], "fc.3.weight": np.zeros((4, 4))}
    with pytest.raises(UserError, match=r"do not fit each other: (?s:.*)unused: fc\.3\.weight"):
        build_torchreid(state)


def test_a_config_is_of_fastreid():
    state = dict.fromkeys(["conv1.conv.weight", "fc.0.weight", "fc.1.running_mean"], np.zeros(1))
    with pytest.raises(UserError, match=r"config goes with FastReID's files only.*have torchreid's names"):
        build_whole_model(state, {"MODEL": {}})
    with pytest.raises(
        UserError, match="no whole model of FastReID, torchreid or TransReID: they have no head"
    ):
        build_whole_model({"conv1.weight": np.zeros(1)})


# Two published files, of 2.5 and 3.1 MB. From PyTorch 2.13 with torchreid's own class: the first values and the length
# of the embeddings of `golden.images`, 2 × 256 × 128.
PUBLISHED = {
    "osnet_x0_25_market1501": (
        [
            [1.754772, 0.0, 4.046515, 1.099778, 0.0, 1.473165],
            [1.256732, 0.0, 4.113314, 1.133625, 0.0, 1.729542],
        ],
        [26.99667, 27.149252],
        751,
    ),
    "osnet_x0_25_msmt17": (
        [
            [0.677448, 0.000116, 1.814514, 2.690541, 0.134712, 0.0],
            [0.821636, 0.000084, 2.175317, 3.273335, 0.190357, 0.0],
        ],
        [30.577744, 30.438981],
        1041,
    ),
}


@pytest.mark.medium
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files(name):
    file = pathlib.Path(os.environ.get("KERAS_REID_ZOO_FILES", "")) / f"{name}.pth"
    if not file.is_file():
        pytest.skip(f"set KERAS_REID_ZOO_FILES to the folder with {name}.pth of KaiyangZhou's model zoo")
    first, norms, classes = PUBLISHED[name]
    model = build_torchreid(file)
    embedding = model.predict(golden.images({"input_shape_nhwc": (2, 256, 128, 3)}), verbose=0)
    np.testing.assert_allclose(embedding[:, :6], first, rtol=1e-5, atol=2e-6)
    assert golden.relative_error(np.linalg.norm(embedding, axis=1), norms) < 1e-6
    assert model.head.num_classes == classes
    assert model.metadata["provenance"]["file"] == f"{name}.pth"
    kernel = read_state_dict(file)
    kernel = next(value for key, value in kernel.items() if key.endswith("classifier.weight"))
    np.testing.assert_array_equal(np.asarray(model.head.classifier.kernel).T, kernel)
