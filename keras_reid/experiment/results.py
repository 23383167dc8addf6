"""What a run leaves behind when it is done."""

from keras_reid.experiment.environment import versions
from keras_reid.experiment.loading import as_dict
from keras_reid.files import written_aside


def save_model(model, file, epoch=None):
    """Saves a model without its optimizer, which would triple its size.

    Args:
        model: a `ReIDModel`.
        file: path, ending in `.keras`.
        epoch: after how many epochs, for the provenance in its metadata.
    """
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    if epoch is not None:
        bare.metadata["provenance"] = {**bare.metadata["provenance"], "epoch": epoch}
    with written_aside(file) as aside:
        bare.save(aside)


def write_pages(experiment, directory, tests, evaluations):
    """Writes the report with its ranked lists, and what TensorBoard's projector shows."""
    from keras_reid.visualization import draw_ranked_lists, ranked_lists, write_report
    from keras_reid.visualization.projector import write_projector

    images = experiment.evaluation.projector_images
    lists = {}
    for dataset in tests:
        evaluation = evaluations[dataset.name]
        lists[dataset.name] = ranked_lists(
            [sample.path for sample in dataset.query],
            [sample.path for sample in dataset.gallery],
            evaluation.query,
            evaluation.gallery,
            evaluation.result,
            metric=experiment.evaluation.metric,
            protocol=dataset.protocol,
        )
        if images:
            write_projector(directory / "tensorboard", dataset, evaluation.query, evaluation.gallery, images)
    results = {name: evaluation.result for name, evaluation in evaluations.items()}
    page = write_report(directory.path, experiment.name, results, as_dict(experiment), versions(), lists)
    for name, of_set in lists.items():
        draw_ranked_lists(of_set, page.with_name(f"ranked_lists_{name}.png"))
    print(f"report: {page}")
