"""Retrieval metrics in anyone's `model.fit`."""

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_reid.data.sample import Sample
from keras_reid.evaluation import Features, evaluate, print_table
from keras_reid.evaluation.retrieval_result import METRICS, RetrievalResult
from keras_reid.training.callbacks.averaged import averaged_weights
from keras_reid.utils.errors import UserError

PREFIX = "val_"


class RetrievalEvaluation(keras.callbacks.Callback):
    """Evaluates retrieval in a plain `model.fit`, of any Keras model that gives embeddings.

    Adds `val_mAP`, `val_rank1`, `val_rank5`, `val_rank10` and `val_mINP`, fractions, to the logs of the epoch. What
    watches them comes after it in the list of callbacks, and is told their direction:
    `keras.callbacks.EarlyStopping("val_mAP", mode="max")`, `keras.callbacks.ModelCheckpoint("best.keras",
    monitor="val_mAP", mode="max", save_best_only=True)`. `last` holds the newest `RetrievalResult`. If the optimizer
    keeps a moving average of the weights (`use_ema`), that is evaluated, because training ends with it.

    Images are given in one of three forms. Labels are identities, numbers or names, or a dict of `"identity"` and
    `"camera"`, as in `fit`.

    - arrays: `(images, labels)`
    - batches `(images, labels)`: a `tf.data.Dataset`, a `keras.utils.PyDataset`, or what else can be read repeatedly
    - files: a list of `keras_reid.data.Sample`, which are decoded and resized to RGB 0–255, as a `ReIDModel` takes them

    Args:
        query: images to search for.
        gallery: images to search among; None to search for each image of `query` among all the others.
        every: epochs between evaluations; the last epoch is evaluated in any case.
        metric: "cosine" or "euclidean".
        protocol: "cross_camera" (images of the query's identity and camera do not count) or "all". Defaults to None:
            the former where every camera is known. Without a gallery it is "leave_one_out".
        batch_size: images in a batch, of arrays and files.
        image_size: `(height, width)` in pixels, for files; None for the model's own.
        embedding_model: what gives the embeddings, where that is a part of the model that is trained, as
            `keras.Model(model.input, model.get_layer("embedding").output)`. Defaults to None: the model itself.
        verbose: 1 to print a table at each evaluation.

    Time: the model's for all images, and the ranking's (see `evaluation.evaluate`).

    Raises:
        ValueError: if an argument makes no sense, or the images have none of these forms.
        UserError: from `fit`, if the model does not give one vector an image, at the beginning; or no query has a match
            in the gallery.

    Example:
        >>> callback = RetrievalEvaluation((images, identities))
        >>> stop = keras.callbacks.EarlyStopping("val_mAP", mode="max", patience=5)
        >>> model.fit(train_images, train_identities, epochs=50, callbacks=[callback, stop])  # doctest: +SKIP
        >>> callback.last.mAP  # doctest: +SKIP
        0.71

    Source: none; the original evaluates in its own trainer alone.
    """

    def __init__(
        self,
        query: Any,
        gallery: Any = None,
        every: int = 1,
        metric: str = "cosine",
        protocol: str | None = None,
        batch_size: int = 128,
        image_size: tuple[int, int] | None = None,
        embedding_model: keras.Model | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("every", every), ("batch_size", batch_size)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a whole number, 1 or more. Received: {name}={value!r}")
        if metric not in ("cosine", "euclidean"):
            raise ValueError(f"`metric` must be 'cosine' or 'euclidean'. Received: metric={metric!r}")
        if protocol not in (
            (None, "cross_camera", "all") if gallery is not None else (None, "leave_one_out")
        ):
            rule = "'cross_camera', 'all' or None" if gallery is not None else "None without a gallery"
            raise ValueError(f"`protocol` must be {rule}. Received: protocol={protocol!r}")
        given = {"query": query} if gallery is None else {"query": query, "gallery": gallery}
        self._parts = {name: _reader(name, part, batch_size, image_size) for name, part in given.items()}
        self.every, self.metric, self.protocol = every, metric, protocol
        self.embedding_model, self.verbose = embedding_model, verbose
        self.last: RetrievalResult | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        for images, _ in self._parts["query"](self._source):
            self._embed(images)  # an error now, not after an epoch
            break

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        last = epoch + 1 == self.params["epochs"]
        if not last and (epoch + 1) % self.every:
            return
        with averaged_weights(self.model):
            self.last = self.evaluate()
        if logs is not None:
            logs.update({PREFIX + name: getattr(self.last, name) for name in METRICS})
        if self.verbose:
            print_table({f"epoch {epoch + 1}": self.last})

    def evaluate(self) -> RetrievalResult:
        """The `RetrievalResult` of the model as it is now."""
        parts = [self._embedded(name) for name in self._parts]
        identities = _numbers([part[1] for part in parts])
        cameras = [part[2] for part in parts]
        cameras = [None] * len(parts) if any(one is None for one in cameras) else _numbers(cameras)
        found = [
            Features(part[0], numbers, numbers_of_cameras)
            for part, numbers, numbers_of_cameras in zip(parts, identities, cameras, strict=True)
        ]
        if len(found) == 1:
            return evaluate(found[0], found[0], self.metric, protocol="leave_one_out")
        protocol = self.protocol or ("all" if cameras[0] is None else "cross_camera")
        query, gallery = found
        return evaluate(query, gallery, self.metric, protocol=protocol)

    @property
    def _source(self):
        return self.model if self.embedding_model is None else self.embedding_model

    def _embedded(self, name):
        """Embeddings `(n, dim)`, identities and cameras (or None) of a part."""
        embeddings, identities, cameras = [], [], []
        for images, labels in self._parts[name](self._source):
            embeddings.append(self._embed(images))
            identities.append(_values(labels["identity"] if isinstance(labels, Mapping) else labels))
            cameras.append(labels.get("camera") if isinstance(labels, Mapping) else None)
        if not embeddings:
            raise UserError(f"`{name}` must hold at least one image. Received: none.")
        cameras = [_values(one) for one in cameras] if all(one is not None for one in cameras) else []
        cameras = np.concatenate(cameras) if cameras else None
        if cameras is not None and cameras.dtype.kind in "iuf" and (cameras < 0).any():  # unknown
            cameras = None
        return np.concatenate(embeddings), np.concatenate(identities), cameras

    def _embed(self, images):
        embeddings = self._source.predict_on_batch(images)
        if not isinstance(embeddings, np.ndarray) or embeddings.ndim != 2:
            shapes = keras.tree.map_structure(lambda one: tuple(one.shape), embeddings)
            raise UserError(
                "RetrievalEvaluation needs a model that gives one vector an image, (batch, dim). Received: outputs of "
                f"the shape {shapes}. Name the part that does so: embedding_model=keras.Model(model.input, "
                'model.get_layer("NAME").output).'
            )
        return embeddings.astype(np.float32, copy=False)


def _reader(name, given, batch_size, image_size):
    """A function: model → batches `(images, labels)` of what the user gave."""
    if isinstance(given, (list, tuple)) and given and all(isinstance(one, Sample) for one in given):
        return lambda model: _from_files(given, _size(model, image_size), batch_size)
    if isinstance(given, (list, tuple)):
        if len(given) != 2:
            raise ValueError(
                f"`{name}` must be (images, labels), a data set of such batches, or a list of Samples. "
                f"Received: {type(given).__name__} of {len(given)}"
            )
        images, labels = given
        labels = (
            {key: np.asarray(labels[key]) for key in labels}
            if isinstance(labels, Mapping)
            else np.asarray(labels)
        )
        counts = {len(one) for one in keras.tree.flatten((images, labels))}
        if len(counts) != 1:
            raise ValueError(f"`{name}` must have one label an image. Received: {sorted(counts)} of them")
        return lambda model: _from_arrays(images, labels, *counts, batch_size)
    readable = isinstance(given, (Iterable, keras.utils.PyDataset))
    if not readable or isinstance(given, (Iterator, Mapping, str, np.ndarray)):
        raise ValueError(
            f"`{name}` must be (images, labels), a data set of such batches that can be read again in each epoch, or a "
            f"list of Samples. Received: {type(given).__name__}"
        )
    return lambda model: _from_batches(name, given)


def _from_files(samples, size, batch_size):
    from keras_reid.data.pipeline import test_batches

    done = 0
    for images in test_batches([sample.path for sample in samples], size, batch_size):
        some = samples[done : done + len(images)]
        cameras = [sample.camera for sample in some]
        labels = {"identity": np.array([str(sample.identity) for sample in some])}
        if None not in cameras:
            labels["camera"] = np.array([str(camera) for camera in cameras])
        yield images, labels
        done += len(images)


def _from_arrays(images, labels, count, batch_size):
    for start in range(0, count, batch_size):
        rows = slice(start, start + batch_size)
        yield keras.tree.map_structure(operator.itemgetter(rows), (images, labels))


def _from_batches(name, batches):
    if isinstance(batches, keras.utils.PyDataset):
        batches = map(batches.__getitem__, range(len(batches)))
    for batch in batches:
        if not isinstance(batch, (list, tuple)) or len(batch) != 2:
            raise UserError(
                f"each batch of `{name}` must be (images, labels). Received: {type(batch).__name__}"
                f"{f' of {len(batch)}' if isinstance(batch, (list, tuple)) else ''}"
            )
        yield batch


def _size(model, image_size):
    size = image_size or getattr(model, "image_size", None) or tuple(model.input_shape)[1:3]
    if None in size:
        raise UserError(
            "RetrievalEvaluation must know the size of the images, and the model takes any: give it "
            "image_size=(height, width)."
        )
    return tuple(size)


def _values(labels):
    """Labels as a flat array, of numbers or of names."""
    values = np.asarray(labels).reshape(-1)
    if values.dtype.kind not in "SO":
        return values
    return np.array([one.decode() if isinstance(one, bytes) else str(one) for one in values])


def _numbers(parts):
    """Numbers that stand for the same label in all parts."""
    if len({part.dtype.kind in "US" for part in parts}) > 1:
        parts = [part.astype(str) for part in parts]
    numbers = np.unique(np.concatenate(parts), return_inverse=True)[1]
    return np.split(numbers, np.cumsum([len(part) for part in parts])[:-1])
