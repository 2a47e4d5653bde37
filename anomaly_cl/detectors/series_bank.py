"""Banks of normal windows of one channel, and how far the steps of training are from windows that lie elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from anomaly_cl.features.windows import WindowPlan, step_means
from anomaly_cl.scoring.window_distances import all_apart, nearest_apart, nearest_beside

POOLED = ""  # the bank for entities that training did not see, or saw too little of
CHUNK_WINDOWS = 8_192  # measured at once: what bounds the memory
BANK_WINDOWS = 4_000
JUDGED_WINDOWS = 16_000  # of training that are measured in all; for each entity as many as its bank at least
OVERLAPS = 10  # of them that cover a step, if it has more: their mean is that of all, but for its spread by 2 or 3 %
PIECE = 8  # lengths of a window: what is judged in one piece of a long series
FAR = 1 << 40  # between the places of different series

Rows = Callable[[np.ndarray], np.ndarray]


class ChannelStretch(NamedTuple):
    """Values (steps,) of one channel of one entity; NaN where not measured."""

    entity: str
    values: np.ndarray


class Bank(NamedTuple):
    """Normal windows (n, width), of each the stretch and the first step within it, (n,), and whether all are there."""

    windows: np.ndarray
    stretch: np.ndarray
    starts: np.ndarray
    whole: bool

    @property
    def places(self) -> np.ndarray:
        return _places(self.stretch, self.starts)


def chosen_banks(plan: WindowPlan, stretches: Sequence[ChannelStretch]) -> dict[str, Bank]:
    """The banks by entity, evenly spread over its windows that are measured throughout, and one of all entities.

    Left out are entities whose windows all overlap.
    """
    starts = [plan.measured(stretch.values, plan.starts(len(stretch.values))) for stretch in stretches]
    names = sorted({stretch.entity for stretch in stretches})
    banks = {}
    for name in [*(names if len(names) > 1 else []), POOLED]:
        numbers = [i for i, stretch in enumerate(stretches) if name in (stretch.entity, POOLED)]
        ends = np.cumsum([len(starts[i]) for i in numbers])
        total = int(ends[-1])
        kept = np.linspace(0, total - 1, min(total, BANK_WINDOWS)).astype(int)
        parts = np.split(kept, np.searchsorted(kept, ends[:-1]))
        chosen = [starts[i][part - end + len(starts[i])] for i, part, end in zip(numbers, parts, ends, strict=True)]
        stretch = np.repeat(numbers, [len(part) for part in parts])
        firsts = np.concatenate(chosen)
        bank = Bank(_cut(plan, stretches, stretch, firsts), stretch, firsts, len(kept) == total)
        if all_apart(bank.places, plan.length):
            banks[name] = bank
    return banks


def judged_steps(measured: Sequence[tuple[str, np.ndarray]], plan: WindowPlan) -> list[np.ndarray]:
    """Which steps of normal stretches are to be compared with other windows, (steps,) bool each.

    `measured` has for each stretch its entity and which of its steps are measured. All steps are judged of an entity
    with few windows; of a long one pieces of several windows' length, evenly spread over what is measured.
    """
    names = list(dict.fromkeys(entity for entity, _ in measured))
    most = max(JUDGED_WINDOWS // max(len(names), 1), BANK_WINDOWS) * _judging(plan).stride
    piece = PIECE * plan.length
    judged = [np.ones(len(steps), bool) for _, steps in measured]
    for name in names:
        numbers = [i for i, (entity, _) in enumerate(measured) if entity == name]
        steps = np.concatenate([measured[i][1] for i in numbers])
        total = int(steps.sum())
        if total <= most:
            continue
        every = total // max(1, most // (piece + plan.length))
        kept = steps & ((np.cumsum(steps) - steps) % every < piece)
        for i, part in zip(numbers, np.split(kept, np.cumsum([len(measured[i][1]) for i in numbers])[:-1]),
                           strict=True):
            judged[i] = part
    return judged


def own_means(
    plan: WindowPlan, rows: Rows, banks: Mapping[str, Bank], stretches: Sequence[ChannelStretch],
    wanted: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """Mean distance (steps,) of each stretch's steps to windows that do not overlap theirs, in the entity's own bank if
    it has one, else in the pooled one. `rows` are what distances are measured between.

    NaN where nothing is measured. A bank that holds all windows speaks for all steps; of a longer series only windows
    that cover `wanted` steps (steps,) are measured, beside the bank, about OVERLAPS for each.
    """
    means = [np.full(len(stretch.values), np.nan) for stretch in stretches]
    for name, bank in banks.items():
        asking = [i for i, stretch in enumerate(stretches)
                  if name == stretch.entity or (name == POOLED and stretch.entity not in banks)]
        if not asking:
            continue
        if bank.whole:
            stretch, starts = bank.stretch, bank.starts
            own = nearest_apart(rows(bank.windows), bank.places, plan.length)
        else:
            stretch, starts = _covering(plan, stretches, asking, wanted)
            own = _beside(plan, rows, bank, stretches, stretch, starts)
        for i in asking:
            mine = stretch == i
            found = step_means(own[mine], starts[mine], plan.length, len(means[i]))
            means[i] = found if bank.whole else np.where(wanted[i], found, np.nan)
    return means


def _judging(plan: WindowPlan) -> WindowPlan:
    """The plan of the windows of a long series that are measured beside its bank."""
    return replace(plan, stride=plan.stride * max(1, plan.length // (OVERLAPS * plan.stride)))


def _covering(
    plan: WindowPlan, stretches: Sequence[ChannelStretch], numbers: Sequence[int], wanted: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Stretch and first step (n,) of the measured windows that cover a wanted step of these stretches."""
    found = []
    for i in numbers:
        starts = _judging(plan).starts(len(wanted[i]))
        so_far = np.concatenate([[0], np.cumsum(wanted[i])])
        starts = starts[so_far[starts + plan.length] > so_far[starts]]
        found.append(plan.measured(stretches[i].values, starts))
    return np.repeat(numbers, [len(starts) for starts in found]), np.concatenate(found)


def _beside(
    plan: WindowPlan, rows: Rows, bank: Bank, stretches: Sequence[ChannelStretch], stretch: np.ndarray,
    starts: np.ndarray,
) -> np.ndarray:
    """Distance (n,) of windows to the nearest of the bank that does not overlap them."""
    known, distances = rows(bank.windows), np.empty(len(starts))
    for first in range(0, len(starts), CHUNK_WINDOWS):
        part = slice(first, first + CHUNK_WINDOWS)
        asked = rows(_cut(plan, stretches, stretch[part], starts[part]))
        places = _places(stretch[part], starts[part])
        distances[part] = nearest_beside(asked, places, known, bank.places, plan.length)
    return distances


def _cut(
    plan: WindowPlan, stretches: Sequence[ChannelStretch], stretch: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """Windows (n, width) by their stretch, in order, and first step."""
    if not len(starts):
        return np.zeros((0, plan.width), np.float32)
    numbers, firsts = np.unique(stretch, return_index=True)
    parts = np.split(starts, firsts[1:])
    return np.concatenate([plan.cut(stretches[i].values, part) for i, part in zip(numbers, parts, strict=True)])


def _places(stretch: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return stretch * FAR + starts
