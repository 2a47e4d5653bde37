"""One channel of a series: its windows compared with normal ones in several views, and fused to surprise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from anomaly_cl.detectors.series_bank import (
    CHUNK_WINDOWS,
    POOLED,
    Bank,
    ChannelStretch,
    chosen_banks,
    own_means,
)
from anomaly_cl.detectors.series_heads import (
    DOUBLE,
    MEDIAN_OF,
    POINT,
    TRAINED,
    VIEWS,
    WEIGHTS,
    beside_median,
    centred,
    tempered,
)
from anomaly_cl.detectors.series_training import Member, parts_of
from anomaly_cl.encoders.embed import embed
from anomaly_cl.features.windows import WindowPlan, distinct, step_means
from anomaly_cl.scoring.cross_surprise import cross_surprise
from anomaly_cl.scoring.fusion import Surprise
from anomaly_cl.scoring.neighbours import ExactNeighbours


@dataclass(frozen=True)
class WindowHead:
    """A view of windows of one plan, by the encoder of a member where there is one, which `channels` share."""

    name: str
    view: str
    plan: WindowPlan
    member: Member | None = None
    channels: int = 1

    def rows(self, windows: np.ndarray) -> np.ndarray:
        """Windows (n, width) as float32 rows (n, d) that distances are measured between."""
        if self.member is None:
            return VIEWS[self.view](windows)
        different, which = distinct(windows)
        return embed(self.member.encoder, centred(different))[which]

    @property
    def curve(self) -> str:
        """Which curve makes distances surprise: members, each of which judges another part, share one."""
        return self.name if self.member is None else TRAINED

    @property
    def weight(self) -> float:
        """An encoder that several channels share knows each the less: what it counts is shared too."""
        return WEIGHTS.get(self.curve, 1.0) / (1 if self.member is None else self.channels)


def window_heads(
    plan: WindowPlan, double: WindowPlan | None, members: Sequence[Member], without: Sequence[str] = (),
    channels: int = 1,
) -> list[WindowHead]:
    """The heads of a channel but for those named in `without`; without members, those of raw geometry.

    `channels` is how many share the members.
    """
    heads = [WindowHead(view, view, plan) for view in VIEWS]
    heads += [] if double is None else [WindowHead(DOUBLE, "centred", double)]
    heads += [WindowHead(f"{TRAINED} {member.part + 1}", TRAINED, plan, member, channels) for member in members]
    return [head for head in heads if (TRAINED if head.member else head.name) not in without]


class ChannelScorer:
    """Surprise of one channel, step by step.

    A window head measures each window's distance to the nearest normal window of its entity; a step takes the mean over
    all windows that cover it, and that becomes surprise by the distances of normal windows to others that do not
    overlap them. Trained heads share a curve, which takes from each the part of the series that its encoder did not
    see: a curve of each by itself would tell more of its part than of its encoder. The surprise of the channel is the
    weighted mean over heads.

    Fitted: `banks_` {length of the windows: {entity: normal windows (n, width)}} and `curves_` {name: Surprise}.
    """

    def __init__(self, heads: Sequence[WindowHead], point: bool = True):
        self.heads, self.point = list(heads), point

    def fit(self, stretches: Sequence[ChannelStretch], judged: Sequence[np.ndarray] | None = None) -> Self:
        """Learn from normal stretches. `training_surprise_` has for each of them the surprise (steps,) of its steps,
        each measured without the windows near it, by encoders that did not see its part and curves of steps not near.

        `judged` says of which steps, (steps,) bool each: of all, if it is not given. Of the others it is NaN.
        """
        judged = [np.ones(len(stretch.values), bool) for stretch in stretches] if judged is None else judged
        self.curves_: dict[str, Surprise] = {}
        chosen = {plan: chosen_banks(plan, stretches) for plan in dict.fromkeys(head.plan for head in self.heads)}
        self.banks_ = {plan.length: {name: bank.windows for name, bank in banks.items()}
                       for plan, banks in chosen.items()}
        members = sum(head.member is not None for head in self.heads)
        parts = parts_of([len(stretch.values) for stretch in stretches], members)
        total = [np.zeros(len(stretch.values)) for stretch in stretches]
        weight = [np.zeros(len(stretch.values)) for stretch in stretches]
        own: dict[str, list[np.ndarray]] = {}
        for head in self.heads:
            means = _judged_means(head, chosen[head.plan], stretches, judged, parts)
            if head.member is not None:
                means = _of_part(head.member.part, means, parts, own.get(head.curve))
            own[head.curve] = means
        if self.point:
            own[POINT] = [beside_median(stretch.values) for stretch in stretches]
        seen = {head.curve: head.plan.length for head in self.heads} | {POINT: MEDIAN_OF}
        shares = {POINT: WEIGHTS[POINT]} | {  # in training one member speaks for all
            head.curve: head.weight * (1 if head.member is None else members) for head in self.heads}
        for curve, means in own.items():
            self._learn(curve, means, seen[curve], shares[curve], total, weight)
        self.training_surprise_ = [self._mean(*each) for each in zip(total, weight, strict=True)]
        self.indices_ = self._indices()
        return self

    def surprise(self, values: np.ndarray, entity: str) -> np.ndarray:
        """Surprise (steps,) of values (steps,); NaN where no window without missing values covers a step."""
        measured = [(head.curve, self._means(head, values, entity), head.weight) for head in self.heads]
        if self.point:
            measured.append((POINT, beside_median(values), WEIGHTS[POINT]))
        total, weight = np.zeros(len(values)), np.zeros(len(values))
        for curve, means, share in measured:
            known = np.isfinite(means)
            total[known] += share * tempered(self.curves_[curve](means[known]))
            weight[known] += share
        return self._mean(total, weight)

    def to_state(self) -> dict[str, Any]:
        banks = [{"length": length, "entities": list(banks), "windows": {str(i): bank for i, bank in
                                                                        enumerate(banks.values())}}
                 for length, banks in self.banks_.items()]
        return {"heads": [head.name for head in self.heads], "point": self.point, "banks": banks,
                "curves": {name: curve.to_state() for name, curve in self.curves_.items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], heads: Sequence[WindowHead]) -> Self:
        """From what `to_state` gave and all heads that there may be."""
        known = {head.name: head for head in heads}
        scorer = cls([known[name] for name in state["heads"]], state["point"])
        scorer.banks_ = {bank["length"]: {name: np.asarray(bank["windows"][str(i)])
                                          for i, name in enumerate(bank["entities"])} for bank in state["banks"]}
        scorer.curves_ = {name: Surprise.from_state(curve) for name, curve in state["curves"].items()}
        scorer.indices_ = scorer._indices()
        return scorer

    def _learn(
        self, curve: str, means: Sequence[np.ndarray], seen: int, share: float, total: Sequence[np.ndarray],
        weight: Sequence[np.ndarray],
    ) -> None:
        used = [np.isfinite(mean) for mean in means]
        judged = np.concatenate([mean[use] for mean, use in zip(means, used, strict=True)])
        judged = judged if len(judged) else np.zeros(1)  # nothing measured: 0 is usual
        self.curves_[curve] = Surprise().fit(judged)
        own, first = tempered(cross_surprise(judged, seen)), 0
        for use, so_far, n in zip(used, total, weight, strict=True):
            so_far[use] += share * own[first:first + use.sum()]
            first += use.sum()
            n[use] += share

    def _mean(self, total: np.ndarray, weight: np.ndarray) -> np.ndarray:
        enough = weight > (WEIGHTS[POINT] if self.point and self.heads else 0)  # a point by itself says too little
        return np.where(enough, total / np.where(enough, weight, 1), np.nan)

    def _indices(self) -> dict[tuple[str, str], ExactNeighbours]:
        return {(head.name, entity): ExactNeighbours(head.rows(windows), only_nearest=True)
                for head in self.heads for entity, windows in self.banks_[head.plan.length].items()}

    def _means(self, head: WindowHead, values: np.ndarray, entity: str) -> np.ndarray:
        index = self.indices_.get((head.name, entity)) or self.indices_.get((head.name, POOLED))
        starts = head.plan.starts(len(values))
        distances = np.full(len(starts), np.nan)
        for first in range(0, len(starts) if index else 0, CHUNK_WINDOWS):
            windows = head.plan.cut(values, starts[first:first + CHUNK_WINDOWS])
            known = np.flatnonzero(~np.isnan(windows).any(axis=1))
            if len(known) and index:
                different, which = distinct(windows[known])  # most windows of switches and commands are alike
                distances[first + known] = index.query(head.rows(different), 1)[0][which, 0]
        return step_means(distances, starts, head.plan.length, len(values))


def _of_part(
    part: int, means: Sequence[np.ndarray], parts: Sequence[np.ndarray], others: Sequence[np.ndarray] | None
) -> list[np.ndarray]:
    """Means (steps,) of a member on the part that it did not see, and those of others (None: none yet) elsewhere.

    If nothing of the part was measured, the member speaks for all steps of which others do not.
    """
    elsewhere = others or [np.full(len(mean), np.nan) for mean in means]
    found = [np.where(number == part, mean, other)
             for number, mean, other in zip(parts, means, elsewhere, strict=True)]
    if any(np.isfinite(each).any() for each in found):
        return found
    return [np.where(np.isnan(other), mean, other) for mean, other in zip(means, elsewhere, strict=True)]


def _judged_means(
    head: WindowHead, banks: Mapping[str, Bank], stretches: Sequence[ChannelStretch], judged: Sequence[np.ndarray],
    parts: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """`own_means` of a head at judged steps; of a thinned series a member is asked about its part alone, if it can be.
    """
    mine = judged if head.member is None else [steps & (part == head.member.part)
                                               for steps, part in zip(judged, parts, strict=True)]
    means = own_means(head.plan, head.rows, banks, stretches, mine)
    if head.member is not None and not any(np.isfinite(mean).any() for mean in means):
        means = own_means(head.plan, head.rows, banks, stretches, judged)
    return [np.where(steps, mean, np.nan) for steps, mean in zip(judged, means, strict=True)]
