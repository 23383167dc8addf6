"""The `tf.data` pipelines of training and evaluation."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_reid.data.decoding import read_image
from keras_reid.data.epoch_plan import EpochPlan
from keras_reid.data.keyed_augmentation import KeyedAugmentation
from keras_reid.data.resizing import resize_image
from keras_reid.utils.errors import UserError
from keras_reid.utils.threads import cores

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset
    from keras_reid.data.pixel_cache import PixelCache

_AHEAD = 2  # batches to embed that wait for the model; a number that TensorFlow finds itself has no bound


def train_batches(
    dataset: ReIDDataset,
    sampler: Callable[..., Any],
    image_size: Sequence[int],
    augmentation: Iterable[Any] = (),
    seed: int = 0,
    epochs: int = 1,
    first_epoch: int = 0,
    first_step: int = 0,
    pixels: PixelCache | None = None,
    part: tuple[int, int] = (0, 1),
    more_labels: Callable[[tf.Tensor], dict[str, Any]] | None = None,
) -> tuple[tf.data.Dataset, int]:
    """Batches of training images, epoch after epoch.

    An `EpochPlan` says which images an epoch consists of. They are read and decoded (or taken from the cache), go
    through augmentations of stage "image", are resized and batched, go through augmentations of stage "batch", and are
    prefetched. Every random operation is stateless and keyed by (seed, epoch, position in the epoch, place in
    `augmentation`). So the order of parallel work does not matter, and the batches from `first_step` of
    `first_epoch` on are, bit for bit, those of a run that began at 0.

    Check the files first with `keras_reid.data.unreadable.check_images`: if one cannot be decoded here, the error says
    what is wrong with it but not which file it is.

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
        UserError: if the size or an augmentation is invalid, a batch cannot be divided, an epoch has no step
            `first_step`, or the data set or the sampler has an objection.

    Example:
        >>> batches, steps = train_batches(dataset, IdentitySampler(), (256, 128), [Flip(), PadCrop()], epochs=60)
        >>> model.fit(batches, epochs=60, steps_per_epoch=steps)
    """
    image_size = _checked_size(image_size)
    keyed = KeyedAugmentation(augmentation, seed)
    labels = dataset.train_labels()
    whole_batches = keyed.needs_whole_batches
    plan = EpochPlan.of(labels, sampler, seed, first_epoch, first_step, part, whole_batches)
    maker = _BatchMaker(plan, _decoder(dataset, pixels), keyed, image_size, labels, more_labels)
    # `tf.data` finds its own number of parallel calls only slowly.
    in_parallel = {"num_parallel_calls": cores(), "deterministic": True}
    batches = (
        tf.data.Dataset.range(plan.first_epoch, epochs)
        .map(maker.plan_epoch)
        .prefetch(1)
        .unbatch()
        .skip(plan.images_done)
        .map(maker.load, **in_parallel)
        .batch(plan.loaded_size, drop_remainder=True)
        .map(maker.finish, **(in_parallel if keyed.may_run_in_parallel else {}))
        .prefetch(tf.data.AUTOTUNE)
    )
    return batches, plan.steps


def test_batches(
    paths: Iterable[str | os.PathLike[str]],
    image_size: Sequence[int],
    batch_size: int = 64,  # noqa: PT028
) -> tf.data.Dataset:
    """Batches of images to embed, in the order of `paths`, the last one smaller: read, decode, resize, batch.

    Memory grows with the number of images only by their paths: at a time there are as many decoded images as
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


test_batches.__test__ = False  # type: ignore[attr-defined]  # for pytest, which goes by the name


@functools.lru_cache
def _loader(image_size):
    """Traced once for all data sets: that takes longer than to embed a few images."""

    def load(path):
        return resize_image(read_image(path), image_size)

    return tf.function(load, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)


# Traced once for all pipelines of a process: that takes longer than to read a few images.
@functools.cache
def _reader():
    return tf.function(read_image, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)


@functools.lru_cache
def _resizer(image_size, usual_size):
    return tf.function(lambda image: resize_image(image, image_size, usual_size), autograph=False)


def _decoder(dataset, pixels):
    """A function that gives the pixels of the image at a place in the training part."""
    if pixels is not None:
        return pixels.__getitem__
    paths = tf.constant([sample.path for sample in dataset.train])
    # Outside of a graph, where one image is read, tracing is not worth it.
    return lambda place: (read_image if tf.executing_eagerly() else _reader())(paths[place])


# AutoGraph would convert these functions, which takes longer than all other tracing.
_without_autograph = tf.autograph.experimental.do_not_convert


class _BatchMaker:
    """How the images of a plan become batches, step by step; each is a function for `tf.data`.

    Args:
        plan: an `EpochPlan`.
        decode: a function of an image's place in the training part; gives its pixels.
        augmentation: a `KeyedAugmentation`.
        image_size: `(height, width)`.
        labels: `(identities, cameras, names)` of the training part.
        more_labels: as of `train_batches`.
    """

    def __init__(self, plan, decode, augmentation, image_size, labels, more_labels):
        self._plan, self._decode, self._augmentation = plan, decode, augmentation
        self._image_size, self._more_labels = image_size, more_labels
        self._identities, self._cameras, _ = labels
        self._usual_size = _size_of_first(decode)

    @_without_autograph
    def plan_epoch(self, epoch):
        """Epoch, position and place of each image that is loaded."""
        images = tf.numpy_function(lambda epoch: self._plan.images(int(epoch)), [epoch], (tf.int64, tf.int32))
        size = self._plan.steps * self._plan.loaded_size
        return tf.fill((size,), epoch), *(tf.ensure_shape(part, (size,)) for part in images)

    @_without_autograph
    def load(self, epoch, position, place):
        """One image, decoded, augmented and resized."""
        image = self._augmentation.image(self._decode(place), epoch, position)
        return epoch, position, place, _resizer(self._image_size, self._usual_size)(image)

    @_without_autograph
    def finish(self, epoch, position, place, images):
        """One batch, augmented, with its labels: this worker's share of it."""
        plan = self._plan
        images = self._augmentation.batch(images, epoch[0], position[0])
        images = tf.ensure_shape(images, (plan.loaded_size, *self._image_size, 3))
        if plan.loaded_size > plan.share_size:
            images, place = images[plan.share], place[plan.share]
        labels = {"identity": tf.gather(self._identities, place), "camera": tf.gather(self._cameras, place)}
        return images, labels if self._more_labels is None else {**labels, **self._more_labels(place)}


def _size_of_first(decode):
    """Many sets have images of one size, which are then resized faster; where a set has not, nothing is lost."""
    try:
        return tuple(decode(0).shape[:2])
    except tf.errors.OpError:  # said when its turn comes
        return None


def _checked_size(size):
    if len(size) != 2 or not all(isinstance(side, (int, np.integer)) and side > 0 for side in size):
        raise UserError(f"`image_size` must be (height, width) in pixels. Received: image_size={size!r}")
    return tuple(int(side) for side in size)
