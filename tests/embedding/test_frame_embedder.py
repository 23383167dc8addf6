import json
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

from keras_reid.data.resizing import resize_array
from keras_reid.embedding import Embedder, FrameEmbedder
from keras_reid.embedding.pillow_reader import PillowReader
from keras_reid.utils.errors import UserError
from tests.data.images import random_image

BACKENDS = ("keras", "savedmodel", "onnx", "litert")
RGB = np.asarray(random_image(90, 160, seed=3))
FRAME = np.ascontiguousarray(RGB[..., ::-1])
BOXES = np.array([[10.4, 20, 40.2, 80], [-5, 3, 30, 95.5], [70, 10, 70, 40], [200, 10, 230, 40]], np.float32)


class MeanColours(Embedder):
    """Embeds an image as its mean colour, red, green and blue."""

    def __init__(self):
        self.image_size, self.dim, self.seen = (32, 16), 3, []

    def __call__(self, images):
        self.seen.append(images)
        colours = images.reshape(len(images), 32 * 16, 3).mean(1).astype(np.float32)
        return colours / np.maximum(np.linalg.norm(colours, axis=1, keepdims=True), 1e-12)


@pytest.fixture
def plug():
    return FrameEmbedder(MeanColours())


def test_a_row_for_each_box(plug):
    embeddings = plug.embed(FRAME, BOXES)
    assert (embeddings.shape, embeddings.dtype, plug.dim) == ((4, 3), np.float32, 3)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    expected = PillowReader((32, 16))(np.ascontiguousarray(RGB[20:80, 10:41]))
    np.testing.assert_array_equal(plug.embedder.seen[0][0], expected)


def test_channels(plug):
    expected = plug.embed(FRAME, BOXES)
    np.testing.assert_array_equal(FrameEmbedder(MeanColours(), bgr=False).embed(RGB, BOXES), expected)
    grey = plug.embed(FRAME[..., 0], BOXES)
    np.testing.assert_allclose(grey, np.full((4, 3), 3**-0.5), atol=1e-6)


def test_each_name_gives_the_same(plug):
    expected = plug.embed(FRAME, BOXES)
    np.testing.assert_array_equal(plug.get_features(BOXES, FRAME), expected)
    np.testing.assert_array_equal(plug.embed(FRAME, boxes=BOXES.tolist()), expected)
    np.testing.assert_array_equal(plug.extract_embeddings(types.SimpleNamespace(xyxy=BOXES), FRAME), expected)
    crops = [FRAME[20:80, 10:41], FRAME[3:, :30]]
    features = plug.predict(iter(crops))
    assert isinstance(features, list)
    np.testing.assert_array_equal(features, expected[:2])


def test_no_boxes(plug):
    for boxes in ([], np.empty((0, 4), np.float32)):
        assert plug.get_features(boxes, FRAME).shape == (0, 3)
    assert plug.extract_embeddings(types.SimpleNamespace(xyxy=np.empty((0, 4))), FRAME).shape == (0, 3)
    assert plug.predict([]) == []


def test_errors_name_the_crop(plug):
    with pytest.raises(UserError, match=r"np_images\[1\] must have pixels. Received: shape \(0, 5, 3\)"):
        plug.predict([FRAME, FRAME[:0, :5]])
    with pytest.raises(UserError, match=r"the frame must be uint8"):
        plug.embed(FRAME / 255, BOXES)
    with pytest.raises(UserError, match="an Embedder needs a loaded ReIDModel"):
        FrameEmbedder(object())


class BoxmotTracker:
    """Stands in for a tracker of boxmot, written from its documentation alone: boxmot is AGPL-3 and never installed.

    Its `reid_model` has `get_features(xyxys, img)`: boxes `(n, 4)` of an image in BGR → unit features `(n, dim)`.
    `update(dets, img, embs)` takes detections `(n, 6)`, left, top, right, bottom, confidence, class, and gives rows of
    box, id, confidence, class, place in `dets`.
    """

    def __init__(self, reid_model):
        self.model, self.known = reid_model, []

    def update(self, dets, img, embs=None):
        features = self.model.get_features(dets[:, 0:4], img) if embs is None else embs
        assert isinstance(features, np.ndarray)
        assert features.dtype == np.float32
        assert len(features) == len(dets)
        rows = []
        for place, feature in enumerate(features / np.linalg.norm(features, axis=1, keepdims=True)):
            likeness = [feature @ other for other in self.known]
            if likeness and max(likeness) > 0.99:
                identity = int(np.argmax(likeness))
            else:
                identity = len(self.known)
                self.known.append(feature)
            rows.append([*dets[place, :4], identity + 1, *dets[place, 4:], place])
        return np.array(rows).reshape(-1, 8)


def two_frames():
    """A red and a green object that change places; frames in BGR, detections `(2, 6)` of each."""
    first, second = np.zeros((2, 90, 160, 3), np.uint8)
    left, right = [10, 20, 40, 80, 0.9, 0], [100, 20, 130, 80, 0.8, 0]
    first[20:80, 10:40], first[20:80, 100:130] = (0, 0, 200), (0, 200, 0)
    second[20:80, 10:40], second[20:80, 100:130] = (0, 200, 0), (0, 0, 200)
    return (first, np.array([left, right])), (second, np.array([left, right]))


def test_a_tracker_as_boxmot_documents_it(plug):
    tracker = BoxmotTracker(reid_model=plug)
    (first, detections), (second, _) = two_frames()
    assert tracker.update(detections, first)[:, 4].tolist() == [1, 2]
    assert tracker.update(detections, second)[:, 4].tolist() == [2, 1]
    assert tracker.update(np.empty((0, 6)), first).shape == (0, 8)
    embeddings = plug.embed(first, boxes=detections[:, :4])
    assert tracker.update(detections, first, embeddings)[:, 4].tolist() == [1, 2]


@pytest.mark.medium
def test_the_detections_of_supervision(plug):
    supervision = pytest.importorskip("supervision", reason="it is not installed: requirements.txt pins it")
    detections = supervision.Detections(xyxy=BOXES)
    embeddings = plug.extract_embeddings(detections, FRAME)
    np.testing.assert_array_equal(embeddings, plug.embed(FRAME, BOXES))
    detections.data["embedding"] = embeddings
    np.testing.assert_array_equal(detections[[2, 0]].data["embedding"], embeddings[[2, 0]])
    assert plug.extract_embeddings(supervision.Detections.empty(), FRAME).shape == (0, 3)


@pytest.mark.medium
def test_the_tracker_of_deep_sort_realtime(plug):
    deepsort = pytest.importorskip(
        "deep_sort_realtime.deepsort_tracker",
        reason="needs OpenCV, 70 MB: pip install deep-sort-realtime==1.3.2 opencv-python-headless",
    )
    tracker = deepsort.DeepSort(embedder=None, n_init=1)
    tracker.embedder = plug
    frame, detections = two_frames()[0]
    found = [([*box[:2], *(box[2:4] - box[:2])], box[4], "person") for box in detections]
    for _ in range(3):  # a box without area is left out by the tracker
        tracks = tracker.update_tracks([([5, 5, 0, 0], 0.5, "person"), *found], frame=frame)
    assert len(tracks) == 2
    known = [samples[-1] for samples in tracker.tracker.metric.samples.values()]
    np.testing.assert_array_equal(known, plug.embed(frame, detections[:, :4]))
    assert len(tracker.update_tracks([], frame=frame)) == 2


@pytest.mark.medium
def test_each_back_end_gives_the_embedders_embeddings(artefacts, model):
    crops = [RGB[20:80, 10:41], RGB[3:, :30], RGB[10:40, 70:71], RGB[10:40, 159:]]
    exactly = np.stack([resize_array(np.ascontiguousarray(crop), model.image_size) for crop in crops])
    for name in BACKENDS:
        embedder = Embedder(model if name == "keras" else getattr(artefacts, name))
        plug = FrameEmbedder(embedder)
        assert (plug.embedder, plug.dim) == (embedder, 8)
        embeddings = plug.embed(FRAME, BOXES)
        np.testing.assert_allclose(embeddings, embedder(exactly), atol=1e-3, err_msg=name)
        by_pillow = embedder([np.ascontiguousarray(crop) for crop in crops])
        np.testing.assert_allclose(embeddings, by_pillow, atol=1e-6 if name in ("onnx", "litert") else 1e-3)


ALONE = """
import json, sys

class Absent:  # as if neither were installed
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import numpy as np
from PIL import Image
from keras_reid.embedding import FrameEmbedder

plug = FrameEmbedder(sys.argv[1])
frame = np.asarray(Image.open(sys.argv[2]))[..., ::-1]
embeddings = plug.get_features(np.array(json.loads(sys.argv[3])), frame)
files = plug.embedder([sys.argv[2]])
loaded = [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras")]
print(json.dumps({"embeddings": embeddings.tolist(), "file": files.shape, "loaded": loaded}))
"""


@pytest.mark.medium
@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_neither_tensorflow_nor_keras_is_in_the_process(artefacts, name, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "frame.png")
    command = [sys.executable, "-c", ALONE, str(getattr(artefacts, name)), str(tmp_path / "frame.png")]
    process = subprocess.run([*command, json.dumps(BOXES.tolist())], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    answer = json.loads(process.stdout)
    assert (answer["loaded"], answer["file"]) == ([], [1, 8])
    np.testing.assert_allclose(
        answer["embeddings"], FrameEmbedder(getattr(artefacts, name)).embed(FRAME, BOXES), atol=1e-6
    )
