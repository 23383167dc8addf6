"""The settings of an experiment as text: one line each, components as they are written in Python."""

_DRAWN = (
    "seed"  # of a Keras layer without one: a new one in each process, so it is no difference between runs
)


def flat_settings(description, key=""):
    """`{"data.root": "datasets", "model.pooling": "GeM(p=3.0)", …}` of a resolved experiment.

    Args:
        description: `experiment.json`, as nested dicts.
        key: of what is described, for inner parts.

    Example:
        >>> flat_settings({"type": "Model", "pooling": {"type": "GeM", "p": 3.0}, "image_size": [256, 128]})
        {'pooling': 'GeM(p=3.0)', 'image_size': '(256, 128)'}
    """
    settings = {}
    for name, value in description.items():
        inner = f"{key}.{name}" if key else name
        if name == "type":
            continue
        # Groups of fields and losses by name are opened; components are written as calls.
        if (
            isinstance(value, dict)
            and value
            and (value.get("type") in _GROUPS or "type" not in value)
            and ("class_name" not in value)
        ):
            settings.update(flat_settings(value, inner))
        else:
            settings[inner] = as_python(value)
    return settings


def differing_settings(descriptions):
    """Settings that are not the same in all experiments: name → one text for each, `–` where it has none.

    A component of one type in all of them is opened, so that only its arguments that differ are listed.

    Args:
        descriptions: `experiment.json` of each run.

    Example:
        >>> loss = {"type": "TripletLoss", "margin": 0.3}
        >>> differing_settings([{"losses": {"triplet": loss}}, {"losses": {"triplet": {**loss, "margin": 0.0}}}])
        {'losses.triplet.margin': ['0.3', '0.0']}
    """
    differing = {}

    def compare(key, values):
        if key.endswith(f".config.{_DRAWN}") or all(value == values[0] for value in values):
            return
        if (
            all(isinstance(value, dict) for value in values)
            and len({str(value.get("type")) for value in values}) == 1
        ):
            for name in dict.fromkeys(name for value in values for name in value):
                compare(f"{key}.{name}" if key else name, [value.get(name, _MISSING) for value in values])
        else:
            differing[key] = ["–" if value is _MISSING else as_python(value) for value in values]

    compare("", descriptions)
    differing.pop("name", None)
    return differing


def as_python(value):
    """A value as it is written in Python, a description as a call."""
    if isinstance(value, dict) and "class_name" in value and isinstance(value.get("config"), dict):
        return f"{value['class_name']}(…)"  # a Keras object, whose config fills pages
    if isinstance(value, dict) and "type" in value:
        arguments = (f"{name}={as_python(item)}" for name, item in value.items() if name != "type")
        return f"{value['type']}({', '.join(arguments)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {as_python(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return f"({', '.join(map(as_python, value))})"
    return str(value)


_MISSING = object()
_GROUPS = ("Data", "Model", "Training", "Evaluation", "Distillation", "Adaptation")
