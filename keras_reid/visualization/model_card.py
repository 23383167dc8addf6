"""The model card of a run: what a stranger must know of a model, as a README.md for the Hugging Face Hub."""

from __future__ import annotations

import functools
import os
import pathlib
import re
from typing import Any

import jinja2
import yaml

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json
from keras_reid.utils.model_metadata import read_metadata
from keras_reid.utils.plain_paths import without_folders
from keras_reid.visualization.experiment_settings import as_python, flat_settings
from keras_reid.visualization.run_summary import purpose_of, run_summary

_COLUMNS = {"rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "mAP": "mAP", "mINP": "mINP"}
_OTHER = "other"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")
# Settings that say how it was trained, rather than on which machine.
_RECIPE = (
    "model.",
    "losses.",
    "loss_weights",
    "optimizer",
    "schedule",
    "training.epochs",
    "training.seed",
    "data.sampler",
)


def model_card(
    run: str | os.PathLike[str],
    exports: str | os.PathLike[str] | None = None,
    licence: str | None = None,
    address: str = "model.keras",
) -> str:
    """The card of a finished run. Nothing is computed: it tells what the run's files say.

    Args:
        run: run directory, with metrics.json.
        exports: folder that `keras-reid export` wrote for the run's model, or None.
        licence: the Hub's identifier, as "apache-2.0" or "cc-by-nc-4.0"; None says that none is stated.
        address: what commands take the model from.

    Returns:
        Markdown, with the front matter that the Hub expects.

    Raises:
        UserError: the run has no model or no metrics, or they are damaged; the licence is no identifier.

    Example:
        >>> card = model_card("runs/quickstart", licence="apache-2.0")  # doctest: +SKIP
        >>> card.splitlines()[1]  # doctest: +SKIP
        'license: apache-2.0'
    """
    run = pathlib.Path(run)
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise UserError(
            "a licence must be an identifier of the Hub, such as apache-2.0, mit, cc-by-nc-4.0 or other. "
            f"Received: {licence!a}"
        )
    description, metrics = (
        without_folders(read_json(run / "experiment.json")),
        read_json(run / "metrics.json"),
    )
    metadata = read_metadata(run / "model.keras")
    name = str(description.get("name", run.name))
    spread = _spread(run, name, metrics)
    summary = {**run_summary(run, description, []), **_session(metadata)}
    calibration = metadata.get("calibration")
    card = _template().render(
        front_matter=yaml.safe_dump(
            _front_matter(name, description, metadata, metrics, licence), sort_keys=False, allow_unicode=True
        ),
        name=_plain(name),
        purpose=_plain(purpose_of(run)),
        smoke=read_json(run / "command.json").get("smoke") is True
        if (run / "command.json").is_file()
        else False,
        summary=list(summary.items()),
        dimensions="a vector",
        address=address,
        size=" × ".join(map(str, metadata.get("image_size") or description["model"]["image_size"])),
        metric="cosine" if not calibration else str(calibration.get("metric")),
        data=_data(description, metadata),
        augmentation=", ".join(map(as_python, description.get("data", {}).get("augmentation") or ())),
        results=[_row(key, values) for key, values in metrics.items()],
        seeds=", ".join(map(str, spread.get("seeds", ()))),
        spread=_means(spread),
        calibration=_calibration(calibration) if calibration else None,
        exports=_exports(exports),
        licence=_licence(licence),
        settings=[(key, text) for key, text in flat_settings(description).items() if key.startswith(_RECIPE)],
    )
    return card.strip() + "\n"


def _front_matter(name, description, metadata, metrics, licence):
    """What the Hub reads, as https://huggingface.co/docs/hub/model-cards describes it."""
    sets = [_identifier(key) for key in metrics]
    trained = _identifier(str((metadata.get("provenance") or {}).get("dataset") or ""))
    backbone = description.get("model", {}).get("backbone")
    kind = backbone.get("type") if isinstance(backbone, dict) else None
    results = [
        {
            "task": {"type": "image-feature-extraction", "name": "Re-identification"},
            "dataset": {"name": _plain(key), "type": _identifier(key)},
            "metrics": [
                {"type": column.lower(), "name": title, "value": round(float(values[column]), 4)}
                for column, title in _COLUMNS.items()
                if isinstance(values.get(column), (int, float))
            ],
        }
        for key, values in metrics.items()
    ]
    return {
        "license": licence or _OTHER,
        "library_name": "keras",
        "pipeline_tag": "image-feature-extraction",
        "tags": [
            "keras_reid",
            "re-identification",
            "image-retrieval",
            *([_identifier(kind)] if kind else []),
        ],
        "datasets": list(dict.fromkeys(one for one in (trained, *sets) if one)),
        "metrics": ["rank1", "map", "minp"],
        "model-index": [{"name": _plain(name), "results": results}],
    }


def _session(metadata):
    """The versions that a model was trained with."""
    versions = (metadata.get("provenance") or {}).get("versions") or {}
    return {"versions": ", ".join(f"{key} {value}" for key, value in versions.items())} if versions else {}


def _data(description, metadata):
    dataset = (metadata.get("provenance") or {}).get("dataset")
    described = as_python(description.get("data", {}).get("dataset"))
    return f"{dataset}, read by {described}" if dataset else described


def _row(name, values):
    numbers = {column: _percent(values.get(column)) for column in _COLUMNS}
    return {"name": name, "queries": values.get("num_valid_queries", "–"), **numbers}


def _percent(value):
    return f"{100 * value:.2f}" if isinstance(value, (int, float)) else "–"


def _spread(run, name, metrics):
    """What `fit --seeds` wrote beside its runs, if this run is one of them."""
    for stem in dict.fromkeys((name, re.sub(r"-seed-?\d+$", "", name), run.name)):
        file = run.parent / f"{stem}-seeds.json"
        if file.is_file():
            spread = read_json(file)
            if metrics in spread.get("results", {}).values():
                return spread
    return {}


def _means(spread):
    rows = []
    for name, values in spread.get("test_sets", {}).items():
        mean, deviation = values["mean"], values["standard_deviation"]
        numbers = (
            f"{title} {_percent(mean[key])} ± {_percent(deviation[key])}"
            for key, title in _COLUMNS.items()
            if key in mean
        )
        rows.append({"name": name, "text": ", ".join(numbers)})
    return rows


def _calibration(calibration):
    """The parts of a calibration that a card tells."""
    fitted, thresholds = calibration.get("fitted_on") or {}, calibration.get("thresholds") or {}
    return {
        "metric": calibration["metric"],
        "threshold": f"{calibration['threshold']:.4f}",
        "rate": f"{100 * calibration['false_positive_rate']:g} %",
        "pairs": f"{fitted['pairs']:,}" if isinstance(fitted.get("pairs"), int) else "held-out",
        "points": [
            {
                "name": name,
                "value": f"{100 * value:.2f} %",
                "threshold": f"{thresholds[name]:.4f}" if name in thresholds else "–",
            }
            for name, value in (calibration.get("operating_points") or {}).items()
        ],
    }


def _exports(folder):
    """What the parity.json of each artefact says."""
    rows = []
    for file in sorted(pathlib.Path(folder).rglob("parity.json")) if folder else ():
        parity = read_json(file)
        difference, cosine = parity.get("max_difference"), parity.get("min_cosine")
        rows.append(
            {
                "name": file.parent.relative_to(folder).as_posix(),
                "verified": "yes" if parity.get("verified") is True else "no",
                "difference": f"{difference:.1e}" if isinstance(difference, float) else "–",
                "cosine": f"{cosine:.6f}" if isinstance(cosine, float) else "–",
            }
        )
    return rows


def _licence(licence):
    if licence in (None, _OTHER):
        return "The author has stated no licence. Weights that started from others' are also bound by theirs."
    return f"{licence}. Weights that started from others' are also bound by theirs."


def _identifier(text):
    return re.sub(r"[^\w.-]+", "-", str(text)).strip("-").lower()


def _plain(text):
    """A user's text in one line, without what a terminal or a page would act on."""
    return re.sub(
        r"[<>`]", "", "".join(letter if letter.isprintable() else " " for letter in str(text))
    ).strip()


def _cell(text: Any) -> str:
    """A text in a cell of a table."""
    return _plain(text).replace("|", "\\|")


@functools.cache
def _template():
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_reid.visualization"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment.get_template("model_card.md")
