"""Distance heads in several spaces, fused on the scale of surprise."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np

from anomaly_cl.features.table_encoder import SPACES
from anomaly_cl.scoring.distances import BankHead, DistanceHead, KNNHead, TailHead
from anomaly_cl.scoring.extreme import ExtremeHead
from anomaly_cl.scoring.fusion import FusedSurprise
from anomaly_cl.scoring.marginal import MarginalHead
from anomaly_cl.scoring.mismatch import MismatchHead
from anomaly_cl.scoring.prototypes import PrototypeHead
from anomaly_cl.table.split import Roles

EMBEDDING, TAILS = "embedding", "tails"
METRICS = tuple(f"metric_{space}" for space in SPACES)
JOINT = "joint"  # the learned metrics of all spaces side by side, or without them the spaces
MATCHING, TOWERS = "matching", ("tower_a", "tower_b")  # spaces of CLIP: projections to compare, and each part by itself
HEADS: dict[str, type[DistanceHead]] = {
    "knn": KNNHead, "tail": TailHead, "marginal": MarginalHead, "mismatch": MismatchHead, "prototypes": PrototypeHead,
    "extreme": ExtremeHead,
}


@dataclass(frozen=True)
class SpaceHead:
    """A distance head, the space it measures in (one of the features', "embedding" or "tails"), and its weight.

    `scales` (width of the space,), if given, multiply the outputs before the head sees them.
    """

    space: str
    head: DistanceHead
    weight: float = 1.0
    scales: np.ndarray | None = None

    def seen(self, spaces: Mapping[str, np.ndarray]) -> np.ndarray:
        """The rows (rows, width) as the head sees them."""
        rows = spaces[self.space]
        return rows if self.scales is None else rows * self.scales.astype(rows.dtype)


@dataclass(frozen=True)
class Contrasted:
    """What a pretraining left for heads to measure in.

    embedded: an embedding. metrics: a learned metric in each space, and their weight against raw distances. matched:
    projections of two parts of a row that can be compared. prototypes: those of groups of normal behaviour.
    """

    embedded: bool = False
    metrics: float = 0.0
    matched: bool = False
    prototypes: np.ndarray | None = None


def default_heads(found: Contrasted) -> dict[str, SpaceHead]:
    """The heads that a table gets: locally scaled kNN in spaces that find different anomalies, and marginal tails.

    The tails find single extreme values in tables of few columns; in others they mostly add noise, hence their weight.
    CLIP's two parts have a head for parts that do not belong together, and one for each part that is rare by itself,
    which the former cannot see: common parts matched by chance would else look best of all. Groups of normal behaviour
    have one that measures to their prototypes.
    """
    heads = {f"knn_{space}": SpaceHead(space, _knn()) for space in SPACES}
    if found.embedded:
        heads[f"knn_{EMBEDDING}"] = SpaceHead(EMBEDDING, _knn())
    if found.metrics > 0:
        heads |= {f"knn_{space}": SpaceHead(space, _knn(), weight=found.metrics) for space in METRICS}
    if found.matched:
        heads["mismatch"] = SpaceHead(MATCHING, MismatchHead())
        heads |= {f"knn_{tower}": SpaceHead(tower, _knn(), weight=0.5) for tower in TOWERS}
    if found.prototypes is not None:
        heads["prototypes"] = SpaceHead(EMBEDDING, PrototypeHead(found.prototypes))
    return heads | {"tails": SpaceHead(TAILS, TailHead(), weight=0.15)}


def joint_heads() -> dict[str, SpaceHead]:
    """The heads of a fast search: one measures in all spaces at once, and nearly exactly."""
    joint = KNNHead(k=5, local_power=0.5, search="filtered")
    return {f"knn_{JOINT}": SpaceHead(JOINT, joint), "tails": SpaceHead(TAILS, ExtremeHead(), weight=0.15)}


def weighted_heads(column_of: np.ndarray, weights: np.ndarray) -> dict[str, SpaceHead]:
    """The heads of columns that differ in what they say: weights (columns,), and the column (outputs,) of each output.

    Column by column first, where a column that says little cannot drown the others. Rows as a whole, in which it can,
    count for less: on card payments they cost a tenth of the average precision at equal weights, and nothing at these.
    """
    scales = np.sqrt(weights)[column_of]
    heads = {f"knn_{space}": SpaceHead(space, _knn(), weight=0.05, scales=scales) for space in SPACES}
    return heads | {"columns": SpaceHead("standard", MarginalHead(column_of, weights))}


def _knn() -> KNNHead:
    return KNNHead(k=5, local_power=0.5)


class HeadEnsemble:
    """Distance heads and the surprise of each; the score is their weighted root mean square.

    A head that can leave its own rows out keeps all rows of the bank as reference and loses none to its surprise; any
    other head is fitted on reference rows alone, and takes its surprise from held-out rows.
    """

    def __init__(self, heads: Mapping[str, SpaceHead]):
        self.heads = dict(heads)

    def fit(self, bank: Mapping[str, np.ndarray], roles: Roles, two_sided: np.ndarray) -> Self:
        """Learn from {space: (rows, width)} of normal rows, whose `roles` are positions among them.

        Calibration rows only serve as reference, of heads that can leave them out again. `two_sided` (columns,) is of
        the tails.
        """
        self.fitted_, distances = {}, {}
        for name, spec in self.heads.items():
            head: Any = copy.deepcopy(spec.head)
            rows = spec.seen(bank)
            if isinstance(head, BankHead):
                distances[name] = head.fit(rows).leave_one_out()[roles.learned]
            else:
                head.fit(rows[roles.reference], *((two_sided,) if spec.space == TAILS else ()))
                distances[name] = head.distances(rows[roles.held_out])
            self.fitted_[name] = replace(spec, head=head)
        self.fusion_ = FusedSurprise(power=2).fit(distances, {name: spec.weight for name, spec in self.heads.items()})
        return self

    def score(self, spaces: Mapping[str, np.ndarray]) -> np.ndarray:
        """Fused surprise (rows,) of {space: (rows, width)}."""
        return self.fusion_(self._distances(spaces))

    def leave_one_out(self, bank: Mapping[str, np.ndarray]) -> np.ndarray:
        """Fused surprise (rows,) of the bank's own rows, each measured to the others by heads that hold them."""
        return self.fusion_.mean(self.own_surprises(bank))

    def own_surprises(self, bank: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Surprise of each head {head: (rows,)} of the bank's own rows, as `leave_one_out`."""
        heads = {name: (spec.head, spec.seen(bank)) for name, spec in self.fitted_.items()}
        return self.fusion_.per_head({
            name: head.leave_one_out() if isinstance(head, BankHead) else head.distances(rows)
            for name, (head, rows) in heads.items()
        })

    def surprises(self, spaces: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Surprise of each head {head: (rows,)}."""
        return self.fusion_.per_head(self._distances(spaces))

    def nearest(self, spaces: Mapping[str, np.ndarray], space: str, k: int) -> np.ndarray:
        """Positions (rows, k) in the bank of the nearest rows in a space that has a kNN head, nearest first."""
        spec = next(spec for spec in self.fitted_.values() if spec.space == space and isinstance(spec.head, KNNHead))
        return cast(KNNHead, spec.head).neighbours(spec.seen(spaces), k)[1]

    def _distances(self, spaces: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: spec.head.distances(spec.seen(spaces)) for name, spec in self.fitted_.items()}

    def to_state(self) -> dict[str, Any]:
        kinds = {cls: kind for kind, cls in HEADS.items()}
        heads = {
            # a head of another library says itself why it cannot be saved
            name: {"space": spec.space, "kind": kinds.get(type(spec.head)), "head": spec.head.to_state(),
                   "scales": spec.scales}
            for name, spec in self.fitted_.items()
        }
        return {"heads": heads, "fusion": self.fusion_.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        fusion = FusedSurprise.from_state(state["fusion"])
        fitted = {name: SpaceHead(head["space"], HEADS[head["kind"]].from_state(head["head"]), fusion.weights_[name],
                                  head.get("scales"))
                  for name, head in state["heads"].items()}
        ensemble = cls(fitted)
        ensemble.fitted_, ensemble.fusion_ = fitted, fusion
        return ensemble
