"""A run: data, model, training, evaluation, results."""

from keras_reid.run.assembling import assemble_model, make_batches
from keras_reid.run.following import check_sharing, follow
from keras_reid.run.model import check_saving
from keras_reid.run.parts import read_parts
from keras_reid.run.results import save_model, write_pages
from keras_reid.run.stages.adaptation import target_of
from keras_reid.run.stages.distillation import outputs_of
from keras_reid.run.stages.partial import with_dsr
from keras_reid.run.stopping import said_in_words
from keras_reid.run.train import train
from keras_reid.utils.files import write_json


def run(experiment, directory, resume=False, trust_code=False):
    """Trains and evaluates an experiment and writes its results to a run directory.

    The final metrics and `model.keras` are those of the last epoch; `best.keras` and `best.json` are those of the best
    evaluated one.

    Args:
        experiment: an `Experiment`.
        directory: a `RunDirectory`; None in another worker than the chief (see `keras_reid.utils.workers`), which
            trains and writes nothing.
        resume: continue from the newest checkpoint in the directory, if there is one.
        trust_code: as in `load_model`, for runs that the experiment names as teachers or source.

    Returns:
        The metrics by the name of the test set, as written to `metrics.json`; of the chief only.

    Raises:
        UserError: for a mistake in the experiment or its data, before training begins; when the training diverges or
            the disk is full.
        SystemExit: with code 143 after SIGTERM, when a checkpoint is saved.
    """
    import keras
    import tensorflow as tf

    from keras_reid.evaluation.dsr.maps import map_model
    from keras_reid.models import load_model
    from keras_reid.training.strategy import choose_strategy, from_chief, scope

    training = experiment.training
    strategy = choose_strategy(training.devices)  # before anything is computed
    check_sharing(strategy, experiment.data.sampler)
    keras.config.set_dtype_policy(training.precision)
    keras.utils.set_random_seed(training.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    parts = read_parts(experiment, strategy, trust_code)
    dataset, tests = parts.dataset, parts.tests
    with said_in_words(directory):
        taught = outputs_of(experiment.distillation, parts.teachers, dataset)
        target = target_of(experiment, dataset)
        batches = make_batches(experiment, dataset, taught, resume, target)
        with scope(strategy):
            model = assemble_model(experiment, parts, batches.steps_per_epoch, taught, target)
        if directory is None:
            follow(experiment, strategy, model, dataset, batches.start, batches.steps_per_epoch)
            return {}
        check_saving(model, experiment)
        if experiment.evaluation.metric == "dsr":
            map_model(getattr(model, "student", model))  # says before the training if there is no map
        shown = f"{len(dataset.train_labels()[2])} classes" if target is None else "no classes"
        print(
            f"{model.count_params():,} parameters, {shown}, {training.epochs} epochs "
            f"of {batches.steps_per_epoch} steps, {batches.batch_size} images a step; results in {directory.path}"
        )
        retrieval = train(experiment, directory, resume, strategy, model, parts, batches, target)
        evaluations = retrieval.last or retrieval.evaluate(model)
        from_chief(strategy, (), 0)  # the other workers may end
        save_model(model, directory / "model.keras")
        write_pages(experiment, directory, tests, evaluations)
        results = {name: item.result for name, item in evaluations.items()}
        if experiment.evaluation.metric == "dsr":
            saved = load_model(directory.path)  # outside a strategy's scope
            results = with_dsr(saved, tests, results, experiment.evaluation, *parts.validations)
            save_model(saved, directory / "model.keras")  # with the share in its metadata
        metrics = _metrics(results, experiment.evaluation.recall)
        # Last of all: a run with this file is finished.
        write_json(directory / "metrics.json", metrics)
    best = retrieval.best
    print(
        f"best: epoch {best.epoch}, {100 * best.value:.1f} % (mean of mAP and Rank-1), {directory / 'best.keras'}"
    )
    return metrics


def _metrics(results, recall):
    """The numbers of each test set for `metrics.json`; prints Recall@K, if it is asked for."""
    from keras_reid.evaluation.table import print_recall_table

    recalls = {name: result.recalls(recall) for name, result in results.items()}
    if recall:
        print_recall_table(recalls, recall)
    return {name: {**result.to_dict(), **recalls[name]} for name, result in results.items()}
