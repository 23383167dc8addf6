"""The command `keras-reid serve`: its checks, sockets and logs, before TensorFlow is loaded."""

import asyncio
import contextlib
import logging
import os
import resource
import sys

import tyro

from keras_reid.serving.server.batching_config import BatchingParameters, read_batching_config
from keras_reid.serving.server.listening import bound
from keras_reid.serving.server.options import Serve
from keras_reid.utils import command_line


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Serve, arguments, prog="keras-reid serve", config=(tyro.conf.FlagCreatePairsOff,)
    )
    options.check()
    parameters = (
        read_batching_config(options.batching_config) if options.batching_config else BatchingParameters()
    )
    with contextlib.closing(bound(options.host, options.rest_port, "--rest-port")) as listener:
        # gRPC binds its port itself, after the model is loaded; check now whether it can.
        bound(options.host, options.grpc_port, "--grpc-port").close()
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # do not log a line for every bad request
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        # A slow client costs only a connection, so allow as many as the system does.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        command_line.load_tensorflow()
        from keras_reid.serving.server.application import serve

        left_behind = asyncio.run(serve(options, parameters, listener))
    if left_behind:  # Python would wait for these threads, or unload TensorFlow while they use it
        logging.getLogger(__name__).warning("stopped while some versions were still loading")
        logging.shutdown()
        os._exit(0)
