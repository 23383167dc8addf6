"""The folder of a run: its name, and what a later command needs to know of how it was made."""

import itertools
import json
import shutil
from pathlib import Path

from keras_reid.errors import UserError
from keras_reid.experiment.loading import as_dict, load_experiment, override
from keras_reid.experiment.smoke import smoke
from keras_reid.files import write_json

RUNS = Path("runs")


class RunDirectory:
    """`runs/NAME/`: experiment.json, a copy of the experiment file, command.json, and what the run writes.

    Args:
        path: the folder.
    """

    def __init__(self, path):
        self.path = Path(path)

    def __truediv__(self, name):
        return self.path / name

    @classmethod
    def create(cls, experiment, file, arguments=(), smoke=False, seed=None):
        """A new folder for a run: `runs/NAME`, or NAME-2, NAME-3 … where that is taken; a smoke run replaces it."""
        path = RUNS / experiment.name
        if smoke:
            shutil.rmtree(path, ignore_errors=True)
        elif path.exists():
            path = next(p for k in itertools.count(2) if not (p := RUNS / f"{experiment.name}-{k}").exists())
        path.mkdir(parents=True)
        run = cls(path)
        shutil.copyfile(file, run / "experiment.py")
        command = {"file": str(file), "arguments": list(arguments), "smoke": smoke, "seed": seed}
        write_json(run / "command.json", command)
        write_json(run / "experiment.json", as_dict(experiment))
        return run

    @classmethod
    def unfinished(cls, experiment):
        """The newest unfinished run of an experiment, or None if it never began.

        Raises:
            UserError: if its newest run is finished, or was made with other settings.
        """
        paths = [RUNS / experiment.name, *RUNS.glob(f"{experiment.name}-[0-9]*")]
        paths = [path for path in paths if (path / "experiment.json").is_file()]
        if not paths:
            return None
        run = cls(max(paths, key=lambda path: (path / "experiment.json").stat().st_mtime))
        if (run / "metrics.json").is_file():
            raise UserError(
                f"{run.path} is finished: there is nothing to resume. Without --resume a new run is made"
            )
        before, now = (
            json.loads((run / "experiment.json").read_text()),
            json.loads(json.dumps(as_dict(experiment))),
        )
        changed = sorted(_differences(before, now))
        if changed:
            raise UserError(
                f"{run.path} was started with other settings, and a resumed run must not mix them: "
                f"{', '.join(changed)} changed. Restore them, or start a new run without --resume"
            )
        return run

    def experiment(self):
        """The experiment as it was run: the copied file with the same arguments."""
        command = json.loads((self / "command.json").read_text(encoding="utf-8"))
        return resolve(self / "experiment.py", command["arguments"], command["smoke"], command["seed"])[0]


def resolve(file, arguments, smoke_run=False, seed=None):
    """The experiment that a file, `--KEY VALUE` arguments and the flags of `fit` ask for.

    Returns:
        The experiment and the sentences that say what `--smoke` substituted.
    """
    from dataclasses import replace

    experiment = override(load_experiment(file), list(arguments), program=f"python -m keras_reid.fit {file}")
    said = []
    if smoke_run:
        experiment, said = smoke(experiment)
    if seed is not None:
        training = replace(experiment.training, seed=seed)
        experiment = replace(experiment, name=f"{experiment.name}-seed{seed}", training=training)
    return experiment, said


def _differences(before, now, key=""):
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before.keys() | now.keys():
            inner = f"{key}.{name}" if key else name
            yield from _differences(before.get(name), now.get(name), inner)
    elif before != now:
        yield key
