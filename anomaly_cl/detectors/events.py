"""EventDetector: judges a record against the past of its customer, card, terminal or machine."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator

from anomaly_cl.detectors import artifact
from anomaly_cl.detectors.calibrating import calibrate
from anomaly_cl.detectors.confirmations import Confirmations
from anomaly_cl.detectors.entity_pattern import WEIGHT as PATTERN_WEIGHT
from anomaly_cl.detectors.entity_pattern import EntityPattern
from anomaly_cl.detectors.event_table import (
    EventSchema,
    entity_codes,
    event_schema,
    read_past,
)
from anomaly_cl.detectors.fitted import check_settings, read_rows
from anomaly_cl.detectors.fitted_events import FittedEvents, micros_of, read_history
from anomaly_cl.detectors.row_scorer import NO_PRETRAINING, Recipe, RowScorer
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.history_sql import MICROSECONDS_A_DAY
from anomaly_cl.features.records import prepare_records
from anomaly_cl.features.sql_engine import SqlEngine
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.drift import FEWEST_ROWS, DriftReference
from anomaly_cl.scoring.drift_verdict import LEVEL, DriftVerdict
from anomaly_cl.scoring.fusion import Surprise
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.scoring.recurrence import WINDOW_DAYS, Recurrence, is_strange
from anomaly_cl.table.read import open_rows
from anomaly_cl.table.split import Split

KIND = "events"
MOST_OWN = 3.0  # weight of a record's own columns together: many that say nothing do not drown the deviations
CONFIRMING = 1_001  # key of the random stream of confirmations, apart from that of fit
FIT_DAYS = 3 * WINDOW_DAYS  # of unlabelled records before the normal ones, that recurrence is learned from


class EventDetector(FittedEvents, BaseEstimator):
    """Anomaly detector for records of entities over time, trained on normal records; higher scores are stranger.

    Each record is compared with the strictly earlier ones of each of its entities: see `EntityDeviations`. What is
    compared, and how much it counts, is learned without labels. Strange records of the same entity in the 7 days before
    add to the score: see `Recurrence`. Records at one instant are ordered by key.

    key, entity, time: names of the columns with these roles; those of the schema where None.
    schema: kinds and roles of the columns; inferred from the normal records if None.
    towers: names of entity columns whose last 20 records are contrasted with the present one by two towers (see
    `PastHead`). None by default: on simulated payments they found more purchases at hours unusual for the customer,
    and as much less elsewhere.
    pretraining, training, trainer_options, bank_rows, fit_rows: as of TabularDetector, for the records with their
    deviations as columns.
    engine: where the history is computed; DuckDB in this process if None.
    """

    def __init__(
        self,
        key: str | None = None,
        entity: str | Sequence[str] | None = None,
        time: str | None = None,
        random_state: int = 0,
        *,
        schema: Schema | None = None,
        towers: str | Sequence[str] = (),
        pretraining: str = NO_PRETRAINING,
        training: TrainingSettings | None = None,
        trainer_options: Mapping[str, Any] | None = None,
        bank_rows: int = 5_000,
        fit_rows: int = 200_000,
        engine: SqlEngine | None = None,
    ):
        self.key = key
        self.entity = entity
        self.time = time
        self.random_state = random_state
        self.schema = schema
        self.towers = towers
        self.pretraining = pretraining
        self.training = training
        self.trainer_options = trainer_options
        self.bank_rows = bank_rows
        self.fit_rows = fit_rows
        self.engine = engine

    def fit(self, rows: Any, history: Any = None, *, where: str | None = None) -> Self:
        """Learn from normal records; `history` are earlier ones as they came, which nobody needs to have looked at.

        Both may be anything that `TabularDetector.fit` takes; `where` is an SQL condition that picks the normal rows.
        Raises InputError for records that cannot be read, or without a time, and UsageError without an entity or
        time, or for a setting out of range.
        """
        schema = self._schema_of(rows)
        table = read_rows(rows, schema, where)
        return self.fit_tables(table, read_history(history, schema), schema)

    def fit_tables(self, table: pa.Table, history: pa.Table | None, schema: Schema) -> Self:
        """The same for tables that conform to the schema."""
        check_settings(self)
        streams = np.random.default_rng(self.random_state).spawn(5)
        sampling, splitting, learning, drifting, contrasting = streams
        self.base_schema_, towers = schema, self._tower_roles(schema)
        self.deviations_ = EntityDeviations(HistoryPlan.from_schema(schema))
        past = read_past(history, table, schema, self.deviations_, self._engine(), FIT_DAYS)
        n_before = len(past.history) - table.num_rows
        chosen = n_before + np.arange(table.num_rows)
        if len(chosen) > self.fit_rows:
            chosen = np.sort(sampling.choice(chosen, self.fit_rows, replace=False))
        roles, _ = Split().roles(len(chosen), splitting)
        learned = chosen[roles.learned]
        self.deviations_.fit(past.looked_at.take(learned), past.history.take(learned))
        self.own_encoder_ = TableEncoder(schema).fit(past.rows.slice(past.first).take(learned))
        self.patterns_ = tuple(
            EntityPattern(role, self.own_encoder_).fit(
                past, self.deviations_.plan, chosen[roles.reference], chosen[roles.held_out], stream, self.training,
                self.trainer_options or {})
            for role, stream in zip(towers, contrasting.spawn(len(towers)), strict=True))
        self.events_ = EventSchema.of(schema, self.deviations_, [pattern.column for pattern in self.patterns_])
        self.schema_ = self.events_.schema
        every = self._every(past)
        rows = every.take(chosen)
        self.scorer_ = RowScorer().fit(rows, self.schema_, roles, self._recipe(), learning)
        base = np.empty(every.num_rows)
        base[chosen] = self.scorer_.training_scores(rows, np.arange(len(chosen)))
        others = np.setdiff1d(np.arange(every.num_rows), chosen)
        base[others] = self.scorer_.score(every.take(others))
        self.surprise_ = Surprise().fit(base[learned])
        surprise = self.surprise_(base)
        left, strange = self._left(past, surprise)
        self.recurrence_ = Recurrence(self.deviations_.plan.entities)
        self._learn_recurrence(past.looked_at, n_before, surprise, strange)
        scores = surprise + self.recurrence_.added(left)
        calibrating = chosen[roles.calibration]
        self.calibration_, self.drift_reference_ = calibrate(
            every.take(calibrating), scores[calibrating], self.drift_schema_, drifting)
        self.confirmations_: Confirmations | None = None
        self.presume_after_: float | None = None
        self.reference_ = rows.take(self.scorer_.bank_positions_)
        self.rows_ = {"read": table.num_rows, "history": 0 if history is None else history.num_rows,
                      "reference": len(roles.reference), "held_out": len(roles.held_out),
                      "bank": len(self.scorer_.bank_positions_), "calibration": len(roles.calibration)}
        self.model_id_ = artifact.digest(
            {"learned": self._learned_state(), "calibration": self.calibration_.to_state()})
        return self

    def confirmed(self, rows: Any, verdicts: Any, history: Any = None, *, presume_after: float | None = None) -> Self:
        """A new detector that also reads verdicts which came late; this one stays as it is.

        rows: all records of some weeks, that `fit` did not learn from; history: earlier ones. verdicts: what was found
        of any of them, see `VerdictTable.read`. presume_after: days after which a record without a verdict counts as
        legitimate, where only frauds are confirmed. Without verdicts in `score`, the new detector scores as this one
        does. Raises InputError for fewer than 20 frauds among the rows.
        """
        table, before = self._tables(rows, history)
        told = self._verdicts(verdicts)
        events = self.event_table(table, before)
        every = table if before is None else pa.concat_tables([before, table])
        records = prepare_records(every, self.base_schema_, self.deviations_.plan)
        scores = np.full(every.num_rows, np.nan)
        scores[every.num_rows - table.num_rows:] = self._one_class(events)
        known = told.history(every.column(self._key()), records.column("micros").to_numpy(), micros_of(presume_after))
        rng = np.random.default_rng(np.random.SeedSequence(self.random_state, spawn_key=(CONFIRMING,)))
        other = copy.copy(self)
        other.presume_after_ = presume_after
        other.confirmations_ = Confirmations().fit(
            scores, entity_codes(records, self.deviations_.plan), known, int(told.decided_at.max()), rng)
        other.model_id_ = artifact.digest({"model": self.model_id_, "confirmed": other.confirmations_.to_state()})
        return other

    def score(
        self, rows: Any, history: Any = None, policy: str | Policy | None = None, *, verdicts: Any = None
    ) -> pd.DataFrame:
        """Score records; `history` are earlier ones, read but not scored. The columns are those of TabularDetector.

        Give all that is known of the past: a customer without one is compared with everybody. The rows count as past
        of each other, so that files scored one by one, with those before as history, get the scores of all at once.
        `verdicts`, of a detector made by `confirmed`, are of records among both; a score reads those given before it.
        """
        frame = self.scored_frame(self.event_rows(rows, history, verdicts=verdicts), policy)
        return frame.set_index(rows.index) if isinstance(rows, pd.DataFrame) else frame

    def decision_function(self, rows: Any, history: Any = None, *, verdicts: Any = None) -> np.ndarray:
        """Score (rows,) float64, higher = stranger: in nats, with verdicts the log odds of fraud."""
        return self.score_table(self.event_rows(rows, history, verdicts=verdicts)).score

    def drift(self, rows: Any, history: Any = None, *, level: float = LEVEL) -> DriftVerdict:
        """Whether the calibration still holds for new unlabelled records, as of TabularDetector."""
        table, monitor = self.event_rows(rows, history), self.drift_monitor()
        monitor.add(table, self._one_class(table))
        return monitor.verdict(level)

    def recalibrated(self, rows: Any, history: Any = None) -> Self:
        """A detector of the same training with a new calibration, of normal records that it did not learn from."""
        table = self.event_rows(rows, history)
        if table.num_rows < FEWEST_ROWS:
            raise InputError(f"a calibration needs at least {FEWEST_ROWS} normal rows", f"there are {table.num_rows}",
                             "give more rows, or check the filter")
        other, rng = copy.copy(self), np.random.default_rng(self.random_state)
        other.calibration_, other.drift_reference_ = calibrate(
            table, self.score_table(table).score, self.drift_schema_, rng)
        other.rows_ = self.rows_ | {"calibration": table.num_rows}
        other.model_id_ = artifact.digest({"model": self.model_id_, "calibration": other.calibration_.to_state()})
        return other

    def save(self, folder: str | Path) -> None:
        """Write the model folder; `anomaly_cl.load` reads it."""
        state = self._learned_state() | {
            "kind": KIND, "version": version("anomaly_cl"), "model_id": self.model_id_, "rows": self.rows_,
            "settings": {"pretraining": self.pretraining, "random_state": self.random_state,
                         "bank_rows": self.bank_rows, "fit_rows": self.fit_rows,
                         "towers": [pattern.role for pattern in self.patterns_]},
            "scorer": self.scorer_.to_state(),
            "calibration": {name: value for name, value in self.calibration_.to_state().items() if name != "scores"},
            "drift": self.drift_reference_.to_state(),
            "confirmations": self.confirmations_ and self.confirmations_.to_state(),
            "presume_after": self.presume_after_,
        }
        calibration = pa.table({"score": self.calibration_.scores_})
        artifact.save_model(folder, state, {"reference": self.reference_, "calibration": calibration})

    @classmethod
    def from_state(cls, state: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Self:
        """The detector that was saved; KeyError and the like where the state is incomplete."""
        detector = cls(**state["settings"])
        detector.events_ = EventSchema.from_state(state["events"])
        detector.base_schema_, detector.schema_ = detector.events_.base, detector.events_.schema
        detector.deviations_ = EntityDeviations.from_state(state["deviations"])
        detector.own_encoder_ = TableEncoder.from_state(state["own_encoder"])
        detector.patterns_ = tuple(EntityPattern.from_state(each, detector.own_encoder_)
                                   for each in state["patterns"])
        detector.scorer_ = RowScorer.from_state(state["scorer"])
        detector.surprise_ = Surprise.from_state(state["surprise"])
        detector.recurrence_ = Recurrence.from_state(state["recurrence"])
        confirmed = state["confirmations"]
        detector.confirmations_ = None if confirmed is None else Confirmations.from_state(confirmed)
        detector.presume_after_ = state["presume_after"]
        scores = tables["calibration"]["score"].to_numpy()
        detector.calibration_ = Calibration.from_state({**state["calibration"], "scores": scores})
        detector.drift_reference_ = DriftReference.from_state(state["drift"])
        detector.reference_, detector.rows_, detector.model_id_ = tables["reference"], state["rows"], state["model_id"]
        return detector

    def _learned_state(self) -> dict[str, Any]:
        return {"events": self.events_.to_state(), "deviations": self.deviations_.to_state(),
                "patterns": [pattern.to_state() for pattern in self.patterns_],
                "own_encoder": self.own_encoder_.to_state(),
                "learned": self.scorer_.learned_state(), "surprise": self.surprise_.to_state(),
                "recurrence": self.recurrence_.to_state()}

    def _recipe(self) -> Recipe:
        names = [column.name for column in self.base_schema_.learned]
        own = dict.fromkeys(names, min(1.0, MOST_OWN / max(1, len(names))))
        weights = own | {name: self.deviations_.weights_[name] for name in self.events_.deviations}
        weights |= dict.fromkeys(self.events_.patterns, PATTERN_WEIGHT)
        return Recipe(self.pretraining, self.training or TrainingSettings(), self.trainer_options or {}, {},
                      self.bank_rows, weights=weights)

    def _tower_roles(self, schema: Schema) -> tuple[str, ...]:
        entities = [column.name for column in schema.with_role(Role.ENTITY)]
        chosen = (self.towers,) if isinstance(self.towers, str) else tuple(self.towers)
        if unknown := [name for name in chosen if name not in entities]:
            raise UsageError(f"towers are of entity columns; these are {entities}",
                             f"found {unknown}", "choose among them")
        return chosen

    def _learn_recurrence(
        self, records: pa.Table, n_before: int, surprise: np.ndarray, strange: Mapping[str, np.ndarray]
    ) -> None:
        """From the unlabelled records whose whole window was looked at."""
        micros = records.column("micros").to_numpy()[:n_before]
        if len(micros):
            whole = np.flatnonzero(micros >= micros.min() + WINDOW_DAYS * MICROSECONDS_A_DAY)
            self.recurrence_.fit(is_strange(surprise[whole]),
                                 {role: total[whole] for role, total in strange.items()})

    def _schema_of(self, rows: Any) -> Schema:
        schema = self.schema or open_rows(rows).schema
        entities = [self.entity] if isinstance(self.entity, str) else list(self.entity or ())
        return event_schema(schema.naming(key=self.key, entities=entities, time=self.time))
