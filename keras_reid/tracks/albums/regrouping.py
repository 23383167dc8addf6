"""From new groups to the fewest changes of a store's identities: what to split, to merge, and to enrol where."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Plan:
    """What turns the identities of a store into groups.

    Identities are named by their numbers; those that the splits make by −1, −2, … in their order.

    Args:
        splits: of each, the rows of the sightings that leave their identity for a new one.
        merges: of each, the identity that stays, and those that go.
        homes: group → the identity that has it then; a group of new pictures alone has none.
    """

    splits: tuple[tuple[int, ...], ...]
    merges: tuple[tuple[int, tuple[int, ...]], ...]
    homes: dict[int, int]


def plan(
    groups: Sequence[int] | NDArray[np.int64],
    identities: Sequence[int] | NDArray[np.int64],
    core: Sequence[int] | NDArray[np.int64],
) -> Plan:
    """Plans the changes. An identity that lies in several groups keeps its largest part, or that of its decided
    pictures; one that is decided takes in the others of its group, else the one with most sightings does.

    Args:
        groups: `(n,)` group of each sighting of the store.
        identities: `(n,)` its identity.
        core: `(n,)` the identity that it belongs to by decision, −1 for none, as in `Decisions`.

    Example:
        >>> plan([0, 0, 1, 1], [5, 5, 5, 6], [-1, -1, -1, -1])
        Plan(splits=((2,),), merges=((6, (-1,)),), homes={0: 5, 1: 6})
    """
    parts: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (identity, group) in enumerate(zip(identities, groups, strict=True)):
        parts[int(identity)][int(group)].append(row)
    splits: list[tuple[int, ...]] = []
    shares: dict[int, dict[int, list[int]]] = defaultdict(dict)  # group → identity → rows
    decided = set()
    for identity, by_group in sorted(parts.items()):
        ordered = sorted(
            by_group.items(),
            key=lambda item: (not any(core[row] == identity for row in item[1]), -len(item[1]), item[1]),
        )
        for place, (group, rows) in enumerate(ordered):
            if place:
                splits.append(tuple(rows))
                shares[group][-len(splits)] = rows
            else:
                shares[group][identity] = rows
                if any(core[row] == identity for row in rows):
                    decided.add(identity)
    merges, homes = [], {}
    for group, here in sorted(shares.items()):
        first, *others = sorted(
            here, key=lambda one: (one not in decided, one < 0, -len(here[one]), abs(one))
        )
        homes[group] = first
        if others:
            merges.append((first, tuple(others)))
    return Plan(tuple(splits), tuple(merges), homes)
