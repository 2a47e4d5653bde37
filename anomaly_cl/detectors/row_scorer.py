"""From rows of a table to one score each: features, encoder and heads, learned together from normal rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.ensemble import (
    EMBEDDING,
    JOINT,
    MATCHING,
    METRICS,
    TAILS,
    TOWERS,
    Contrasted,
    HeadEnsemble,
    SpaceHead,
    default_heads,
    joint_heads,
    weighted_heads,
)
from anomaly_cl.detectors.refinement import Confirmed, Measured, Refinement
from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.encoders.state import encoder_from_state, encoder_state, matched_parts_from_state
from anomaly_cl.errors import UsageError
from anomaly_cl.features.table_encoder import SPACES, EncodedRows, TableEncoder
from anomaly_cl.pretraining.pairs import Pairs, pairs_among
from anomaly_cl.pretraining.settings import TrainingSettings, unwatched
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.dependence import contrast_weight
from anomaly_cl.scoring.distances import DistanceHead
from anomaly_cl.table.split import Roles

INPUT_SPACE = "robust"  # what the encoder reads, and where neighbours are looked for
STANDARD_SPACE = "standard"
NO_PRETRAINING, NEIGHBOURS = "none", "neighbours"
EXACT, FAST = "exact", "fast"
SLICE_ROWS = 8_192  # encoded and measured at once: the matrices of more would leave the cache, and fill the memory
BANK_ROWS = {EXACT: 20_000, FAST: 4_096}  # most normal rows that distances are measured to, by search


@dataclass(frozen=True)
class Recipe:
    """How a RowScorer is made: pretraining and its settings, heads of other kinds, and the size of the bank.

    `pairs` are of positions in the table learned from; `confirmed` are labelled rows beside that table. `weights` say
    how much each column counts, {learned column: 0 or more}; without them all columns count alike.
    """

    pretraining: str
    training: TrainingSettings
    trainer_options: Mapping[str, Any]
    extra_heads: Mapping[str, DistanceHead]
    bank_rows: int
    pairs: Pairs | None = None
    confirmed: Confirmed | None = None
    weights: Mapping[str, float] | None = None
    search: str = EXACT

    def heads(self, found: Contrasted, encoder: TableEncoder) -> dict[str, SpaceHead]:
        """The heads for the columns, and the extra ones; UsageError if a name is taken twice."""
        heads = joint_heads() if self.search == FAST else default_heads(found)
        if self.weights is not None:
            weights = np.array([self.weights[name] for name in encoder.learned_names_])
            # what the pretraining left is measured as always, the columns themselves by their weights
            heads = {name: head for name, head in heads.items() if head.space not in (*SPACES, TAILS)}
            heads |= weighted_heads(encoder.column_of_, weights)
        extra = {name: SpaceHead(STANDARD_SPACE, head) for name, head in self.extra_heads.items()}
        if twice := sorted(set(heads) & set(extra)):
            raise UsageError(f"extra heads need names other than {sorted(heads)}", f"found {twice}", "rename them")
        return heads | extra

    def unwatched(self) -> Recipe:
        """The same without loggers, callbacks and progress bar: for models that only serve the calibration."""
        return replace(self, trainer_options=unwatched(self.trainer_options))


class RowScorer:
    """Scores rows by fused surprise, each by itself.

    Fitted attributes: `encoder_`, `network_` (None without pretraining), `ensemble_`, `bank_positions_` (of the bank's
    rows in the table learned from), of the pretraining `history_` and `untrained_because_`, `matching_` (projections
    of CLIP, else None), `prototypes_` (of SwAV, else None), and `refinement_` (None without confirmed rows).
    """

    def fit(self, table: pa.Table, schema: Schema, roles: Roles, recipe: Recipe, rng: np.random.Generator) -> Self:
        """Learn from normal rows that conform to the schema, by their roles.

        All rows form the bank if `bank_rows` has room for them; else it is drawn from those that are learned from.
        """
        bank, training, refining = rng.spawn(3)
        self.encoder_ = TableEncoder(schema).fit(table.take(roles.learned))
        encoded = self.encoder_.transform(table)
        self._pretrain(encoded, table, roles, recipe, int(training.integers(2**31)))
        self.bank_positions_ = np.arange(len(encoded))
        if len(encoded) > recipe.bank_rows:
            self.bank_positions_ = _drawn(roles, recipe.bank_rows, bank)
        in_bank, within = encoded.take(self.bank_positions_), _within(roles, self.bank_positions_)
        self.joint_ = recipe.search == FAST
        heads = recipe.heads(self._contrasted(encoded.spaces["rank"][roles.learned]), self.encoder_)
        self.ensemble_ = HeadEnsemble(heads).fit(self.spaces(in_bank), within, self.encoder_.two_sided_)
        self.refinement_ = None
        if recipe.confirmed:
            self.refinement_ = Refinement().fit(
                self._own(in_bank), within, self._measured(self.encoder_.transform(recipe.confirmed.rows)),
                recipe.confirmed.is_anomaly, self.encoder_.column_of_, int(refining.integers(2**31)),
                recipe.unwatched().trainer_options,
            )
        return self

    def score(self, rows: pa.Table | pa.RecordBatch) -> np.ndarray:
        """Fused surprise (rows,) float64 in nats, higher = stranger."""
        scores = np.empty(rows.num_rows)
        for start in range(0, rows.num_rows, SLICE_ROWS):
            part = slice(start, start + SLICE_ROWS)
            scores[part] = self.score_encoded(self.encoder_.transform(rows.slice(start, SLICE_ROWS)))
        return scores

    def score_encoded(self, encoded: EncodedRows) -> np.ndarray:
        """The same of rows that are encoded."""
        return self._refined(self._measured(encoded))

    def training_scores(self, table: pa.Table, positions: np.ndarray) -> np.ndarray:
        """Scores of rows at ascending positions of the table learned from; those of the bank leave themselves out."""
        scores = np.empty(table.num_rows)
        in_bank = np.isin(positions, self.bank_positions_, assume_unique=True)
        if not in_bank.all():
            outside = positions[~in_bank]
            scores[outside] = self.score(table.take(outside))
        if in_bank.any():
            bank = self.encoder_.transform(table.take(self.bank_positions_))
            scores[self.bank_positions_] = self._refined(self._own(bank))
        return scores[positions]

    def embed(self, encoded: EncodedRows) -> np.ndarray:
        """Embeddings (rows, d) float32, not length-normalised; without pretraining, the encoder's input."""
        rows = self.network_input(encoded)
        return rows if self.network_ is None else embed(self.network_, rows)

    def groups(self, table: pa.Table) -> np.ndarray:
        """Number (rows,) of the group of normal behaviour that each row is nearest to, by pretraining="swav"."""
        head: Any = self.ensemble_.fitted_["prototypes"].head
        return head.groups(self.spaces(self.encoder_.transform(table))[EMBEDDING])

    def spaces(self, encoded: EncodedRows) -> dict[str, np.ndarray]:
        """What the heads measure in: {space: (rows, width)}."""
        spaces = {**encoded.spaces, TAILS: encoded.tails}
        if self.joint_:
            return {TAILS: encoded.tails, JOINT: self._joint(encoded)}
        if isinstance(self.network_, SpaceMetrics):
            return spaces | dict(zip(METRICS, np.split(self.embed(encoded), len(METRICS), axis=1), strict=True))
        if self.network_ is not None:
            spaces[EMBEDDING] = self.embed(encoded)
        if self.matching_ is not None:
            spaces[MATCHING] = embed(self.matching_, spaces[EMBEDDING])
            spaces |= dict(zip(TOWERS, np.split(spaces[EMBEDDING], [self.matching_.n_a], axis=1), strict=True))
        return spaces

    def measured_in(self, encoded: EncodedRows) -> np.ndarray:
        """Rows (rows, width) where the heads measure first: their embeddings; without pretraining, the standard space.
        """
        return encoded.spaces[STANDARD_SPACE] if self.network_ is None else self.embed(encoded)

    def nearest(self, encoded: EncodedRows, k: int) -> np.ndarray:
        """Positions (rows, k) in the bank of the nearest normal rows, nearest first."""
        if self.joint_:
            return self.ensemble_.nearest({JOINT: self._joint(encoded)}, JOINT, k)
        return self.ensemble_.nearest(encoded.spaces, INPUT_SPACE, k)

    def learned_state(self) -> dict[str, Any]:
        """The part of the state that does not need the heads, some of which may have none."""
        return {"encoder": self.encoder_.to_state(),
                "network": None if self.network_ is None else encoder_state(self.network_),
                "matching": None if self.matching_ is None else encoder_state(self.matching_),
                "prototypes": self.prototypes_,
                "refinement": None if self.refinement_ is None else self.refinement_.to_state()}

    def to_state(self) -> dict[str, Any]:
        return self.learned_state() | {
            "ensemble": self.ensemble_.to_state(), "bank_positions": self.bank_positions_,
            "history": self.history_, "untrained_because": self.untrained_because_, "joint": self.joint_,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        scorer = cls()
        scorer.encoder_ = TableEncoder.from_state(state["encoder"])
        scorer.network_ = None if state["network"] is None else encoder_from_state(state["network"])
        scorer.matching_ = None if state["matching"] is None else matched_parts_from_state(state["matching"])
        scorer.prototypes_ = state["prototypes"]
        scorer.refinement_ = None if state["refinement"] is None else Refinement.from_state(state["refinement"])
        scorer.ensemble_ = HeadEnsemble.from_state(state["ensemble"])
        scorer.joint_ = state.get("joint", False)
        scorer.bank_positions_ = np.asarray(state["bank_positions"])
        scorer.history_, scorer.untrained_because_ = state["history"], state["untrained_because"]
        return scorer

    def _measured(self, encoded: EncodedRows) -> Measured:
        surprises = self.ensemble_.surprises(self.spaces(encoded))
        return Measured(encoded, surprises, self.ensemble_.fusion_.mean(surprises))

    def _own(self, bank: EncodedRows) -> Measured:
        """The bank's own rows, each measured to the others."""
        surprises = self.ensemble_.own_surprises(self.spaces(bank))
        return Measured(bank, surprises, self.ensemble_.fusion_.mean(surprises))

    def _refined(self, rows: Measured) -> np.ndarray:
        return rows.fused if self.refinement_ is None else self.refinement_(rows)

    def _joint(self, encoded: EncodedRows) -> np.ndarray:
        return side_by_side(encoded) if self.network_ is None else self.embed(encoded)

    def network_input(self, encoded: EncodedRows) -> np.ndarray:
        """What the network takes, float32 (rows, width)."""
        return side_by_side(encoded) if isinstance(self.network_, SpaceMetrics) else encoded.spaces[INPUT_SPACE]

    def _contrasted(self, rank_scores: np.ndarray) -> Contrasted:
        """What the pretraining left, given the rank scores (rows, width) of the rows learned from."""
        if isinstance(self.network_, SpaceMetrics):
            return Contrasted(metrics=contrast_weight(rank_scores))
        return Contrasted(self.network_ is not None, matched=self.matching_ is not None, prototypes=self.prototypes_)

    def _pretrain(self, encoded: EncodedRows, table: pa.Table, roles: Roles, recipe: Recipe, seed: int) -> None:
        self.network_, self.history_, self.untrained_because_ = None, [], ""
        self.matching_, self.prototypes_ = None, None
        if recipe.pretraining == NO_PRETRAINING:
            return
        # Lightning takes seconds to import; scoring needs none of it
        from anomaly_cl.pretraining.fit import METHODS, pretrain

        schema, method = self.encoder_.schema, METHODS[recipe.pretraining]
        trained = roles.reference if method.stops_early else roles.learned
        rows = side_by_side(encoded) if method.in_all_spaces else encoded.spaces[INPUT_SPACE]
        result = pretrain(
            recipe.pretraining, rows[trained], rows[roles.held_out],
            np.tile(self.encoder_.column_of_, rows.shape[1] // len(self.encoder_.column_of_)), seed=seed,
            settings=recipe.training, columns=schema.learned,
            pairs=recipe.pairs and pairs_among(recipe.pairs, trained),
            entities=[_numbers(table.column(column.name).take(pa.array(trained)))
                      for column in schema.with_role(Role.ENTITY)] if recipe.training.entity_pairs else (),
            trainer_options=recipe.trainer_options,
        )
        self.history_, self.untrained_because_ = result.history, result.untrained_because
        if method.in_all_spaces and self.untrained_because_:
            return  # metrics that learned nothing are the raw distances, which have heads already
        self.network_ = result.encoder
        self.matching_, self.prototypes_ = result.matching, result.prototypes


def side_by_side(encoded: EncodedRows) -> np.ndarray:
    """The rows of all spaces in one matrix (rows, spaces * width)."""
    return np.concatenate([encoded.spaces[space] for space in SPACES], axis=1)


def _numbers(values: pa.ChunkedArray) -> np.ndarray:
    """A number (rows,) for each different value, -1 where it is missing."""
    codes = values.combine_chunks().dictionary_encode().indices.fill_null(-1)
    return codes.to_numpy(zero_copy_only=False).astype(np.int64)


def _drawn(roles: Roles, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Ascending positions of n_rows rows learned from, held-out ones among them in proportion, but at least one."""
    n_held_out = max(1, round(n_rows * len(roles.held_out) / len(roles.learned)))
    held_out, reference = (rng.permutation(part) for part in (roles.held_out, roles.reference))
    return np.sort(np.concatenate([held_out[:n_held_out], reference[:n_rows - n_held_out]]))


def _within(roles: Roles, positions: np.ndarray) -> Roles:
    """The roles as positions among these rows, of those that are there."""
    return Roles(*(np.flatnonzero(np.isin(positions, part, assume_unique=True))
                   for part in (roles.reference, roles.held_out, roles.calibration)))


def check_pretraining(name: str) -> None:
    """Raises UsageError unless it is a pretraining by that name, or none."""
    if name == NO_PRETRAINING:
        return
    from anomaly_cl.pretraining.fit import METHODS  # Lightning takes seconds to import; scoring needs none of it

    known = [*METHODS, NO_PRETRAINING]
    if name not in known:
        raise UsageError(f"pretraining is one of {known}", f"it is {name!r}", "choose one of them")
