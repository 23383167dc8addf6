"""The `tf.data` pipelines of training and evaluation."""

import functools
import os

import numpy as np
import tensorflow as tf

from keras_reid.data.decoding import read_image
from keras_reid.data.resizing import resize_image
from keras_reid.data.samplers.contract import draw_batches
from keras_reid.utils.errors import UserError

_AHEAD = 2  # batches to embed that wait for the model; a number that TensorFlow finds itself has no bound


def train_batches(
    dataset,
    sampler,
    image_size,
    augmentation=(),
    seed=0,
    epochs=1,
    first_epoch=0,
    first_step=0,
    pixels=None,
    part=(0, 1),
    more_labels=None,
):
    """Batches of training images, epoch after epoch.

    Read and decode (or take from the cache), augmentations of stage "image", resize, batch, augmentations of
    stage "batch", prefetch. Every random operation is stateless and keyed by (seed, epoch, place in the epoch, place in
    `augmentation`). So the order of parallel work does not matter, and the batches from `first_step` of
    `first_epoch` on are, bit for bit, those of a run that began at 0.

    Decoding was checked before, if `keras_reid.data.unreadable.check_images` ran; if a file has become
    unreadable since, the error says what is wrong with it but not which file it is.

    Args:
        dataset: a `ReIDDataset` with a training part.
        sampler: one of `keras_reid.data.samplers`, or a callable of the same form: `sampler(identities, cameras, seed=,
            epoch=)` → int32 `(steps, batch)`, the places of an epoch's images in the training part; the shape must be
            the same for every epoch.
        image_size: `(height, width)` in pixels.
        augmentation: in order, those of `keras_reid.data.augmentation`, callables `(images, seed)` or Keras
            layers. With a Keras layer batches are augmented one by one, and its random state is set for each
            of them.
        seed: non-negative integer.
        epochs: the epoch to stop before, as in Keras' `fit`: `epochs − first_epoch` epochs are given.
        first_epoch: the epoch to begin with, as `initial_epoch` in Keras' `fit`.
        first_step: the step of that epoch to begin with, to resume in its middle: so many batches fewer are given.
        pixels: a `PixelCache` of the training part; None reads and decodes each file when its turn comes.
        part: `(index, count)`: of each batch the `index`-th of `count` equal parts, for one of several workers. Only
            its images are read, unless an augmentation of stage "batch" must see the whole batch to draw the same.
        more_labels: what else an image has by its place in the training part: called with places int32 `(batch,)` in a
            graph, it returns a dict that is added to the labels, as `training.TeacherOutputs` does.

    Returns:
        a `tf.data.Dataset` of `(images, labels)`, images uint8 `(batch, height, width, 3)` RGB, labels
        `{"identity": int32 (batch,), "camera": int32 (batch,)}`, class numbers as `dataset.train_labels()`;
        and the number of batches an epoch.

    Raises:
        UserError: if an augmentation or the size is none, an epoch has no step `first_step`, or the data set or the
            sampler has an objection.

    Example:
        >>> batches, steps = train_batches(dataset, IdentitySampler(), (256, 128), [Flip(), PadCrop()], epochs=60)
        >>> model.fit(batches, epochs=60, steps_per_epoch=steps)
    """
    image_size = _checked_size(image_size)
    on_images, on_batches = _stages(augmentation)
    identities, cameras, names = dataset.train_labels()
    paths = tf.constant([sample.path for sample in dataset.train])
    usual = _size_of_first(paths, pixels)

    @functools.lru_cache(maxsize=1)  # the first epoch's shape is needed before its batches
    def draw(epoch):
        return draw_batches(sampler, identities, cameras, names, seed=seed, epoch=epoch)

    steps, batch_size = draw(first_epoch).shape
    index, count = part
    part_size, left = divmod(batch_size, count)
    if left:
        raise UserError(
            f"a batch of {batch_size} images has no {count} equal parts: change the size of the batch"
        )
    part_of_batch = slice(index * part_size, (index + 1) * part_size)
    loaded = slice(0, batch_size) if on_batches else part_of_batch
    loaded_size = loaded.stop - loaded.start
    if not 0 <= first_step < steps:
        raise UserError(
            f"`first_step` must be 0 … {steps - 1}, a step of the epoch; after the last one, set first_epoch. "
            f"Received: {first_step}"
        )

    @tf.autograph.experimental.do_not_convert
    def one_epoch(epoch):
        places = tf.ensure_shape(
            tf.numpy_function(lambda epoch: draw(int(epoch)), [epoch], tf.int32), (steps, batch_size)
        )
        positions = tf.reshape(tf.range(steps * batch_size, dtype=tf.int64), (steps, batch_size))
        size = steps * loaded_size
        return (
            tf.fill((size,), epoch),
            tf.reshape(positions[:, loaded], (size,)),
            tf.reshape(places[:, loaded], (size,)),
        )

    @tf.autograph.experimental.do_not_convert  # converting takes longer than all other tracing
    def load(epoch, position, place):
        image = read_image(paths[place]) if pixels is None else pixels[place]
        for number, augment in on_images:
            image = _to_uint8(augment(image, _key(seed, epoch, position, number)))
        return epoch, position, place, resize_image(image, image_size, usual)

    @tf.autograph.experimental.do_not_convert
    def finish(epoch, position, place, images):
        for number, augment in on_batches:
            images = augment(images, _key(seed, epoch[0], position[0], number))
        images = tf.ensure_shape(_to_uint8(images), (loaded_size, *image_size, 3))
        if loaded_size > part_size:
            images, place = images[part_of_batch], place[part_of_batch]
        labels = {"identity": tf.gather(identities, place), "camera": tf.gather(cameras, place)}
        return images, labels if more_labels is None else {**labels, **more_labels(place)}

    in_parallel = {"num_parallel_calls": cores(), "deterministic": True}
    # The random state of a Keras layer is a variable, which parallel calls would share.
    one_by_one = any(isinstance(augment, _KerasLayer) for _, augment in on_batches)
    batches = (
        tf.data.Dataset.range(first_epoch, epochs)
        .map(one_epoch)
        .prefetch(1)
        .unbatch()
        .skip(first_step * loaded_size)
        .map(load, **in_parallel)
        .batch(loaded_size, drop_remainder=True)
        .map(finish, **({} if one_by_one else in_parallel))
        .prefetch(tf.data.AUTOTUNE)
    )
    return batches, steps


def test_batches(paths, image_size, batch_size=64):  # noqa: PT028
    """Batches of images to embed, in the order of `paths`, the last one smaller: read, decode, resize, batch.

    Memory does not grow with the number of images, but for their paths: at a time there are as many decoded images as
    processor cores, and four batches.

    Args:
        paths: image files.
        image_size: `(height, width)` in pixels.
        batch_size: images a batch.

    Returns:
        a `tf.data.Dataset` of uint8 `(batch, height, width, 3)` RGB.

    Example:
        >>> for images in test_batches(["a.jpg", "b.jpg"], (256, 128)):
        ...     print(images.shape)
        (2, 256, 128, 3)
    """
    return (
        tf.data.Dataset.from_tensor_slices(tf.constant([os.fsencode(path) for path in paths], tf.string))
        .map(_loader(_checked_size(image_size)), num_parallel_calls=cores(), deterministic=True)
        .batch(batch_size)
        .prefetch(_AHEAD)
    )


test_batches.__test__ = False  # for pytest, which goes by the name


@functools.lru_cache
def _loader(image_size):
    """Traced once for all data sets: that takes longer than to embed a few images."""

    def load(path):
        return resize_image(read_image(path), image_size)

    return tf.function(load, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)


class _KerasLayer:
    """Calls a Keras layer for one batch, with all its randomness taken from the seed that is given."""

    def __init__(self, layer):
        self.layer = layer
        self.states = [variable for variable in layer.variables if "seed_generator_state" in variable.path]

    def __call__(self, images, seed):
        for number, state in enumerate(self.states):
            state.assign(tf.cast(tf.random.experimental.stateless_fold_in(seed, number), state.dtype))
        return self.layer(images, training=True)


def _size_of_first(paths, pixels):
    """Many sets have images of one size, which are then resized faster; where a set has not, nothing is lost."""
    if pixels is not None:
        return tuple(pixels[0].shape[:2])
    try:
        return tuple(read_image(paths[0]).shape[:2])
    except tf.errors.OpError:  # said when its turn comes
        return None


def _stages(augmentation):
    """Augmentations of single images and of batches, each with its place in the list."""
    import keras

    on_images, on_batches = [], []
    for number, augment in enumerate(augmentation):
        if isinstance(augment, keras.layers.Layer):
            augment = _KerasLayer(augment)
        elif callable(augment) and not isinstance(augment, type) and not hasattr(augment, "stage"):
            augment = tf.function(augment)  # so that a user may write `if` and `for` on tensors
        stage = getattr(augment, "stage", "batch")
        if not callable(augment) or isinstance(augment, type) or stage not in ("image", "batch"):
            raise UserError(
                "an augmentation must be a Keras layer or a callable `(images, seed)`, with `stage` 'image' "
                f"or 'batch' if it has one. Received: {augment!r}"
            )
        (on_images if stage == "image" else on_batches).append((number, augment))
    return on_images, on_batches


def _key(seed, epoch, position, number):
    """A seed `(2,)` of its own for each epoch, position and augmentation."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    for part in (position, number):
        key = tf.random.experimental.stateless_fold_in(key, tf.cast(part, tf.int64))
    return key


def _to_uint8(images):
    if images.dtype == tf.uint8:
        return images
    return tf.cast(tf.clip_by_value(tf.round(tf.cast(images, tf.float32)), 0.0, 255.0), tf.uint8)


def cores():
    """Processor cores that this process may use: `tf.data` finds its own number of parallel calls only slowly."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _checked_size(size):
    if len(size) != 2 or not all(isinstance(side, (int, np.integer)) and side > 0 for side in size):
        raise UserError(f"`image_size` must be (height, width) in pixels. Received: image_size={size!r}")
    return tuple(int(side) for side in size)
