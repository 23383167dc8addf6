"""The data sets of an experiment, read and checked."""

from dataclasses import replace

from keras_reid.data.checking import check_images
from keras_reid.data.roles import check_contents
from keras_reid.data.samplers import draw_batches
from keras_reid.utils.errors import UserError


def read_datasets(data, train=True, before_checking=lambda: None, identities=True, protocol=None):
    """The training set and the test sets that an experiment's `data` describes, with every image checked.

    Args:
        data: `Experiment.data`.
        train: whether the training part is needed.
        before_checking: called when all sets are read and before every image is decoded, which takes a while: what may
            still fail quickly belongs here.
        identities: whether the identities of the training part may be used; without, each image is one of its own, and
            the sampler is not asked whether it can draw them.
        protocol: under which the test sets will be evaluated; None for their own.

    Returns:
        The training `ReIDDataset` (None without `train`) and a list of test `ReIDDataset`s.

    Raises:
        UserError: for a missing set, two test sets of one name, an unreadable image (unless `skip_unreadable`), or
            files in two roles; see `keras_reid.data.roles`, which also warns.
    """
    read = {}
    readers = [*([data.dataset] if train else []), *(data.test_datasets or [data.dataset])]
    for reader in readers:
        if id(reader) not in read:
            dataset = read_dataset(reader, data.root, protocol)
            if train and not read and not identities:
                dataset = _without_identities(dataset)
            elif train and not read:
                # Refuses too few identities.
                draw_batches(data.sampler, *dataset.train_labels(), seed=0, epoch=0)
            read[id(reader)] = dataset
    test_readers = [id(reader) for reader in data.test_datasets or [data.dataset]]
    names = [read[reader].name for reader in test_readers]
    if len(set(names)) < len(names):
        raise UserError(
            f"test sets must have different names, as results are listed by name. Received: {names}"
        )
    for reader in test_readers:
        read[reader].test_labels()  # says what is missing before any training
    before_checking()
    checked = {reader: _readable(dataset, data.skip_unreadable) for reader, dataset in read.items()}
    trained, tests = (
        checked[id(data.dataset)] if train else None,
        [checked[reader] for reader in test_readers],
    )
    check_contents(tests, trained, identities)  # last, as it takes little time for files that were just read
    return trained, tests


def read_dataset(reader, root, protocol=None):
    """One `ReIDDataset`, with its statistics printed, and no image decoded; with another protocol, if one is given.

    Raises:
        UserError: if it is missing, or the reader is none.
    """
    if not callable(getattr(reader, "read", None)):
        raise UserError(
            f"a data set must be an object with read(root), such as data.Folder(). Received: {reader!r}"
        )
    dataset = reader.read(root)
    if protocol and dataset.query:
        dataset = replace(dataset, protocol=protocol)
    dataset.print_statistics()
    return dataset


def _without_identities(dataset):
    """The data set with its training images numbered instead."""
    numbers = {}
    samples = [
        replace(sample, identity=numbers.setdefault(sample.path, len(numbers))) for sample in dataset.train
    ]
    return replace(dataset, train=samples)


def _readable(dataset, skip_unreadable):
    """The data set without the images that cannot be read, which are listed; or an error that names them."""
    parts = {"train": dataset.train, "query": dataset.query, "gallery": dataset.gallery}
    paths = list(dict.fromkeys(sample.path for samples in parts.values() for sample in samples))
    readable = check_images(paths, skip_unreadable=skip_unreadable)
    if len(readable) == len(paths):
        return dataset
    good = {paths[index] for index in readable}
    return replace(
        dataset,
        **{part: [sample for sample in samples if sample.path in good] for part, samples in parts.items()},
    )
