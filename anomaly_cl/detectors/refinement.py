"""What a few confirmed anomalies teach: two heads beside the ensemble, and a score that fuses all three."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.errors import InputError
from anomaly_cl.features.table_encoder import EncodedRows
from anomaly_cl.scoring.confirmed import LikeConfirmedHead, NearConfirmedHead
from anomaly_cl.scoring.fusion import FusedSurprise
from anomaly_cl.table.split import Roles

SPACE = "rank"  # what the encoder reads: of the three spaces the one in which confirmed anomalies led furthest
NEAR, LIKE = "near_confirmed", "like_confirmed"
LABELS_FOR_HALF = {NEAR: 2, LIKE: 4}  # confirmed anomalies with which a head has half the weight of the ensemble


@dataclass(frozen=True)
class Confirmed:
    """Rows that conform to the schema, and bool (rows,): True for confirmed anomalies, False for confirmed normal ones.

    Raises InputError unless each row has its label and one at least is an anomaly.
    """

    rows: pa.Table
    is_anomaly: np.ndarray

    def __post_init__(self) -> None:
        if self.is_anomaly.shape != (self.rows.num_rows,):
            raise InputError(f"each of the {self.rows.num_rows} rows has one label",
                             f"the labels have the shape {self.is_anomaly.shape}", "give a label for each row")
        if not self.is_anomaly.any():
            raise InputError("at least one row is a confirmed anomaly", f"all {self.rows.num_rows} are labelled normal",
                             "label anomalies 1; rows that are normal can be learned from by fit")

    @classmethod
    def from_labels(cls, rows: pa.Table, labels: Any) -> Self:
        """From labels (rows,), 1 or True = anomaly, 0 or False = normal; InputError for any other."""
        values = np.asarray(labels)
        if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
            shown = list(dict.fromkeys(values.ravel().tolist()))[:5]
            raise InputError("labels are 1 for anomalies and 0 for normal rows", f"found {shown}", "correct them")
        return cls(rows, values.astype(bool))


@dataclass(frozen=True)
class Measured:
    """Encoded rows and what the ensemble says of them: surprise {head: (rows,)}, and its mean (rows,)."""

    encoded: EncodedRows
    surprises: Mapping[str, np.ndarray]
    fused: np.ndarray

    def take(self, index: np.ndarray) -> Measured:
        """The rows that positions or a mask pick."""
        return Measured(self.encoded.take(index), {name: each[index] for name, each in self.surprises.items()},
                        self.fused[index])

    @property
    def evidence(self) -> np.ndarray:
        """What the plane parts rows by (rows, 2 * width + heads): values, distances from the middle, surprises."""
        surprises = [2 * np.log1p(self.surprises[name]) for name in sorted(self.surprises)]
        return np.column_stack([self.encoded.spaces["robust"], np.abs(self.encoded.spaces["rank"]), *surprises])


class Refinement:
    """Mean surprise of the ensemble, of nearness to confirmed anomalies, and of likeness to them.

    Nearness is measured in an embedding trained by contrast with them (`NearConfirmedHead`); likeness is the side of a
    plane through features and surprises (`LikeConfirmedHead`). Their weight grows with the confirmed anomalies, since
    one may mislead; more slowly that of the plane, which one can turn anywhere. The ensemble keeps its say: other kinds
    of anomalies than the confirmed ones must still be found. As for every head without a bank, reference rows are
    learned from and held-out rows give the surprise; calibration rows serve for neither.
    """

    def fit(
        self, bank: Measured, roles: Roles, confirmed: Measured, is_anomaly: np.ndarray, column_of: np.ndarray,
        seed: int, trainer_options: Mapping[str, Any],
    ) -> Self:
        """Learn from the bank, whose `roles` are positions in it, and confirmed rows with bool `is_anomaly` (rows,)."""
        from anomaly_cl.pretraining.fit import contrast_confirmed  # Lightning takes seconds to import

        anomalies, held_out = confirmed.take(is_anomaly), bank.take(roles.held_out)
        parts = bank.take(roles.reference), confirmed.take(~is_anomaly)
        normal = EncodedRows.concat([part.encoded for part in parts])
        self.network_ = contrast_confirmed(
            normal.spaces[SPACE], held_out.encoded.spaces[SPACE], anomalies.encoded.spaces[SPACE], column_of, seed=seed,
            trainer_options=trainer_options,
        ).encoder
        self.near_ = NearConfirmedHead(self._embedding(anomalies.encoded)).fit(self._embedding(normal))
        self.like_ = LikeConfirmedHead(anomalies.evidence).fit(np.concatenate([part.evidence for part in parts]))
        n_anomalies = int(is_anomaly.sum())
        weights = {name: n_anomalies / (n_anomalies + half) for name, half in LABELS_FOR_HALF.items()}
        self.fusion_ = FusedSurprise().fit(self._distances(held_out), weights)
        return self

    def __call__(self, rows: Measured) -> np.ndarray:
        """Fused surprise (rows,) float64, higher = stranger."""
        weight = sum(self.fusion_.weights_.values())
        return (rows.fused + weight * self.fusion_(self._distances(rows))) / (1 + weight)

    def _distances(self, rows: Measured) -> dict[str, np.ndarray]:
        return {NEAR: self.near_.distances(self._embedding(rows.encoded)), LIKE: self.like_.distances(rows.evidence)}

    def _embedding(self, encoded: EncodedRows) -> np.ndarray:
        return embed(self.network_, encoded.spaces[SPACE])

    def to_state(self) -> dict[str, Any]:
        return {"network": encoder_state(self.network_), "near": self.near_.to_state(), "like": self.like_.to_state(),
                "fusion": self.fusion_.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        refinement = cls()
        refinement.network_ = encoder_from_state(state["network"])
        refinement.near_ = NearConfirmedHead.from_state(state["near"])
        refinement.like_ = LikeConfirmedHead.from_state(state["like"])
        refinement.fusion_ = FusedSurprise.from_state(state["fusion"])
        return refinement
