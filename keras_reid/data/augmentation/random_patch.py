"""Random patches from other images."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_probability, check_range

if TYPE_CHECKING:
    import tensorflow as tf

_TRIES = 20


@dataclasses.dataclass(frozen=True)
class RandomPatch:
    """Pastes a rectangle from another image of the batch into each image, with a probability.

    Area a ~ U(area) · height · width and aspect r ~ U(aspect) give a rectangle of height round(√(a·r)) and width
    round(√(a/r)). It must be smaller than the image in both directions; after twenty tries without success, the image
    stays as it is. The rectangle is taken from a random position in a random other image, mirrored with probability
    0.5, and pasted at a random position. A batch of one image stays as it is.

    Args:
        probability: probability that an image is changed, 0 … 1.
        area: (low, high) share of the image's area.
        aspect: (low, high) height / width of the rectangle.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> RandomPatch(probability=1.0)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0))

    Source: Zhou et al., Omni-Scale Feature Learning for Person Re-Identification, ICCV 2019; ranges as in FastReID.
    Deliberate difference: FastReID keeps a pool of up to 50 000 patches from earlier images, which grows to tens of
    gigabytes and differs from process to process. Patches from the batch cost no memory and depend only on the seed, so
    that a resumed run continues bit-identically. In a batch of P identities × K images, a patch comes from the same
    identity with probability (K − 1) / (P · K − 1).
    """

    stage: ClassVar[str] = "batch"
    probability: float = 0.5
    area: tuple[float, float] = (0.01, 0.5)
    aspect: tuple[float, float] = (0.1, 10.0)

    def __post_init__(self):
        check_probability(self.probability)
        check_range("area", self.area, highest=1.0)
        check_range("aspect", self.aspect)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """Draws changes for images of a shape: `chosen`, `mirrored` bool, `donor` (place in the batch), `height`,
        `width`, `top`, `left` (where to), `from_top`, `from_left` int32, all `(batch,)`.

        An image for which no rectangle fits is not chosen.
        """
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import first_that_fits

        batch = shape[0]
        draws = tf.random.stateless_uniform((batch, 7 + 2 * _TRIES), seed)
        rows, columns = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
        area = (self.area[0] + draws[:, 7 : 7 + _TRIES] * (self.area[1] - self.area[0])) * rows * columns
        aspect = self.aspect[0] + draws[:, 7 + _TRIES :] * (self.aspect[1] - self.aspect[0])
        height, width, fits = first_that_fits(area, aspect, rows, columns)
        # 1 … batch − 1 positions further on, so never the image itself.
        further = 1 + tf.cast(draws[:, 1] * tf.cast(batch - 1, tf.float32), tf.int32)
        drawn = {
            "height": height,
            "width": width,
            "top": tf.floor(draws[:, 3] * (rows - height + 1)),
            "left": tf.floor(draws[:, 4] * (columns - width + 1)),
            "from_top": tf.floor(draws[:, 5] * (rows - height + 1)),
            "from_left": tf.floor(draws[:, 6] * (columns - width + 1)),
        }
        return {
            "chosen": (draws[:, 0] < self.probability) & fits & (batch > 1),
            "mirrored": draws[:, 2] < 0.5,
            "donor": (tf.range(batch) + further) % batch,
            **{name: tf.cast(value, tf.int32) for name, value in drawn.items()},
        }

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import change_chosen, paste

        images = tf.convert_to_tensor(images)
        drawn = self.draw(tf.shape(images), seed)
        chosen = drawn.pop("chosen")

        # One image at a time: slices copy whole rows, while a gather over the batch would copy single pixels.
        def patched(image_and_parameters):
            image, parameters = image_and_parameters
            top, left, height, width = (parameters[name] for name in ("top", "left", "height", "width"))
            corner = tf.stack([parameters["donor"], parameters["from_top"], parameters["from_left"], 0])
            patch = tf.slice(images, corner, tf.stack([1, height, width, -1]))[0]
            patch = tf.raw_ops.Reverse(tensor=patch, dims=[False, parameters["mirrored"], False])
            return paste(image, patch, top, left)

        def change(some, *parameters):
            parameters = dict(zip(drawn, parameters, strict=True))
            return tf.map_fn(patched, (some, parameters), fn_output_signature=images.dtype)

        return change_chosen(images, chosen, change, list(drawn.values()))
