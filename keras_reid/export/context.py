import dataclasses

from keras_reid.data.image_limits import MOST_MEGAPIXELS
from keras_reid.export.parity_images import TestImages


@dataclasses.dataclass(frozen=True)
class ExportContext:
    """What every format's writer receives in addition to the model.

    Attributes:
        images: `TestImages` for the parity check.
        test_sets: the run's `ReIDDataset`s with a test part; empty for a model file outside a run.
        training_images: paths of images for calibrating int8, by default the run's training images; empty for a model
            file outside a run.
        allow_unverified: whether to export an artefact that cannot run on this machine.
        batch_sizes: batch sizes that a server will use, for warm-up requests and optimisation profiles.
        max_image_bytes: largest file that the artefact decodes.
        max_megapixels: largest image that the artefact decodes, in millions of pixels.
        fingerprint: of the model file (`utils.model_file.fingerprint`), for the artefact's metadata; "": unknown.
        exact_map: the model's own mAP by `id` of the test set, as measured by `quantized.map_loss`.
        written: folders that the command has exported so far: `{(format, precision): folder}`.
    """

    images: TestImages
    test_sets: tuple = ()
    training_images: tuple = ()
    allow_unverified: bool = False
    batch_sizes: tuple = (1, 2, 4, 8, 16, 32)
    max_image_bytes: int = 20_000_000
    max_megapixels: float = MOST_MEGAPIXELS
    fingerprint: str = ""
    exact_map: dict = dataclasses.field(default_factory=dict)
    written: dict = dataclasses.field(default_factory=dict)
