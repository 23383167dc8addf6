"""Runs both protocols on one event loop, from loading the first version to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import json
import logging
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import tensorflow as tf
import uvicorn

from keras_reid.serving.server.admission import Admission
from keras_reid.serving.server.http_protocol import BoundedHttpProtocol
from keras_reid.serving.server.left_behind import LeftBehind
from keras_reid.serving.server.loaded_model import LoadedModel
from keras_reid.serving.server.metrics import Metrics
from keras_reid.serving.server.model_config import ModelConfig, read_model_config
from keras_reid.serving.server.repository import Repository
from keras_reid.serving.server.rest import Rest
from keras_reid.serving.server.rpc import add_services
from keras_reid.serving.server.served_version import Runtime
from keras_reid.serving.server.turns import Turns
from keras_reid.serving.server.uploads import Uploads
from keras_reid.serving.server.warmup import warm_up
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import written_aside

if TYPE_CHECKING:
    from keras_reid.serving.server.batching_config import BatchingParameters
    from keras_reid.serving.server.options import Serve

_LOG = logging.getLogger(__name__)
_KEPT = 2  # versions of MODEL_DIR; the previous one stays loaded, so that going back is instant
_MOST_MS = 2**31 - 1  # largest value of a gRPC option


async def serve(options: Serve, parameters: BatchingParameters, listener: socket.socket) -> bool:
    """Serves until SIGTERM or SIGINT.

    Args:
        options: `Serve`.
        parameters: `BatchingParameters`.
        listener: bound socket for REST.

    Returns:
        whether threads are left behind; the process must not wait for them when it ends.

    Raises:
        UserError: nothing can be served.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    limits = options.limits
    admission = Admission(limits.max_concurrent_requests, limits.max_pending, metrics)
    cores = os.cpu_count() or 1
    heavy = max(1, cores // 2)  # decoding heavy requests leaves half of the cores to light ones
    with contextlib.ExitStack() as stack:
        batches = _executor(stack, parameters.num_batch_threads, parameters.thread_pool_name)
        workers = _executor(stack, cores, "worker")
        turns = Turns(_executor(stack, heavy, "heavy"), heavy)
        gc.freeze()  # imported objects stay: garbage collection then looks only at models and requests
        # A heavy piece may hold one of TensorFlow's threads for a second; other work keeps its own threads.
        tf.config.threading.set_inter_op_parallelism_threads(cores + heavy)
        runtime = Runtime(
            parameters, batches, workers, turns, 1e6 * limits.max_request_megapixels, admission, metrics
        )
        seen = _stamp(options.model_config_file)  # taken first, so that changes during loading are noticed
        repository = Repository(_configs(options), _load, runtime, options.load_seconds)
        first, stopping = asyncio.create_task(repository.first()), asyncio.create_task(stop.wait())
        await asyncio.wait([first, stopping], return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
        stopping.cancel()
        if not stop.is_set():
            if not any(repository.served().values()):
                raise UserError(_nothing(repository, options))
            await _answer(options, listener, repository, admission, metrics, stop, seen)
        return await repository.close()


async def _answer(options, listener, repository, admission, metrics, stop, seen):
    def ready():
        return not stop.is_set() and any(repository.served().values())

    idle = options.limits.idle_seconds
    uploads = Uploads(options.limits.max_pending)
    idle_ms = max(1, int(min(1000 * idle, _MOST_MS)))
    rpc = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", options.limits.max_body),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            ("grpc.server_handshake_timeout_ms", idle_ms),  # for connections that send nothing
            ("grpc.max_connection_idle_ms", idle_ms),
        ]
    )
    add_services(rpc, repository, admission, uploads, options.limits, ready)
    try:
        grpc_port = rpc.add_insecure_port(_address(options.host, options.grpc_port))
    except RuntimeError:
        raise UserError(
            f"--grpc-port: cannot listen on {options.host}:{options.grpc_port}. Stop what listens there, or choose "
            "another --grpc-port"
        ) from None
    cors = options.rest_api_enable_cors_support
    app = Rest(repository, admission, uploads, metrics, options.limits, ready, cors).app
    rest = _Uvicorn(
        uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=idle,
            timeout_graceful_shutdown=max(1, round(options.grace_seconds)),
        )
    )
    await rpc.start()
    answering = asyncio.create_task(rest.serve(sockets=[listener]))
    watching = asyncio.create_task(_watch(options, repository, seen))
    while not rest.started:
        if answering.done():
            return await answering  # raises its error
        await asyncio.sleep(0.01)
    line = json.dumps(
        {
            "rest": f"http://{_address(options.host, listener.getsockname()[1])}",
            "grpc": _address(options.host, grpc_port),
            "models": repository.served(),
        }
    )
    print(line, flush=True)
    if options.ready_file:
        with written_aside(options.ready_file) as aside:
            aside.write_text(line + "\n", encoding="utf-8")
    await stop.wait()
    _LOG.info("stopping: %d requests are in progress", admission.active)
    if options.ready_file:
        options.ready_file.unlink(missing_ok=True)
    watching.cancel()
    rest.should_exit = True
    await asyncio.gather(rpc.stop(options.grace_seconds), answering)
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def _watch(options, repository, seen):
    """Watches the folder and the configuration file, if any; `seen` is the file's stamp when it was read."""
    if not options.poll_seconds:
        return
    file, disk = options.model_config_file, LeftBehind()
    while True:
        await asyncio.sleep(options.poll_seconds)
        try:
            changed = await disk.start(_stamp, file)
            if changed != seen:
                seen = changed
                await repository.reconfigure(await disk.start(read_model_config, file, options.models_folder))
                _LOG.info("%s: read again", file)
            else:
                await repository.poll()
        except (UserError, OSError) as error:
            _LOG.error("nothing changes in what is served: %s", error)
        except Exception:
            _LOG.exception("cannot look for new versions")


def _stamp(file):
    return file and file.stat().st_mtime_ns


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield  # the application has its own handlers, for both protocols


def _load(folder):
    model = LoadedModel(folder)
    warm_up(model, folder)
    return model


def _executor(stack, threads, name):
    executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
    stack.callback(functools.partial(executor.shutdown, wait=False, cancel_futures=True))
    return executor


def _configs(options):
    if options.model_config_file:
        return read_model_config(options.model_config_file, options.models_folder)
    return [ModelConfig(options.name, options.model_dir, latest=_KEPT)]


def _nothing(repository, options):
    failures = "; ".join(repository.failures())
    where = options.model_dir or options.model_config_file
    return (
        f"{where}: no version can be served: {failures or 'the folders contain none of the wanted versions'}"
    )


def _address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
