import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.data import IdentitySampler, ReIDDataset, Sample, ShuffleSampler
from keras_reid.data.augmentation import AutoAugment, Flip, PadCrop, RandomErasing
from keras_reid.data.pipeline import test_batches as embedding_batches
from keras_reid.data.pipeline import train_batches
from keras_reid.utils.errors import UserError
from tests.data.images import write_image

SEVERAL = (PadCrop(2), Flip(), RandomErasing())
# AutoAugment's operations take seconds to trace.
EVERYTHING = pytest.param((AutoAugment(0.5), *SEVERAL), marks=pytest.mark.medium)
SIZE = (20, 10)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    samples = [
        Sample(
            write_image(folder / f"{identity}_{camera}.jpg", seed=10 * identity + camera), identity, camera
        )
        for identity in range(8)
        for camera in range(3)
    ]
    return ReIDDataset("mine", train=samples)


def _batches(dataset, augmentation=SEVERAL, sampler=IdentitySampler(3, 2), **arguments):  # noqa: B008
    batches, steps = train_batches(dataset, sampler, SIZE, augmentation, **arguments)
    return list(batches.as_numpy_iterator()), steps


def _same(one, other):
    images = all(np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True))
    return images and all(
        np.array_equal(a[1][key], b[1][key]) for a, b in zip(one, other, strict=True) for key in a[1]
    )


def test_batches_without_augmentation_hold_the_right_images(dataset):
    sampler = IdentitySampler(3, 2)
    batches, steps = _batches(dataset, augmentation=(), sampler=sampler, seed=4)
    places = sampler(dataset.train_labels()[0], None, seed=4, epoch=0)
    assert steps == len(batches) == len(places) == 4
    for (images, labels), expected in zip(batches, places, strict=True):
        assert images.dtype == np.uint8
        assert images.shape == (6, *SIZE, 3)
        np.testing.assert_array_equal(labels["identity"], expected // 3)
        np.testing.assert_array_equal(labels["camera"], expected % 3)
        assert labels["identity"].dtype == labels["camera"].dtype == np.int32
        for image, place in zip(images, expected, strict=True):
            pillow = Image.open(dataset.train[place].path).resize(SIZE[::-1], Image.Resampling.BICUBIC)
            assert np.abs(image.astype(int) - np.asarray(pillow)).max() <= 1


def test_shapes_are_static(dataset):
    batches, _ = train_batches(dataset, ShuffleSampler(5), SIZE, SEVERAL)
    images, labels = batches.element_spec
    assert images.shape == (5, *SIZE, 3)
    assert labels["identity"].shape == labels["camera"].shape == (5,)


@pytest.mark.parametrize("augmentation", [SEVERAL, EVERYTHING])
def test_runs_repeat_and_resume_to_the_bit_and_epochs_differ(dataset, augmentation):
    whole, steps = _batches(dataset, augmentation, seed=7, epochs=3)
    resumed, _ = _batches(dataset, augmentation, seed=7, epochs=3, first_epoch=1)
    assert len(whole) == 3 * steps
    assert len(resumed) == 2 * steps
    assert _same(whole[steps:], resumed)
    assert not _same(whole[:steps], whole[steps : 2 * steps])


def test_seeds_differ(dataset):
    flips = [_batches(dataset, [Flip()], ShuffleSampler(24), seed=seed)[0][0][0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(flips[0], flips[1])
    assert (flips[0] != flips[2]).any()


def test_a_run_resumes_in_the_middle_of_an_epoch_to_the_bit(dataset):
    class Noise:
        stage = "image"

        def __call__(self, image, seed):
            return tf.cast(image, tf.float32) + tf.random.stateless_normal(tf.shape(image), seed, stddev=9.0)

    def batches(**arguments):
        augmentation = [Noise(), PadCrop(1), keras.layers.RandomFlip()]
        return _batches(dataset, augmentation, ShuffleSampler(4), seed=7, epochs=2, **arguments)

    whole, steps = batches()
    resumed, same_steps = batches(first_step=2)
    assert steps == same_steps == 6
    assert len(resumed) == 2 * steps - 2
    assert _same(whole[2:], resumed)


@pytest.mark.parametrize(
    "augmentation", [SEVERAL, EVERYTHING, pytest.param([keras.layers.RandomFlip()], marks=pytest.mark.medium)]
)
def test_the_parts_together_are_the_batch(dataset, augmentation):
    def batches(**arguments):
        return _batches(
            dataset, augmentation, IdentitySampler(3, 2), seed=7, epochs=2, first_step=1, **arguments
        )

    whole, steps = batches()
    parts = [batches(part=(index, 3)) for index in range(3)]
    assert [part_steps for _, part_steps in parts] == [steps] * 3
    assert all(images.shape[0] == 2 for part, _ in parts for images, _ in part)
    joined = [
        tf.nest.map_structure(lambda *pieces: np.concatenate(pieces), *of_step)
        for of_step in zip(*(part for part, _ in parts), strict=True)
    ]
    assert _same(whole, joined)


def test_a_part_reads_its_own_images_only(dataset):
    """Unless a whole batch must be seen."""
    taken = []

    class Noted:
        stage = "image"

        def __call__(self, image, seed):
            tf.py_function(lambda: taken.append(1), [], [])
            return image

    places = np.arange(6, dtype=np.int32).reshape(1, 6)
    for augmentation, images in (([Noted()], 2), ([Noted(), Flip()], 6)):
        taken.clear()
        _batches(dataset, augmentation, lambda *_, **options: places, part=(2, 3))
        assert len(taken) == images


def test_a_batch_that_has_no_such_parts(dataset):
    with pytest.raises(UserError, match="a batch of 6 images has no 4 equal parts"):
        train_batches(dataset, IdentitySampler(3, 2), SIZE, part=(0, 4))


@pytest.mark.parametrize("bad", [-1, 6])
def test_an_epoch_has_no_such_step(dataset, bad):
    with pytest.raises(
        UserError, match=f"`first_step` must be 0 … 5, a step of the epoch; .* Received: {bad}"
    ):
        train_batches(dataset, ShuffleSampler(4), SIZE, first_step=bad)


def test_each_epoch_is_drawn_once_and_a_sampler_may_ask_for_names(dataset):
    drawn = []

    def sampler(identities, cameras, *, seed, epoch, names):
        assert names == [str(identity) for identity in range(8)]
        drawn.append((seed, epoch))
        return np.arange(8).reshape(2, 4)

    assert len(_batches(dataset, (), sampler, seed=3, epochs=4, first_epoch=1)[0]) == 6
    assert drawn == [(3, 1), (3, 2), (3, 3)]


def test_augmentation_happens_in_order_and_is_rounded(dataset):
    plain = _batches(dataset, augmentation=())[0]
    flipped = _batches(dataset, augmentation=[Flip(1.0)])[0]
    np.testing.assert_array_equal(flipped[0][0], plain[0][0][:, :, ::-1])

    def brighter(images, seed):
        assert seed.shape == (2,)
        return tf.cast(images, tf.float32) + 20.6

    shifted = _batches(dataset, augmentation=[brighter, Flip(1.0)])[0]
    expected = np.minimum(plain[0][0].astype(int) + 21, 255)
    np.testing.assert_array_equal(shifted[0][0], expected[:, :, ::-1])


def test_an_image_augmentation_sees_the_image_before_it_is_resized(dataset):
    class Half:
        stage = "image"

        def __call__(self, image, seed):
            tf.debugging.assert_equal(tf.shape(image), (16, 8, 3))
            return image[:8]

    assert _batches(dataset, augmentation=[Half()])[0][0][0].shape == (6, *SIZE, 3)


def test_a_users_function_may_be_written_with_if(dataset):
    def sometimes(images, seed):
        if tf.random.stateless_uniform((), seed) < 0.5:
            images = tf.zeros_like(images)
        return images

    black = [not images.any() for images, _ in _batches(dataset, augmentation=[sometimes], epochs=4)[0]]
    assert any(black)
    assert not all(black)


@pytest.mark.parametrize(
    "layer",
    [
        "RandomFlip",
        pytest.param("RandomBrightness", marks=pytest.mark.medium),
        pytest.param("RandAugment", marks=pytest.mark.slow),
    ],
)
def test_keras_layers_take_part_and_resume(dataset, layer):
    def augmentation():
        arguments = {"factor": 0.5} if layer == "RandomBrightness" else {}
        return [PadCrop(1), getattr(keras.layers, layer)(**arguments)]

    whole, steps = _batches(dataset, augmentation=augmentation(), seed=7, epochs=2)
    resumed, _ = _batches(dataset, augmentation=augmentation(), seed=7, epochs=2, first_epoch=1)
    assert _same(whole[steps:], resumed)
    assert not _same(whole, _batches(dataset, augmentation=[PadCrop(1)], seed=7, epochs=2)[0])
    assert not _same(whole[:steps], whole[steps:])


def test_mistakes(dataset):
    with pytest.raises(
        UserError, match=r"an augmentation must be a Keras layer or a callable.*Received: 'flip'"
    ):
        train_batches(dataset, ShuffleSampler(4), SIZE, ["flip"])
    with pytest.raises(UserError, match="an augmentation must be"):
        train_batches(dataset, ShuffleSampler(4), SIZE, [Flip])
    with pytest.raises(UserError, match=r"`image_size` must be \(height, width\)"):
        train_batches(dataset, ShuffleSampler(4), (20, 0))
    with pytest.raises(UserError, match="needs 16 identities"):
        train_batches(dataset, IdentitySampler(), SIZE)


def test_test_batches_keep_the_order(dataset):
    paths = [sample.path for sample in dataset.train[:7]]
    batches = list(embedding_batches(paths, SIZE, batch_size=3))
    assert [len(images) for images in batches] == [3, 3, 1]
    assert batches[0].dtype == tf.uint8
    again = np.concatenate(list(embedding_batches(paths[::-1], SIZE)))
    np.testing.assert_array_equal(np.concatenate(batches), again[::-1])
    with pytest.raises(UserError, match="`image_size` must be"):
        embedding_batches(paths, (20,))
