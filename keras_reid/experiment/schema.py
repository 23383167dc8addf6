"""What an experiment is: typed fields, with units."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from keras_reid.data.datasets import Market1501
from keras_reid.data.samplers import IdentitySampler
from keras_reid.experiment import components, keys
from keras_reid.experiment.evaluation_settings import Evaluation, check_evaluation
from keras_reid.utils.errors import UserError

RUNS = Path("runs")


@dataclass(frozen=True)
class Data:
    """What is trained and tested on."""

    dataset: Any = Market1501()
    """reader of the data set: keras_reid.data.Market1501(), DukeMTMC(), MSMT17(), CUHK03(), VeRi(), VehicleID(),
    VeRiWild(), …, TrainOnly(name), Combined((…, …)), Folder(), CSV(), Synthetic(), or your own object with `read(root)`
    that returns a ReIDDataset"""
    test_datasets: tuple[Any, ...] = ()
    """readers of the sets whose query and gallery are tested on; by default that of `dataset`"""
    root: Path = Path("datasets")
    """folder under which data sets are looked for"""
    sampler: Any = IdentitySampler()
    """which images make a batch: keras_reid.data.IdentitySampler() (P identities × K images),
    BalancedIdentitySampler(), WeightedSetsSampler(), ClassBalancedSampler(), ShuffleSampler(), or your own callable"""
    augmentation: tuple[Any, ...] = ()
    """in this order; of keras_reid.data.augmentation, a Keras image layer, or your own callable
    (images, seed) → images"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""
    cache: Literal["memory"] | Path | None = None
    """where training images are kept decoded (height · width · 3 bytes each): memory, or a folder, which later runs
    use too; None (default): decode every image in each epoch"""


@dataclass(frozen=True)
class Model:
    """What is trained. Each part may be your own Keras layer or model, or a callable that returns one."""

    backbone: Any = components.ResNet()
    """images → feature map"""
    pooling: Any = components.GeM()
    """feature map → vector"""
    head: Any = components.BNNeckHead()
    """vector → embedding and class scores; a callable is called with num_classes"""
    image_size: tuple[int, int] = (256, 128)
    """height and width, pixels"""
    pixel_mean: tuple[float, float, float] | None = None
    """subtracted from R, G, B on the 0–255 scale; None: what the backbone asks for, or ImageNet's"""
    pixel_std: tuple[float, float, float] | None = None
    """divides R, G, B; likewise"""


@dataclass(frozen=True)
class Training:
    """How long, from what, and with what precision."""

    epochs: int = 60
    """passes over as many images as the train set has"""
    seed: int = 0
    """seeds the weights of described parts, sampling and augmentation; a Keras object that you have built yourself
    already has its weights, or their seeds"""
    freeze_backbone_steps: int = 0
    """optimizer steps at the start in which `freeze_layers` do not learn"""
    freeze_layers: tuple[str, ...] = ("backbone",)
    """patterns of the names of these layers: regular expressions for the start of a name such as
    backbone.layer1.0.conv1 or head.neck, up to a dot or its end; the rest learns meanwhile"""
    devices: int | Literal["all"] | None = None
    """how many GPUs of this machine share each batch, or all of them; None: one. Where TF_CONFIG names several workers,
    all GPUs of all workers share it"""
    losses_over_replicas: bool = False
    """on several devices: losses compare the images of the whole batch instead of those of each device"""
    synchronized_batch_norm: bool = False
    """on several devices: batch normalisation takes its statistics from the whole batch, not from each device's part"""
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Keras' dtype policy"""
    checkpoint_every: int = 1
    """epochs between checkpoints, from which --resume continues"""
    checkpoint_minutes: float = 30.0
    """minutes after which a checkpoint is saved in the middle of an epoch; 0: never"""
    patience: int = 0
    """evaluations without a better mean of mAP and Rank-1 after which training stops; 0: never"""
    precise_bn_batches: int = 0
    """training batches from which the statistics of batch normalisation are computed again before the last evaluation;
    0 keeps the moving averages"""
    log_every: int = 50
    """steps between TensorBoard's entries; 0: one each epoch, and no picture of a batch"""
    deterministic: bool = True
    """give the same numbers in every run on the same machine; may cost speed on a GPU"""


@dataclass(frozen=True)
class Distillation:
    """Teachers from which the model learns in addition to its own losses. Set teachers or ema_momentum to use it."""

    teachers: tuple[Any, ...] = ()
    """run directories, .keras files, names of published models (`keras-reid zoo list`), FastReID's .pth files, or
    functions that return a ReIDModel"""
    logit_loss: Any = components.LogitDistillationLoss()
    """between the class scores of teacher and student: LogitDistillationLoss(), your own Keras loss or function
    (teacher, student), or None; needs teachers that were trained on the same identities"""
    logit_weight: float = 1.0
    """factor of that loss; 0 leaves it out"""
    pkt_weight: float = 1.0
    """factor of PKTLoss, between the similarities of the embeddings in a batch; 0 leaves it out"""
    ema_momentum: float | None = None
    """adds a teacher: the moving average of the model itself with this momentum, such as 0.999"""
    teacher_input: Literal["augmented", "plain"] = "augmented"
    """what teachers see. augmented: the model's augmented image, which costs a forward pass of each teacher in every
    step. plain: the image as it is in the file, once for the whole training; the outputs are kept in `cache`"""
    cache: Path = RUNS / "teacher_outputs"
    """folder for the teachers' outputs for plain images, which later runs use again"""

    @property
    def wanted(self) -> bool:
        """Whether there is any teacher."""
        return bool(self.teachers) or self.ema_momentum is not None


@dataclass(frozen=True)
class Adaptation:
    """A trained model goes on with images of another domain, whose identities nobody knows. Set source to use it.

    `data.dataset` is then the target. Of its training part only the images are used, never the identities: before every
    epoch they are embedded and clustered, and each cluster counts as an identity in that epoch."""

    source: Any = None
    """the trained model: a run directory, a .keras file, the name of a published model (`keras-reid zoo list`),
    FastReID's .pth file, or a function that returns a ReIDModel. It must have the backbone, pooling and head that
    `model` describes; its classifier is left out"""
    eps: float = 0.6
    """Jaccard distance of images that are near, above 0 and below 1"""
    min_samples: int = 4
    """an image with so many images near it, itself included, is the core of a cluster; no cluster is smaller"""
    k1: int = 30
    """neighbours from which the Jaccard distance is computed"""
    k2: int = 6
    """neighbours, the image itself included, over which that distance is averaged"""
    target_statistics: bool = True
    """whether batch normalisation begins with the statistics of the target's images, not with the source's"""
    steps_per_epoch: int | None = None
    """steps between two clusterings; None: as many as show each training image once"""

    @property
    def wanted(self) -> bool:
        """Whether there is a source."""
        return self.source is not None


@dataclass(frozen=True)
class Experiment:
    """A lab record that a command can run.

    Example:
        >>> experiment = Experiment(name="mine", data=Data(dataset=Folder()), training=Training(epochs=30))
    """

    name: str = "experiment"
    """names the run's folder, runs/NAME"""
    data: Data = Data()
    model: Model = Model()
    losses: Mapping[str, Any] = field(
        default_factory=lambda: {
            "cross_entropy": components.CrossEntropy(),
            "triplet": components.TripletLoss(),
        }
    )
    """terms of the loss by name"""
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    """factor of a term, 1 where not given"""
    optimizer: Any = components.Adam()
    """keras_reid.experiment.Adam(), SGD(), or your own Keras optimizer"""
    schedule: Any = components.Cosine()
    """of the learning rate: Cosine(), MultiStep(), Constant(), a Keras schedule, a callable of learning_rate,
    steps_per_epoch and epochs, or None to keep that of your own optimizer"""
    training: Training = Training()
    distillation: Distillation = Distillation()
    adaptation: Adaptation = Adaptation()
    evaluation: Evaluation = Evaluation()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.+-]+", self.name):
            raise UserError(
                f"name must consist of letters, digits and . _ + -, as it names a folder. Received: {self.name!r}"
            )
        unknown = sorted(set(self.loss_weights) - set(self.losses))
        if unknown:
            raise UserError(
                f"loss_weights must name losses, which are {sorted(self.losses)}. Received: {unknown}"
            )
        for key, value, least in (
            ("training.epochs", self.training.epochs, 1),
            ("training.seed", self.training.seed, 0),
            ("training.freeze_backbone_steps", self.training.freeze_backbone_steps, 0),
            ("training.devices", 1 if self.training.devices in (None, "all") else self.training.devices, 1),
            ("training.checkpoint_every", self.training.checkpoint_every, 1),
            ("training.checkpoint_minutes", self.training.checkpoint_minutes, 0),
            ("training.patience", self.training.patience, 0),
            ("training.precise_bn_batches", self.training.precise_bn_batches, 0),
            ("training.log_every", self.training.log_every, 0),
            ("distillation.logit_weight", self.distillation.logit_weight, 0),
            ("distillation.pkt_weight", self.distillation.pkt_weight, 0),
            ("adaptation.min_samples", self.adaptation.min_samples, 1),
            ("adaptation.k1", self.adaptation.k1, 1),
            ("adaptation.k2", self.adaptation.k2, 1),
            (
                "adaptation.steps_per_epoch",
                1 if self.adaptation.steps_per_epoch is None else self.adaptation.steps_per_epoch,
                1,
            ),
            ("evaluation.every", self.evaluation.every, 0),
            ("evaluation.batch_size", self.evaluation.batch_size, 1),
            ("evaluation.recall", min(self.evaluation.recall, default=1), 1),
            ("evaluation.projector_images", self.evaluation.projector_images, 0),
            ("model.image_size", min(self.model.image_size), 1),
        ):
            if value < least:  # type: ignore[operator]
                raise UserError(f"{key} must be {least} or more. Received: {value}")
        if not 0 < self.adaptation.eps < 1:
            raise UserError(
                "adaptation.eps, a Jaccard distance, must be above 0 and below 1. "
                f"Received: {self.adaptation.eps}"
            )
        if self.training.patience and not self.evaluation.every:
            raise UserError(
                "training.patience counts evaluations during training, so evaluation.every must be 1 or more. "
                f"Received: training.patience={self.training.patience}, evaluation.every=0"
            )
        check_evaluation(self.evaluation, self.data.test_datasets or (self.data.dataset,))

    def with_changes(self, changes: Mapping[str, Any]) -> "Experiment":
        """A copy with other values, named by the keys that the command line has.

        Args:
            changes: dict of dotted keys → values, which are taken as they are. A key such as `model.pooling` replaces
                a whole component; together with keys below it, these change the new one. `losses.NAME` may be a new
                term.

        Raises:
            UserError: for an unknown key; the message names the nearest ones.

        Example:
            >>> base = Experiment(name="base")
            >>> mine = base.with_changes({"name": "mine", "losses.triplet.margin": 0.0, "model.pooling.p": 4.0})
            >>> mine.losses["triplet"].margin, base.losses["triplet"].margin
            (0.0, 0.3)
        """
        return keys.change(self, changes)
