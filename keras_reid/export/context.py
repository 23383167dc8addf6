import dataclasses

from keras_reid.data.image_limits import MOST_MEGAPIXELS
from keras_reid.export.parity_images import TestImages


@dataclasses.dataclass(frozen=True)
class ExportContext:
    """What the writers of all formats are given beside the model.

    Attributes:
        images: `TestImages` for the gate.
        test_sets: the run's `ReIDDataset`s with a test part; none for a model file outside a run.
        training_images: paths of images to calibrate int8 with, by default the run's training images; none as above.
        allow_unverified: whether an artefact may be put in place that cannot run on this machine.
        batch_sizes: sizes of batch that a server will ask for: of warm-up requests and optimisation profiles.
        max_image_bytes: largest file that the artefact decodes.
        max_megapixels: largest image that the artefact decodes, in millions of pixels.
        exact_map: what `quantized.map_loss` has measured: the model's own mAP, by `id` of a test set.
        written: folders of what the command has put in place so far: `{(format, precision): folder}`.
    """

    images: TestImages
    test_sets: tuple = ()
    training_images: tuple = ()
    allow_unverified: bool = False
    batch_sizes: tuple = (1, 2, 4, 8, 16, 32)
    max_image_bytes: int = 20_000_000
    max_megapixels: float = MOST_MEGAPIXELS
    exact_map: dict = dataclasses.field(default_factory=dict)
    written: dict = dataclasses.field(default_factory=dict)
