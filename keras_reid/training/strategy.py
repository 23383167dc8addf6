"""Several devices, on one machine or several."""

import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Literal

import keras
import tensorflow as tf
from keras import ops

from keras_reid.data.samplers.sharding import check_sharding
from keras_reid.utils.errors import UserError
from keras_reid.utils.hints import Tensor
from keras_reid.utils.workers import this_worker


def choose_strategy(devices: int | Literal["all"] | None = None) -> tf.distribute.Strategy | None:
    """The `tf.distribute` strategy for the devices that are asked for.

    With the environment variable `TF_CONFIG` of several workers it is `MultiWorkerMirroredStrategy`, with all GPUs of
    each worker; call it then before anything else is computed. On one machine it is `MirroredStrategy` for several
    devices, and None for one. Devices are GPUs, or logical CPUs where there is no GPU.

    Args:
        devices: how many, `"all"`, or None for one; with several workers None or "all".

    Returns:
        A strategy, or None for one device.

    Raises:
        UserError: if there are fewer devices, or `TF_CONFIG` makes no sense.

    Example:
        >>> strategy = choose_strategy("all")
        >>> with scope(strategy):
        ...     model = ReIDModel(...)
    """
    worker = this_worker()
    if worker.count > 1:
        if devices not in (None, "all"):
            raise UserError(
                "training.devices must be none or all where TF_CONFIG names several workers, each of which uses all "
                f"its GPUs; choose them with CUDA_VISIBLE_DEVICES. Received: {devices}"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    if devices is None:
        return None
    available = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    count = len(available) if devices == "all" else devices
    if not 1 <= count <= len(available):
        kind = "GPU" if available[0].device_type == "GPU" else "CPU device"
        raise UserError(
            f"training.devices must be from 1 to {len(available)}, as this machine has {len(available)} {kind}"
            f"{'s' if len(available) > 1 else ''}. Received: {devices}"
        )
    if count == 1:
        return None
    return tf.distribute.MirroredStrategy([device.name for device in available[:count]])


def scope(strategy: tf.distribute.Strategy | None) -> AbstractContextManager[Any]:
    """What a model and its optimizer and losses are made and compiled in."""
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def check_replicas(strategy: tf.distribute.Strategy | None, sampler: Any) -> None:
    """Refuses a sampler whose batches cannot be shared out among the replicas of a strategy with whole identities.

    Raises:
        UserError: saying which sizes can.
    """
    if strategy is not None:
        check_sharding(sampler, strategy.num_replicas_in_sync)


def distribute(
    strategy: tf.distribute.Strategy | None, make_batches: Callable[[int, int], tf.data.Dataset]
) -> Any:
    """Batches of which each replica gets its part: replica r the r-th of as many equal ones, in the order of the batch.

    Args:
        strategy: as `choose_strategy` gives it.
        make_batches: called as `make_batches(index, count)`; gives a `tf.data.Dataset` of the `index`-th of `count`
            equal parts of each batch: a worker makes its own part only.

    Returns:
        What `fit` is given, with `steps_per_epoch`.

    Example:
        >>> fit_on = distribute(None, lambda index, count: train_batches(..., part=(index, count))[0])
    """
    if strategy is None:
        return make_batches(0, 1)

    def of_worker(context):
        batches = make_batches(context.input_pipeline_id, context.num_input_pipelines)
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        size = tf.nest.flatten(batches.element_spec)[0].shape[0]
        # One element for each replica, in turn.
        return batches.rebatch(size // replicas, drop_remainder=True)

    return strategy.distribute_datasets_from_function(of_worker)


def from_chief(
    strategy: tf.distribute.Strategy | None, variables: Iterable[Any], *numbers: int
) -> tuple[int, ...]:
    """Gives the variables of every worker the values that the chief's have, as after it has read a checkpoint.

    Every worker must call it. Of one process, nothing changes.

    Args:
        strategy: as `choose_strategy` gives it.
        variables: of the same kind and order on all workers.
        *numbers: whole numbers.

    Returns:
        The chief's numbers.
    """
    if not _several_workers(strategy):
        return numbers
    variables = list(variables)

    @tf.function
    def chosen(values):
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group, 0)
        return [
            context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, value, tf.zeros_like(value)))
            for value in values
        ]

    # Not every integer type can be sent, so all are sent as int64.
    values = [tf.constant(number, tf.int64) for number in numbers]
    for variable in variables:
        value = tf.convert_to_tensor(variable)
        values.append(value if value.dtype.is_floating else tf.cast(value, tf.int64))
    local: Any = strategy
    values = [local.experimental_local_results(value)[0] for value in local.run(chosen, args=(values,))]
    for variable, value in zip(variables, values[len(numbers) :], strict=True):
        variable.assign(tf.cast(value, variable.dtype))
    return tuple(int(value) for value in values[: len(numbers)])


class StopTogether(keras.callbacks.Callback):
    """Lets all workers stop after the same epoch: when the chief, which alone evaluates, asks for it.

    Must be the last callback of every worker. The others wait here for the chief.

    Args:
        strategy: as `choose_strategy` gives it.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None) -> None:
        super().__init__()
        self.strategy = strategy

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        (stop,) = from_chief(self.strategy, (), int(self.model.stop_training))
        self.model.stop_training = bool(stop)


def over_workers(metrics: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a step of Keras' `fit` returns: with several workers, Keras 3.15 takes the mean of rows, not of scalars."""
    if not _several_workers(tf.distribute.get_strategy()):
        return metrics
    return {name: ops.reshape(value, (1,)) for name, value in metrics.items()}


def _several_workers(strategy):
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and len(strategy.extended.worker_devices) < strategy.num_replicas_in_sync
    )
