"""Several data sets as one."""

import dataclasses
from typing import Any

from keras_reid.data.combining import combine, combine_all
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Combined:
    """Several data sets to train on at once, or all parts of one.

    It has no test part: name the sets to test on as `test_datasets` of the experiment.

    Args:
        datasets: readers, such as `(Market1501(), DukeMTMC())`; all are looked for below the same root.
        combine_all: also trains on validation, query and gallery images, except junk identities.
        name: of the combined set, for tables; empty: the names joined by "+".

    Raises:
        UserError: if `datasets` is empty or holds something else than readers.

    Example:
        >>> both = Combined((Market1501(), DukeMTMC())).read("datasets")
        >>> both.name, both.train_labels()[2][:2]
        ('market1501+dukemtmc', ['dukemtmc_1', 'dukemtmc_10'])

    Source: FastReID's `DATASETS.NAMES` and `DATASETS.COMBINEALL`, whose classes have the same names and order.
    """

    datasets: tuple[Any, ...]
    combine_all: bool = False
    name: str = ""

    def __post_init__(self):
        if not isinstance(self.datasets, (tuple, list)) or not self.datasets:
            raise UserError(f"`datasets` must be a tuple of one reader or more. Received: {self.datasets!r}")
        for reader in self.datasets:
            if not callable(getattr(reader, "read", None)):
                raise UserError(
                    f"`datasets` must hold readers, objects with read(root), such as Market1501(). Received: {reader!r}"
                )
        object.__setattr__(self, "datasets", tuple(self.datasets))

    def read(self, root):
        """Reads every set below `root`.

        Raises:
            UserError: if one cannot be read, or they cannot be combined; see `keras_reid.data.combining`.
        """
        read = [reader.read(root) for reader in self.datasets]
        return combine([combine_all(dataset) if self.combine_all else dataset for dataset in read], self.name)
