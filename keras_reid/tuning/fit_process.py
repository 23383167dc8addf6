"""`fit` in a separate process, watched through the files that it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCORES = ("score", "rank1", "mAP", "epoch")
_POLL_SECONDS = 0.5
_GRACE_SECONDS = 20.0


class FitProcess:
    """A running `fit`, and its scores as they come.

    A process for each trial: the memory of one is gone before the next begins, a crash is an exit code, and the
    command can be repeated by hand. It is told to end (SIGTERM: it saves a checkpoint) when this process ends, however
    that happens.

    Args:
        command: the program and its arguments.
        directory: the run directory that it writes to.
        log: file that its output is appended to.
        working_directory: where it runs.
        environment: variables added to those of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        log: Path,
        working_directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory, self.log = Path(directory), Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "keras_reid.tuning.child", str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=working_directory,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # with its own children, to be stopped together
            )
        self._reported = 0

    def next_score(self) -> dict[str, Any]:
        """Waits for the next evaluation, or the end.

        Returns:
            `{"score", "rank1", "mAP", "epoch", "finished"}`; the last one, `finished`, is of the final metrics.

        Raises:
            RuntimeError: with the process's own last line, if it fails.
        """
        while True:
            ended = self._process.poll()  # before reading, so that nothing is missed
            if ended is None:
                scores = self._scores_before_the_last_epoch()
                if len(scores) > self._reported:
                    self._reported += 1
                    return {**scores[self._reported - 1], "finished": False}
                time.sleep(_POLL_SECONDS)
            elif ended == 0:
                return final_score(self.directory)
            else:
                raise RuntimeError(self._last_words(ended))

    def stop(self) -> None:
        """Ends it: politely, then not."""
        for sign, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
            if self._process.poll() is not None:
                return
            os.killpg(self._process.pid, sign)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue

    def _scores_before_the_last_epoch(self):
        """Of the last one the final metrics tell: a scheduler must not stop a run that is about to write them."""
        scores = read_scores(self.directory / "metrics.jsonl")
        if not scores:
            return []
        description = json.loads((self.directory / "experiment.json").read_text(encoding="utf-8"))
        return [score for score in scores if score["epoch"] < description["training"]["epochs"]]

    def _last_words(self, code):
        with open(self.log, "rb") as file:
            file.seek(self._said_before)
            lines = file.read().decode("utf-8", "replace").splitlines()
        said = [line for line in lines if line.strip()] or ["it said nothing"]
        errors = [line for line in said if line.startswith("error: ")]
        return (errors or said)[-1].removeprefix("error: ") + f" (exit code {code}, {self.log})"


def read_scores(file: Path) -> list[dict[str, Any]]:
    """The evaluations in a run's `metrics.jsonl` so far; a line that is still being written is left for later."""
    if not Path(file).is_file():
        return []
    scores = []
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break
        sets = [key.removesuffix("/mAP") for key in record if key.endswith("/mAP")]
        if sets:
            scores.append(_score(record[f"{sets[0]}/rank1"], record[f"{sets[0]}/mAP"], record["epoch"]))
    return scores


def final_score(directory: Path) -> dict[str, Any]:
    """The score of a finished run, of its first test set."""
    metrics = json.loads((Path(directory) / "metrics.json").read_text(encoding="utf-8"))
    first = next(iter(metrics.values()))
    scores = read_scores(Path(directory) / "metrics.jsonl")
    epoch = scores[-1]["epoch"] if scores else 0
    return {**_score(first["rank1"], first["mAP"], epoch), "finished": True}


def _score(rank1, mean_ap, epoch):
    """(Rank-1 + mAP) / 2, as FastReID chooses its best model."""
    return {"score": (rank1 + mean_ap) / 2, "rank1": rank1, "mAP": mean_ap, "epoch": epoch}
