"""AugMix."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_reid.data.augmentation.validation import check_integer, check_number, check_probability

if TYPE_CHECKING:
    import tensorflow as tf

_NAMES = (
    "auto_contrast",
    "equalize",
    "posterize",
    "rotate",
    "solarize",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
_EITHER_WAY = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")


@dataclasses.dataclass(frozen=True)
class AugMix:
    """Mixes each image with several differently augmented copies of itself, with a probability.

    x ← (1 − m) · x + m · Σᵢ wᵢ · chainᵢ(x) with m ~ Beta(α, α) and w ~ Dirichlet(α, …, α). A chain is `depth`
    operations drawn uniformly from nine, each with its own level l ~ U(0.1, severity): auto contrast, equalize,
    posterize (keeps 4 − ⌊0.4 l⌋ bits), rotate (±⌊3 l⌋°), solarize (from 256 − ⌊25.6 l⌋ on), shear along x or y (±0.03
    l), shift along x or y (±⌊l · size / 30⌋ pixels). Operations that move pixels sample bilinearly and fill with black.

    Args:
        probability: probability that an image is changed, 0 … 1.
        width: number of chains, at least 1.
        depth: number of operations in a chain, at least 1.
        severity: largest level, 0.1 … 10.
        alpha: parameter of both distributions, 0.05 … 100; with small values, one chain or the image itself dominates.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> AugMix(probability=1.0)(tf.zeros((8, 256, 128, 3), "uint8"), seed=(0, 0)).shape
        TensorShape([8, 256, 128, 3])

    Source: Hendrycks et al., AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty, ICLR
    2020, without its consistency loss; defaults as in FastReID. Deliberate difference: for uint8 images the mixture is
    rounded, not truncated.
    """

    stage: ClassVar[str] = "batch"
    probability: float = 0.5
    width: int = 3
    depth: int = 1
    severity: float = 1.0
    alpha: float = 0.1

    def __post_init__(self):
        check_probability(self.probability)
        check_integer("width", self.width, 1)
        check_integer("depth", self.depth, 1)
        check_number("severity", self.severity, 0.1, 10)
        check_number("alpha", self.alpha, 0.05, 100)

    def draw(self, shape: "tf.Tensor", seed: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        """What happens to images of a shape: `chosen` bool, `mix` float32 (m), both `(batch,)`; `weights` float32
        `(batch, width)`; `number` int32 (of `choosing.NAMES`) and `argument` float64 `(batch, width, depth)`.
        """
        import tensorflow as tf

        from keras_reid.data.augmentation.operation_switch import NAMES

        batch = shape[0]
        uniform, gammas = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        draws = tf.random.stateless_uniform((batch, 1 + 3 * self.width * self.depth), uniform)
        # Shares of gamma variables follow a Dirichlet distribution, and shares of two follow a Beta distribution.
        # Double precision keeps small ones from all becoming 0.
        gammas = tf.random.stateless_gamma((batch, 2 + self.width), gammas, self.alpha, dtype=tf.float64)
        mix = gammas[:, 0] / (gammas[:, 0] + gammas[:, 1])
        weights = gammas[:, 2:] / tf.reduce_sum(gammas[:, 2:], axis=1, keepdims=True)
        kind, level, way = tf.unstack(tf.reshape(draws[:, 1:], (-1, self.width, self.depth, 3)), axis=-1)
        kind = tf.cast(kind * len(_NAMES), tf.int32)
        level = 0.1 + tf.cast(level, tf.float64) * (self.severity - 0.1)
        height, width = (tf.cast(side, tf.float64) for side in (shape[1], shape[2]))
        arguments = {
            "auto_contrast": tf.zeros_like(level),
            "equalize": tf.zeros_like(level),
            "posterize": 4.0 - tf.floor(level * 0.4),
            "rotate": tf.floor(level * 3.0),
            "solarize": 256.0 - tf.floor(level * 25.6),
            "shear_x": level * 0.03,
            "shear_y": level * 0.03,
            "translate_x": tf.floor(level * width / 30.0),
            "translate_y": tf.floor(level * height / 30.0),
        }
        argument = tf.add_n(
            [tf.where(kind == place, arguments[name], 0.0) for place, name in enumerate(_NAMES)]
        )
        either_way = tf.gather(tf.constant([name in _EITHER_WAY for name in _NAMES]), kind)
        return {
            "chosen": draws[:, 0] < self.probability,
            "mix": tf.cast(mix, tf.float32),
            "weights": tf.cast(weights, tf.float32),
            "number": tf.gather(tf.constant([NAMES.index(name) for name in _NAMES]), kind),
            "argument": tf.where(either_way & (way >= 0.5), -argument, argument),
        }

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Images `(batch, height, width, 3)`, seed `(2,)` → images of the same shape and dtype."""
        import tensorflow as tf

        from keras_reid.data.augmentation.batches import as_type, change_chosen
        from keras_reid.data.augmentation.operation_switch import apply_operation

        images = tf.convert_to_tensor(images)
        drawn = self.draw(tf.shape(images), seed)

        def mixture(parts):
            image, mix, weights, numbers, arguments = parts
            levels = as_type(image, tf.uint8)
            mixed = (1.0 - mix) * tf.cast(image, tf.float32)
            for chain in range(self.width):
                changed = levels
                for step in range(self.depth):
                    changed = apply_operation(
                        changed, numbers[chain, step], arguments[chain, step], bicubic=False, fill=0
                    )
                mixed += (mix * weights[chain]) * tf.cast(changed, tf.float32)
            return as_type(mixed, images.dtype)

        def change(*parts):
            return tf.map_fn(mixture, parts, fn_output_signature=images.dtype)

        parameters = [drawn[name] for name in ("mix", "weights", "number", "argument")]
        return change_chosen(images, drawn["chosen"], change, parameters)
