import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.data import IdentitySampler, ReIDDataset, Sample
from keras_reid.data.augmentation import Flip, RandomErasing
from keras_reid.data.pipeline import train_batches
from keras_reid.embedding import embed_paths
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import CrossEntropy
from keras_reid.models import Distiller, ReIDModel
from keras_reid.training import TeacherOutputs, teacher_outputs
from keras_reid.utils.errors import UserError
from tests.data.images import write_image
from tests.harness import randomize


def make_model(classes=4, size=(16, 8), seed=0):
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(6, 3, strides=2, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
        ],
        name="backbone",
    )
    model = ReIDModel(backbone, GeMPooling2D(name="gem"), BNNeckHead(classes, name="head"), image_size=size)
    randomize(model, seed)
    return model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return ReIDDataset(
        "mine",
        train=[
            Sample(
                write_image(folder / f"{identity}_{camera}.jpg", seed=10 * identity + camera),
                identity,
                camera,
            )
            for identity in range(4)
            for camera in range(3)
        ],
    )


@pytest.fixture(scope="module")
def paths(dataset):
    return [sample.path for sample in dataset.train]


@pytest.fixture
def computed(monkeypatch):
    """How often a teacher was asked."""
    calls = []
    before = teacher_outputs._compute

    def compute(teacher, paths, files, *arguments):
        calls.append(sorted(files))
        before(teacher, paths, files, *arguments)

    monkeypatch.setattr(teacher_outputs, "_compute", compute)
    return calls


def test_holds_what_each_teacher_gives_for_the_images_as_they_are(paths, tmp_path):
    teachers = [make_model(seed=1), make_model(classes=5, size=(24, 12), seed=2)]
    outputs = TeacherOutputs.of(teachers, paths, tmp_path, batch_size=5)
    labels = outputs(tf.constant([7, 0, 7]))
    assert list(labels) == ["teachers"]
    for teacher, found in zip(teachers, labels["teachers"], strict=True):
        embeddings = embed_paths(teacher, paths)
        np.testing.assert_allclose(found["embedding"], embeddings[[7, 0, 7]], rtol=1e-4, atol=1e-4)
        assert found["scores"].shape == (3, teacher.head.num_classes)
        assert found["scores"].dtype == "float32"
        scores = teacher.head.classifier(embeddings)
        np.testing.assert_allclose(found["scores"], np.array(scores)[[7, 0, 7]], rtol=1e-4, atol=1e-4)


def test_computes_once_and_only_what_is_missing(paths, tmp_path, computed):
    teacher = make_model()
    first = TeacherOutputs.of([teacher], paths, tmp_path, outputs=("embedding",))
    assert set(first.arrays[0]) == {"embedding"}
    TeacherOutputs.of([teacher], paths, tmp_path)
    again = TeacherOutputs.of([teacher], paths, tmp_path)
    assert computed == [["embedding"], ["scores"]]
    np.testing.assert_array_equal(again.arrays[0]["embedding"], first.arrays[0]["embedding"])
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".npy", ".npy"]


def test_tells_teachers_and_images_apart(paths, tmp_path, monkeypatch):
    asked = []

    def compute(teacher, paths, files, *arguments):
        asked.append(files)
        for file in files.values():
            np.save(file, np.zeros((len(paths), 3), "float32"))

    monkeypatch.setattr(teacher_outputs, "_compute", compute)

    def of(teacher, images=paths):
        TeacherOutputs.of([teacher], images, tmp_path, outputs=("embedding",))
        return len(asked)

    moved = make_model()
    moved.backbone.layers[-1].moving_mean.assign_add([1.0] * 6)
    different = [(make_model(),), (make_model(seed=1),), (make_model(size=(18, 8)),), (moved,)]
    different += [(make_model(), paths[::-1]), (make_model(), paths[:5])]
    assert [of(*one) for one in different] == [1, 2, 3, 4, 5, 6]
    same = make_model()
    same.metadata["threshold"] = 0.3  # which changes no output
    assert of(same) == 6


def test_an_interrupted_one_is_not_taken_for_whole(paths, tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(teacher_outputs, "test_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        TeacherOutputs.of([make_model()], paths, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_full_disk(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_outputs, "free_bytes", lambda folder: 100)
    with pytest.raises(UserError, match=r"for 12 images take 0\.0 MB, and 0\.0 MB are free in .*larger disk"):
        TeacherOutputs.of([make_model()], paths, tmp_path)


def test_a_disk_that_fills_up_is_an_error_and_does_not_kill(paths, tmp_path, monkeypatch):
    """The room is taken before the file is mapped: writing into a hole of a full disk is a SIGBUS."""

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_reid.utils.full_disk.os.posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: .*-(scores|embedding)\.npy"):
        TeacherOutputs.of([make_model()], paths, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"no array",
        np.zeros((12, 4)),  # float64
        *(
            pytest.param(content, marks=pytest.mark.medium)
            for content in (
                b"",
                np.zeros((11, 4), np.float32),
                np.zeros(12, np.float32),
                np.array([None] * 12),
            )
        ),
    ],
)
def test_what_is_damaged_is_computed_anew(paths, tmp_path, content, capsys):
    expected = TeacherOutputs.of([make_model()], paths, tmp_path)
    (file,) = tmp_path.glob("*-scores.npy")
    right = np.array(expected.arrays[0]["scores"])
    file.unlink()
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content)
    again = TeacherOutputs.of([make_model()], paths, tmp_path)
    np.testing.assert_array_equal(again.arrays[0]["scores"], right)
    assert f"{file} is damaged and will be written again" in capsys.readouterr().out


@pytest.mark.parametrize("block", [5, 4096])
def test_accuracies(monkeypatch, block):
    monkeypatch.setattr(teacher_outputs, "_BLOCK", block)
    scores = np.eye(4, dtype="float32")[np.arange(12) % 4]
    outputs = TeacherOutputs([{"scores": scores}, {"scores": np.roll(scores, 1, axis=0)}])
    assert outputs.accuracies(np.arange(12) % 4) == [1, 0]
    assert outputs.accuracies(np.zeros(12, int)) == [0.25, 0.25]


def test_each_image_of_a_batch_gets_its_own(dataset, paths, tmp_path):
    teacher = make_model()
    outputs = TeacherOutputs.of([teacher], paths, tmp_path)
    augmentation = (Flip(), RandomErasing(probability=1.0))
    sampler, size = IdentitySampler(2, 2), (16, 8)
    common = {"seed": 3, "epochs": 2}
    batches, steps = train_batches(dataset, sampler, size, augmentation, more_labels=outputs, **common)
    plain, _ = train_batches(dataset, sampler, size, augmentation, **common)
    identities, cameras, _ = dataset.train_labels()
    count = 0
    for (images, labels), (same_images, same_labels) in zip(batches, plain, strict=True):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(labels["identity"], same_labels["identity"])
        places = [
            int(np.flatnonzero((identities == identity) & (cameras == camera))[0])
            for identity, camera in zip(labels["identity"], labels["camera"], strict=True)
        ]
        for name, array in outputs.arrays[0].items():
            np.testing.assert_array_equal(labels["teachers"][0][name], array[places])
        count += 1
    assert count == 2 * steps
    # The second of two workers gets the second half.
    part, _ = train_batches(dataset, sampler, size, augmentation, more_labels=outputs, part=(1, 2), **common)
    whole, half = (next(iter(each))[1]["teachers"][0]["scores"] for each in (batches, part))
    np.testing.assert_array_equal(half, whole[2:])


def test_a_student_learns_from_them(dataset, paths, tmp_path):
    outputs = TeacherOutputs.of([make_model(seed=1)], paths, tmp_path)
    batches, steps = train_batches(
        dataset, IdentitySampler(2, 2), (16, 8), (Flip(),), epochs=3, more_labels=outputs
    )
    distiller = Distiller(make_model())
    distiller.compile(keras.optimizers.Adam(0.01), losses=[CrossEntropy()])
    history = distiller.fit(batches, epochs=3, steps_per_epoch=steps, verbose=0, shuffle=False).history
    assert history["logit_distillation"][-1] < history["logit_distillation"][0]
