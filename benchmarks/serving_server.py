"""The server that `benchmarks/serving.py` measures; Linux only."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from keras_reid.utils.errors import UserError

ROOT = pathlib.Path(__file__).parents[1]


class Server:
    """The embedded server with one model, in a separate process.

    Args:
        model: folder of a SavedModel.
        folder: folder for its copy of the model and its log.
        options: further arguments of the command.

    Attributes:
        ports: dict with the ports of the protocols `"rest"` and `"grpc"`.
    """

    def __init__(self, model, folder, options=()):
        self.model, self.versions, self.count = model, folder / "models" / "reid", 0
        self.publish()
        ready = folder / "ready.json"
        self.log = folder / "server.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "keras_reid.serving.server",
                    self.versions,
                    "--rest-port",
                    "0",
                    "--grpc-port",
                    "0",
                ]
                + ["--poll-seconds", "0.5", "--ready-file", ready, *options],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while not ready.exists():
            if self.process.poll() is not None:
                raise UserError(f"the server did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)
        told = json.loads(ready.read_text())
        self.ports = {protocol: int(told[protocol].rpartition(":")[2]) for protocol in ("rest", "grpc")}

    def publish(self):
        """Publishes the same model as another version, and deletes the one before the previous."""
        self.count += 1
        self.versions.mkdir(parents=True, exist_ok=True)
        aside = self.versions / f".{self.count}"
        shutil.copytree(self.model, aside)
        aside.rename(self.versions / str(self.count))
        shutil.rmtree(self.versions / str(self.count - 2), ignore_errors=True)

    def wait_for_version(self):
        from keras_reid.serving.client import Client

        with Client(f"http://127.0.0.1:{self.ports['rest']}") as client:
            while (self.count, "AVAILABLE") not in [(v["version"], v["state"]) for v in client.status()]:
                time.sleep(0.05)

    def cpu_seconds(self):
        """Processor time that the server has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self):
        """Resident memory of the server."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
