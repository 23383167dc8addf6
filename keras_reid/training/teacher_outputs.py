"""What teachers give for the training images, computed once."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_reid.data.pipeline import test_batches
from keras_reid.data.pixel_cache import digest_of
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import written_aside
from keras_reid.utils.full_disk import free_bytes, megabytes, reserve
from keras_reid.utils.hints import Tensor
from keras_reid.utils.progress import progress

OUTPUTS = ("scores", "embedding")
_BLOCK = 4096  # images at a time, of which the scores are looked through


class TeacherOutputs:
    """What teachers give for images as they are in the files, not augmented, by number: for `models.Distiller`.

    Given to `train_batches(more_labels=...)`, it adds `"teachers"` to the labels. A student then learns, from its
    augmented image, what the teacher says of the plain one: no teacher runs in the training step, nor need it be in
    memory. Where the student must see what the teacher sees, hand the teacher to the `Distiller` instead: "a good
    teacher is patient and consistent" (Beyer et al., 2022), and costs a forward pass a step.

    Each output of each teacher is a NumPy file, `float32 (images, numbers)`, of which only what is read is in memory.
    Files are told apart by the weights and the config of the teacher and by the paths, sizes and times of the images;
    later runs use them again, and they may be deleted at any time. Making them costs one forward pass an image; each
    takes 4 · images · numbers bytes: for Market-1501 and a ResNet-50, 39 MB of scores and 106 MB of embeddings.

    Args:
        arrays: for each teacher, arrays `(images, numbers)` by the name of the output.

    Example:
        >>> paths = [sample.path for sample in dataset.train]  # doctest: +SKIP
        >>> outputs = TeacherOutputs.of([load_model("runs/big")], paths, "teachers")  # doctest: +SKIP
        >>> batches, steps = train_batches(..., more_labels=outputs)  # doctest: +SKIP
        >>> distiller = Distiller(student)  # doctest: +SKIP
    """

    def __init__(self, arrays: Iterable[Mapping[str, NDArray[np.float32]]]) -> None:
        self.arrays = list(arrays)

    def __call__(self, places: Tensor) -> dict[str, tuple[dict[str, Tensor], ...]]:
        """`{"teachers": ({output: float32 (batch, numbers)}, …)}` of the images with these numbers, also in a graph."""
        return {
            "teachers": tuple(
                {name: _rows(array, places) for name, array in of_teacher.items()}
                for of_teacher in self.arrays
            )
        }

    @classmethod
    def of(
        cls,
        teachers: Iterable[keras.Model],
        paths: Sequence[str | os.PathLike[str]],
        folder: str | os.PathLike[str],
        outputs: Sequence[str] = OUTPUTS,
        batch_size: int = 64,
    ) -> Self:
        """The outputs of teachers, read where they were computed before.

        Args:
            teachers: `ReIDModel`s; each may have another image size.
            paths: image files.
            folder: of the NumPy files; created if need be.
            outputs: which, of "scores" (of the classes, without margin) and "embedding".
            batch_size: images in a batch.

        Raises:
            UserError: if the disk is too small or an image cannot be read.
        """
        paths = [str(path) for path in paths]
        images = digest_of(paths)  # type: ignore[arg-type]
        arrays = []
        for number, teacher in enumerate(teachers, 1):
            start = f"{_digest(teacher)[:20]}-{images[:20]}"
            files = {name: Path(folder) / f"{start}-{name}.npy" for name in outputs}
            missing = {name: file for name, file in files.items() if not _is_whole(file, len(paths))}
            if missing:
                _compute(teacher, paths, missing, batch_size, f"outputs of teacher {number}")
            arrays.append({name: np.load(file, mmap_mode="r") for name, file in files.items()})
        return cls(arrays)

    def accuracies(self, identities: NDArray[Any]) -> list[float]:
        """For each teacher the fraction of the images whose highest score is that of their identity.

        A teacher that was trained on these images recognises most of them; if it does not, its classes are others, or
        in another order.

        Args:
            identities: class numbers of the images.
        """
        blocks = range(0, len(identities), _BLOCK)
        return [
            sum(
                int((scores[i : i + _BLOCK].argmax(axis=1) == identities[i : i + _BLOCK]).sum())
                for i in blocks
            )
            / len(identities)
            for scores in (of_teacher["scores"] for of_teacher in self.arrays)
        ]


def _rows(array, places):
    # NumPy reads from the file what is not in memory yet; a tensor would be all of it.
    rows = tf.numpy_function(lambda places: np.ascontiguousarray(array[places]), [places], tf.float32)
    return tf.ensure_shape(rows, (*places.shape, array.shape[1]))


def _compute(teacher, paths, files, batch_size, said):
    size = tuple(teacher.image_size)

    @tf.function(input_signature=[tf.TensorSpec((None, *size, 3), tf.uint8)])
    def forward(images):
        outputs = teacher.compute_outputs(images, training=False)
        return {name: tf.cast(outputs[name], tf.float32) for name in files}

    shapes = forward.get_concrete_function().structured_outputs
    shapes = {name: (len(paths), shapes[name].shape[1]) for name in files}
    needed = sum(4 * rows * columns for rows, columns in shapes.values())
    folder = next(iter(files.values())).parent
    if needed > free_bytes(folder):
        raise UserError(
            f"the outputs of a teacher for {len(paths)} images take {megabytes(needed)}, and "
            f"{megabytes(free_bytes(folder))} are free in {folder}: give a folder on a larger disk, or let the teacher "
            "see the augmented images, for which nothing is kept"
        )
    with contextlib.ExitStack() as stack:
        arrays = {
            name: _mapped(stack.enter_context(written_aside(file)), shapes[name])
            for name, file in files.items()
        }
        done = 0
        with progress(said, total=len(paths)) as advance:
            for images in test_batches(paths, size, batch_size):
                for name, values in forward(images).items():
                    arrays[name][done : done + len(values)] = values
                done += len(images)
                advance(len(images))
        for array in arrays.values():
            array.flush()


def _mapped(file, shape):
    """A new NumPy file that is mapped into memory, with room on the disk for all of it."""
    array = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    with open(file, "r+b") as stream:
        reserve(stream, os.path.getsize(file))
    return array


def _is_whole(file, count):
    """Whether a file is there and complete; says so if it is damaged, and will be written again."""
    try:
        array = np.load(file, mmap_mode="r")
    except FileNotFoundError:
        return False
    except (OSError, ValueError, EOFError):
        array = None
    if array is None or array.dtype != np.float32 or array.ndim != 2 or len(array) != count:
        print(f"{file} is damaged and will be written again")
        return False
    return True


def _digest(teacher):
    """Changes with what a teacher computes."""
    config = keras.saving.serialize_keras_object(teacher)
    config["config"] = {
        key: value for key, value in config["config"].items() if key not in ("metadata", "name")
    }
    # Without the numbers that Keras appends to names, which depend on what was made before.
    text = re.sub(r'_\d+"', '"', json.dumps(config, sort_keys=True, default=str))
    digest = hashlib.sha256(text.encode())
    for variable in teacher.variables:
        digest.update(np.ascontiguousarray(variable).tobytes())
    return digest.hexdigest()
