"""The reader of the synthetic data set."""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from dataclasses import dataclass

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.data.synthetic.domains import DOMAINS
from keras_reid.data.synthetic.drawn_set import MANIFEST, file_name, generate, moments, settings, with_size
from keras_reid.data.synthetic.presets import PARTS, PRESETS
from keras_reid.data.synthetic.sightings import write_table
from keras_reid.data.synthetic.studio import KINDS
from keras_reid.data.synthetic.views import VIEWS
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json
from keras_reid.utils.full_disk import is_full
from keras_reid.utils.locks import Lock


@dataclass(frozen=True)
class Synthetic:
    """Drawn people or vehicles, seen by several cameras: a data set that needs no download.

    The first `read` draws it; later ones find it again. Identities differ in build, clothes, pattern, bag and hat
    (people) or style, paint, livery and load (vehicles). Cameras differ in height, direction, light, colours, sharpness
    and background. The images of one camera differ in pose, direction and box, and a few are partly hidden. The
    protocol is Market-1501's (`"cross_camera"`). Train and test share no identities, and no two parts share an image.
    `gallery.csv` has invented names, cameras and times of the gallery's images, for `keras-reid gallery enrol --csv`.

    Args:
        preset: "tiny" (8 train and 8 test identities, 3 cameras; 48 images to train, 24 queries, 48 in the
            gallery), "small" (100 and 100, 6 cameras; 1200, 600, 1200) or "large" (500 and 500, 6 cameras;
            9000, 3000, 6000).
        kind: "person" (128 × 64 pixels, 64 × 32 in "tiny") or "vehicle" (96 × 96, 48 × 48 in "tiny").
        seed: 0 or larger; another seed gives other identities and cameras.
        processes: number of processes; None for one per core. The images do not depend on it.
        image_size: (height, width) in pixels; None for the preset's.
        domain: "day", or "evening" with cheaper cameras, mounted higher, in little and coloured light. To train in one
            domain and test in the other, also use another seed, because the same seed has the same identities.
        queries: what query images show: the "whole" subject; "partial": the upper, middle or lower 45 to 70 % of the
            height, as a smaller image; "occluded": a large object hides 35 to 55 %.

    Raises:
        UserError: if an argument is out of range.

    Example:
        >>> dataset = Synthetic("tiny").read("data")  # draws into data/synthetic/
        >>> len(dataset.train), len(dataset.query), len(dataset.gallery)
        (48, 24, 48)
    """

    preset: str = "small"
    kind: str = "person"
    seed: int = 0
    processes: int | None = None
    image_size: tuple[int, int] | None = None
    domain: str = "day"
    queries: str = "whole"

    def __post_init__(self):
        for field, choices in (
            ("preset", PRESETS),
            ("kind", KINDS),
            ("domain", DOMAINS),
            ("queries", VIEWS),
        ):
            if getattr(self, field) not in choices:
                names = ", ".join(map(repr, choices))
                raise UserError(
                    f"`{field}` of the synthetic data set must be one of {names}. Received: {getattr(self, field)!r}"
                )
        if not isinstance(self.seed, int) or self.seed < 0:
            raise UserError(f"`seed` must be an integer, 0 or larger. Received: seed={self.seed!r}")
        if self.processes is not None and self.processes < 1:
            raise UserError(
                f"`processes` must be at least 1, or None for one per core. Received: {self.processes!r}"
            )
        if self.image_size is not None:
            if len(self.image_size) != 2 or min(self.image_size) < 16:
                raise UserError(
                    f"`image_size` must be (height, width), each at least 16 pixels. Received: {self.image_size!r}"
                )
            object.__setattr__(self, "image_size", tuple(self.image_size))

    @property
    def name(self) -> str:
        return f"synthetic-{self._described()}"

    def folder(self, root: str | os.PathLike[str]) -> pathlib.Path:
        """The folder of the images under `root`; its name contains a digest of all settings and the version."""
        described = json.dumps(self._settings(), sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()[:8]
        return pathlib.Path(root) / "synthetic" / f"{self._described()}-{digest}"

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Draws the images under `root` if they are not there yet, and returns the `ReIDDataset`.

        Images are drawn into a temporary folder, which is renamed when it is complete, so that an interrupted run
        leaves nothing that looks like a data set.

        Args:
            root: folder of all data sets; created if missing.

        Raises:
            UserError: if the folder cannot be written, or images are missing from it.
        """
        folder = self.folder(root)
        try:
            if not folder.exists():
                self._draw(folder)
            return self._load(folder)
        except OSError as error:
            if is_full(error):
                raise
            raise UserError(f"cannot draw or read the synthetic data set in {folder}: {error}") from error

    def _described(self):
        variants = [self.domain] * (self.domain != "day") + [self.queries] * (self.queries != "whole")
        return "-".join([self.kind, self.preset, str(self.seed), *variants])

    def _preset(self):
        return with_size(PRESETS[self.preset], self.image_size)

    def _settings(self):
        return settings(self.kind, self._preset(), self.seed, self.domain, self.queries)

    def _draw(self, folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # If two processes want the same data set, the second waits.
        lock = Lock(folder.with_name(f".{folder.name}.lock"), waiting=lambda holder: None)
        try:
            if folder.exists():  # another process was faster
                return
            for left_over in folder.parent.glob(f".{folder.name}.partial-*"):
                shutil.rmtree(left_over, ignore_errors=True)
            partial = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
            try:
                generate(
                    *(partial, self.kind, self._preset(), self.seed, self.processes),
                    domain=self.domain,
                    queries=self.queries,
                )
                write_table(partial, self.kind, self._preset(), self.seed)
                partial.chmod(0o755)  # temporary folders are private to their owner
                os.rename(partial, folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        finally:
            lock.release()

    def _load(self, folder):
        try:
            manifest = read_json(folder / MANIFEST)
        except (FileNotFoundError, UserError) as error:
            raise UserError(
                f"{folder} has no readable {MANIFEST}, so it is not a complete synthetic data set; "
                "delete the folder, and it will be drawn again"
            ) from error
        parts = {}
        for part in PARTS:
            present = set(os.listdir(folder / part)) if (folder / part).is_dir() else set()
            wanted = [(file_name(*moment), moment) for moment in moments(self._preset(), part)]
            missing = [name for name, _ in wanted if name not in present]
            if missing or len(wanted) != manifest["images"][part]:
                raise UserError(
                    f"{folder / part} must contain {manifest['images'][part]} images, but {len(missing)} are missing; "
                    f"the first is {missing[0] if missing else '?'}; delete {folder}, and it will be drawn again"
                )
            parts[part] = [
                Sample(str(folder / part / name), identity, camera) for name, (identity, camera, _) in wanted
            ]
        return ReIDDataset(self.name, **parts, protocol="cross_camera")
