"""`keras-reid pack SOURCE FOLDER`: packs a data set into a few large files."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Pack:
    """Pack a data set into TFRecord files, for file systems that are slow with many small files.

    The bytes of the images stay the same. To train and test on the result, use the reader keras_reid.data.Records.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """name of a benchmark (market1501, msmt17, …), or an experiment file with the data set"""
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """folder to write to; must not exist yet"""
    root: Path | None = None
    """folder that contains the data set; by default the experiment file's root, or datasets for a benchmark"""
    shard_megabytes: float = 256.0
    """approximate size of a TFRecord file, in megabytes"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Pack, arguments, prog="keras-reid pack")
    if options.shard_megabytes <= 0:
        raise UserError(f"--shard-megabytes must be above 0. Received: {options.shard_megabytes}")
    reader, root = _reader(options.source)
    dataset = reader.read(options.root or root)
    dataset.print_statistics()
    command_line.load_tensorflow()
    from keras_reid.data.datasets.records import write_records

    shards = write_records(dataset, options.folder, round(options.shard_megabytes * 1e6))
    print(f"{shards} TFRecord files in {options.folder}; read them with keras_reid.data.Records")


def _reader(source):
    """The reader of a data set, and the folder that contains it."""
    if source.endswith(".py"):
        from keras_reid.experiment.loading import load_experiment

        data = load_experiment(source).data
        return data.dataset, data.root
    from keras_reid.data import BENCHMARKS

    if source not in BENCHMARKS:
        raise UserError(
            f"SOURCE must be one of {', '.join(BENCHMARKS)}, or an experiment file. Received: {source!r}"
        )
    return BENCHMARKS[source], Path("datasets")


if __name__ == "__main__":
    command_line.run(main)
