"""Runs the embedded server in a separate process."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import grpc
import requests

ROOT = pathlib.Path(__file__).parents[2]


def command(*arguments):
    return [sys.executable, "-m", "keras_reid.serving.server", *map(str, arguments)]


class RunningServer:
    """`keras-reid serve …` on free ports, ready when constructed.

    Attributes:
        rest: `http://HOST:PORT`.
        grpc: `HOST:PORT`.
        process: the `Popen`.
        log: path of a file with its standard error.
    """

    def __init__(self, folder, *arguments):
        ready, self.log = folder / "ready.json", folder / "server.log"
        ready.unlink(missing_ok=True)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command(*arguments, "--rest-port", 0, "--grpc-port", 0, "--ready-file", ready),
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.ready_file = ready
        end = time.monotonic() + 300
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"the server did not start: {self.log.read_text()}")
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        self.rest, self.grpc, self.models = told["rest"], told["grpc"], told["models"]
        self.http = requests.Session()
        self.channel = grpc.insecure_channel(self.grpc)

    def get(self, path, **options):
        return self.http.get(self.rest + path, timeout=60, **options)

    def predict(self, body, model="reid", choice="", **options):
        """The response to `POST /v1/models/MODEL CHOICE :predict`; `body` is JSON or bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        return self.http.post(f"{self.rest}/v1/models/{model}{choice}:predict", data, timeout=60, **options)

    def wait_for(self, state, version, model="reid"):
        """Waits until the status reports the version; returns its entry."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            for entry in self.get(f"/v1/models/{model}").json().get("model_version_status", []):
                if entry["version"] == str(version) and entry["state"] == state:
                    return entry
            time.sleep(0.02)
        raise AssertionError(f"version {version} is not {state}: {self.log.read_text()}")

    def close(self, ok=True):
        """Stops the server, and checks that it ended well."""
        self.http.close()
        self.channel.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        if ok:
            assert code == 0, self.log.read_text()
        return code
