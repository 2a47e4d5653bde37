"""From rows of a table to one score each: features, encoder and heads, learned together from normal rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.ensemble import EMBEDDING, TAILS, HeadEnsemble, SpaceHead, default_heads
from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.errors import UsageError
from anomaly_cl.features.table_encoder import EncodedRows, TableEncoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.distances import DistanceHead
from anomaly_cl.table.split import Roles

INPUT_SPACE = "robust"  # what the encoder reads, and where neighbours are looked for
NO_PRETRAINING = "none"
WATCHED = ("logger", "callbacks", "enable_progress_bar")  # options of the Trainer by which people follow a training


@dataclass(frozen=True)
class Recipe:
    """How a RowScorer is made: pretraining and its settings, heads of other kinds, and the size of the bank."""

    pretraining: str
    training: TrainingSettings
    trainer_options: Mapping[str, Any]
    extra_heads: Mapping[str, DistanceHead]
    bank_rows: int

    def heads(self, *, embedded: bool) -> dict[str, SpaceHead]:
        """The default heads and the extra ones; UsageError if a name is taken twice."""
        heads = default_heads(embedded=embedded)
        extra = {name: SpaceHead("standard", head) for name, head in self.extra_heads.items()}
        if twice := sorted(set(heads) & set(extra)):
            raise UsageError(f"extra heads need names other than {sorted(heads)}", f"found {twice}", "rename them")
        return heads | extra

    def unwatched(self) -> Recipe:
        """The same without loggers, callbacks and progress bar: for models that only serve the calibration."""
        options = {name: value for name, value in self.trainer_options.items() if name not in WATCHED}
        return replace(self, trainer_options=options)


class RowScorer:
    """Scores rows by fused surprise, each by itself.

    Fitted attributes: `encoder_`, `network_` (None without pretraining), `ensemble_`, `bank_positions_` (of the bank's
    rows in the table learned from), and of the pretraining `history_` and `untrained_because_`.
    """

    def fit(self, table: pa.Table, schema: Schema, roles: Roles, recipe: Recipe, rng: np.random.Generator) -> Self:
        """Learn from normal rows that conform to the schema, by their roles.

        All rows form the bank if `bank_rows` has room for them; else it is drawn from those that are learned from.
        """
        bank, training = rng.spawn(2)
        self.encoder_ = TableEncoder(schema).fit(table.take(roles.learned))
        encoded = self.encoder_.transform(table)
        self._pretrain(encoded.take(roles.reference), encoded.take(roles.held_out), recipe,
                       int(training.integers(2**31)))
        self.bank_positions_ = np.arange(len(encoded))
        if len(encoded) > recipe.bank_rows:
            self.bank_positions_ = _drawn(roles, recipe.bank_rows, bank)
        self.ensemble_ = HeadEnsemble(recipe.heads(embedded=self.network_ is not None)).fit(
            self.spaces(encoded.take(self.bank_positions_)), _within(roles, self.bank_positions_),
            self.encoder_.two_sided_,
        )
        return self

    def score(self, rows: pa.Table | pa.RecordBatch) -> np.ndarray:
        """Fused surprise (rows,) float64 in nats, higher = stranger."""
        return self.score_encoded(self.encoder_.transform(rows))

    def score_encoded(self, encoded: EncodedRows) -> np.ndarray:
        """The same of rows that are encoded."""
        return self.ensemble_.score(self.spaces(encoded))

    def training_scores(self, table: pa.Table, positions: np.ndarray) -> np.ndarray:
        """Scores of rows at ascending positions of the table learned from; those of the bank leave themselves out."""
        scores = np.empty(table.num_rows)
        in_bank = np.isin(positions, self.bank_positions_, assume_unique=True)
        if not in_bank.all():
            outside = positions[~in_bank]
            scores[outside] = self.score(table.take(outside))
        if in_bank.any():
            bank = self.encoder_.transform(table.take(self.bank_positions_))
            scores[self.bank_positions_] = self.ensemble_.leave_one_out(self.spaces(bank))
        return scores[positions]

    def embed(self, encoded: EncodedRows) -> np.ndarray:
        """Embeddings (rows, d) float32, not length-normalised; without pretraining, the encoder's input."""
        rows = encoded.spaces[INPUT_SPACE]
        return rows if self.network_ is None else embed(self.network_, rows)

    def spaces(self, encoded: EncodedRows) -> dict[str, np.ndarray]:
        """What the heads measure in: {space: (rows, width)}."""
        embedding = {} if self.network_ is None else {EMBEDDING: self.embed(encoded)}
        return {**encoded.spaces, TAILS: encoded.tails, **embedding}

    def nearest(self, encoded: EncodedRows, k: int) -> np.ndarray:
        """Positions (rows, k) in the bank of the nearest normal rows, nearest first."""
        return self.ensemble_.first(INPUT_SPACE).neighbours(encoded.spaces[INPUT_SPACE], k)[1]

    def learned_state(self) -> dict[str, Any]:
        """The part of the state that does not need the heads, some of which may have none."""
        return {"encoder": self.encoder_.to_state(),
                "network": None if self.network_ is None else encoder_state(self.network_)}

    def to_state(self) -> dict[str, Any]:
        return self.learned_state() | {
            "ensemble": self.ensemble_.to_state(), "bank_positions": self.bank_positions_,
            "history": self.history_, "untrained_because": self.untrained_because_,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        scorer = cls()
        scorer.encoder_ = TableEncoder.from_state(state["encoder"])
        scorer.network_ = None if state["network"] is None else encoder_from_state(state["network"])
        scorer.ensemble_ = HeadEnsemble.from_state(state["ensemble"])
        scorer.bank_positions_ = np.asarray(state["bank_positions"])
        scorer.history_, scorer.untrained_because_ = state["history"], state["untrained_because"]
        return scorer

    def _pretrain(self, reference: EncodedRows, held_out: EncodedRows, recipe: Recipe, seed: int) -> None:
        self.network_, self.history_, self.untrained_because_ = None, [], ""
        if recipe.pretraining == NO_PRETRAINING:
            return
        from anomaly_cl.pretraining.fit import pretrain  # Lightning takes seconds to import; scoring needs none of it

        result = pretrain(
            recipe.pretraining, reference.spaces[INPUT_SPACE], held_out.spaces[INPUT_SPACE], self.encoder_.column_of_,
            seed=seed, settings=recipe.training, trainer_options=recipe.trainer_options,
        )
        self.network_, self.history_ = result.encoder, result.history
        self.untrained_because_ = result.untrained_because


def _drawn(roles: Roles, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Ascending positions of n_rows rows learned from, held-out ones among them in proportion, but at least one."""
    n_held_out = max(1, round(n_rows * len(roles.held_out) / len(roles.learned)))
    held_out, reference = (rng.permutation(part) for part in (roles.held_out, roles.reference))
    return np.sort(np.concatenate([held_out[:n_held_out], reference[:n_rows - n_held_out]]))


def _within(roles: Roles, positions: np.ndarray) -> Roles:
    """The roles as positions among these rows, of those that are there."""
    return Roles(*(np.flatnonzero(np.isin(positions, part, assume_unique=True))
                   for part in (roles.reference, roles.held_out, roles.calibration)))
