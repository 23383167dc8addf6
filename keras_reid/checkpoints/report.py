"""What an importer did with every name."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Report:
    """The outcome of an import. Nothing is skipped silently.

    Args:
        used: Names of the state dict whose values are now in the model.
        unused: Names of the state dict that the model has no place for. Counters of batches
            (`num_batches_tracked`), the pixel mean and deviation, which belong to the pre-processing, and MoCo's
            queue, which belongs to training, are not counted.
        unfilled: What the model still needs: the names it looked for, or the path of a variable that no name
            leads to.
        mismatched: `{name: (shape in the file, shape in the model)}`, both in the file's layout; these names are
            among the unused and the unfilled.

    Example:
        >>> report = keras_reid.weights.load_fastreid(model, state_dict)
        >>> report.complete
        True
    """

    used: tuple = ()
    unused: tuple = ()
    unfilled: tuple = ()
    mismatched: dict = dataclasses.field(default_factory=dict)

    @property
    def complete(self):
        """Whether every name was used and every variable filled."""
        return not self.unused and not self.unfilled

    def __str__(self):
        lines = [f"{len(self.used)} used, {len(self.unused)} unused, {len(self.unfilled)} unfilled"]
        lines += [
            f"  other shape: {name}: {a} in the file, {b} in the model"
            for name, (a, b) in self.mismatched.items()
        ]
        lines += [f"  unused: {name}" for name in self.unused if name not in self.mismatched]
        lines += [f"  unfilled: {name}" for name in self.unfilled if name not in self.mismatched]
        return "\n".join(lines)
