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
from anomaly_cl.detectors.event_reasons import EventReasons
from anomaly_cl.detectors.event_table import EventSchema, Past, read_past
from anomaly_cl.detectors.fitted import FittedDetector, refuse
from anomaly_cl.detectors.row_scorer import NO_PRETRAINING, Recipe, RowScorer
from anomaly_cl.detectors.scored import Scores, segment_texts
from anomaly_cl.errors import InputError, ModelError, UsageError
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.history_sql import MICROSECONDS_A_DAY
from anomaly_cl.features.sql_engine import DuckDBEngine, SqlEngine
from anomaly_cl.features.window_sums import window_sums_sql
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.calibration import Calibration, risk
from anomaly_cl.scoring.drift import FEWEST_ROWS, DriftReference
from anomaly_cl.scoring.drift_verdict import LEVEL, DriftVerdict
from anomaly_cl.scoring.fusion import Surprise
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.scoring.recurrence import WINDOW_DAYS, Recurrence, evidence, is_strange
from anomaly_cl.table.read import open_rows
from anomaly_cl.table.split import Split

KIND = "events"
FIT_DAYS = 3 * WINDOW_DAYS  # of unlabelled records before the normal ones, that recurrence is learned from
EVIDENCE, STRANGE_RECORDS = "evidence: ", "strange records: "  # open the names of what an entity's last days left


class EventDetector(FittedDetector, BaseEstimator):
    """Anomaly detector for records of entities over time, trained on normal records; higher scores are stranger.

    Each record is compared with the strictly earlier ones of each of its entities: see `EntityDeviations`. What is
    compared, and how much it counts, is learned without labels. Strange records of the same entity in the 7 days before
    add to the score: see `Recurrence`. Records at one instant are ordered by key.

    key, entity, time: names of the columns with these roles; those of the schema where None.
    schema: kinds and roles of the columns; inferred from the normal records if None.
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
        self.pretraining = pretraining
        self.training = training
        self.trainer_options = trainer_options
        self.bank_rows = bank_rows
        self.fit_rows = fit_rows
        self.engine = engine

    def fit(self, rows: Any, history: Any = None, *, where: str | None = None) -> Self:
        """Learn from normal records; `history` are earlier ones as they came, which nobody needs to have looked at.

        Both may be anything that `TabularDetector.fit` takes; `where` is an SQL condition that picks the normal rows.
        Raises InputError for records that cannot be read, or without a time, and UsageError without an entity or time.
        """
        schema = self._schema_of(rows)
        table = _table(rows, schema, where)
        return self.fit_tables(table, None if history is None else _table(history, schema), schema)

    def fit_tables(self, table: pa.Table, history: pa.Table | None, schema: Schema) -> Self:
        """The same for tables that conform to the schema."""
        sampling, splitting, learning, drifting = np.random.default_rng(self.random_state).spawn(4)
        self.base_schema_ = schema
        self.deviations_ = EntityDeviations(HistoryPlan.from_schema(schema))
        past = read_past(history, table, schema, self.deviations_, self._engine(), FIT_DAYS)
        n_before = len(past.history) - table.num_rows
        chosen = n_before + np.arange(table.num_rows)
        if len(chosen) > self.fit_rows:
            chosen = np.sort(sampling.choice(chosen, self.fit_rows, replace=False))
        roles, _ = Split().roles(len(chosen), splitting)
        learned = chosen[roles.learned]
        self.deviations_.fit(past.looked_at.take(learned), past.history.take(learned))
        self.events_ = EventSchema.of(schema, self.deviations_)
        self.schema_ = self.events_.schema
        every = self.events_.rows(past, self.deviations_)
        rows = every.take(chosen)
        self.scorer_ = RowScorer().fit(rows, self.schema_, roles, self._recipe(), learning)
        base = np.empty(every.num_rows)
        base[chosen] = self.scorer_.training_scores(rows, np.arange(len(chosen)))
        others = np.setdiff1d(np.arange(every.num_rows), chosen)
        base[others] = self.scorer_.score(every.take(others))
        self.surprise_ = Surprise().fit(base[learned])
        surprise = self.surprise_(base)
        totals = self._totals(past, surprise)
        self.recurrence_ = Recurrence(self.deviations_.plan.entities)
        self._learn_recurrence(past.looked_at, n_before, surprise, totals)
        scores = surprise + self.recurrence_.added(_of(EVIDENCE, totals))
        calibrating = chosen[roles.calibration]
        self.calibration_, self.drift_reference_ = calibrate(
            every.take(calibrating), scores[calibrating], self.schema_, drifting)
        self.reference_ = rows.take(self.scorer_.bank_positions_)
        self.rows_ = {"read": table.num_rows, "history": 0 if history is None else history.num_rows,
                      "reference": len(roles.reference), "held_out": len(roles.held_out),
                      "bank": len(self.scorer_.bank_positions_), "calibration": len(roles.calibration)}
        self.model_id_ = artifact.digest(
            {"learned": self._learned_state(), "calibration": self.calibration_.to_state()})
        return self

    def score(self, rows: Any, history: Any = None, policy: str | Policy | None = None) -> pd.DataFrame:
        """Score records; `history` are earlier ones, read but not scored. The columns are those of TabularDetector.

        Give all that is known of the past: a customer without one is compared with everybody. The rows count as past
        of each other, so that files scored one by one, with those before as history, get the scores of all at once.
        """
        frame = self.scored_frame(self.event_rows(rows, history), policy)
        return frame.set_index(rows.index) if isinstance(rows, pd.DataFrame) else frame

    def decision_function(self, rows: Any, history: Any = None) -> np.ndarray:
        """Score (rows,) float64 in nats, higher = stranger."""
        return self.score_table(self.event_rows(rows, history)).score

    def event_rows(self, rows: Any, history: Any = None) -> pa.Table:
        """The records with all that their past says of them: what `score_table` reads, row by row by itself."""
        table = _table(rows, self.base_schema_)
        return self.event_table(table, None if history is None else _table(history, self.base_schema_))

    def event_table(self, table: pa.Table, history: pa.Table | None) -> pa.Table:
        """The same for tables that conform to `base_schema_`."""
        past = read_past(history, table, self.base_schema_, self.deviations_, self._engine(), WINDOW_DAYS)
        every = self.events_.rows(past, self.deviations_)
        totals = self._totals(past, self.surprise_(self.scorer_.score(every)))
        n_before = every.num_rows - table.num_rows
        rows = every.slice(n_before)
        for name, total in totals.items():
            rows = rows.append_column(name, pa.array(total[n_before:]))
        return rows

    def score_table(self, table: pa.Table | pa.RecordBatch) -> Scores:
        """Scores of event rows; a row's scores do not depend on the others."""
        score = self.surprise_(self.scorer_.score(table)) + self.recurrence_.added(self._evidence(table))
        segments = segment_texts(table, self.schema_)
        p_tail = self.calibration_.p_tail(score, segments)
        return Scores(score, self.calibration_.p_value(score, segments), p_tail, risk(p_tail))

    def reasons(self, table: pa.Table | pa.RecordBatch) -> list[list[dict[str, Any]]]:
        """For each event row what made it strange: its cells, against its entities' past, and what went before."""
        if not table.num_rows:
            return []
        evidence_of = self._evidence(table)
        strange = {role: table.column(STRANGE_RECORDS + role).to_numpy() for role in self.recurrence_.roles}
        words = EventReasons(self.events_, self.deviations_)
        return words.complete(super().reasons(table), table, self.recurrence_.shares(evidence_of), strange, WINDOW_DAYS)

    def drift(self, rows: Any, history: Any = None, *, level: float = LEVEL) -> DriftVerdict:
        """Whether the calibration still holds for new unlabelled records, as of TabularDetector."""
        table, monitor = self.event_rows(rows, history), self.drift_monitor()
        monitor.add(table, self.score_table(table).score)
        return monitor.verdict(level)

    def recalibrated(self, rows: Any, history: Any = None) -> Self:
        """A detector of the same training with a new calibration, of normal records that it did not learn from."""
        table = self.event_rows(rows, history)
        if table.num_rows < FEWEST_ROWS:
            raise InputError(f"a calibration needs at least {FEWEST_ROWS} normal rows", f"there are {table.num_rows}",
                             "give more rows, or check the filter")
        other, rng = copy.copy(self), np.random.default_rng(self.random_state)
        other.calibration_, other.drift_reference_ = calibrate(table, self.score_table(table).score, self.schema_, rng)
        other.rows_ = self.rows_ | {"calibration": table.num_rows}
        other.model_id_ = artifact.digest({"model": self.model_id_, "calibration": other.calibration_.to_state()})
        return other

    def save(self, folder: str | Path) -> None:
        """Write the model folder; `anomaly_cl.load` reads it."""
        state = self._learned_state() | {
            "kind": KIND, "version": version("anomaly_cl"), "model_id": self.model_id_, "rows": self.rows_,
            "settings": {"pretraining": self.pretraining, "random_state": self.random_state,
                         "bank_rows": self.bank_rows, "fit_rows": self.fit_rows},
            "scorer": self.scorer_.to_state(),
            "calibration": {name: value for name, value in self.calibration_.to_state().items() if name != "scores"},
            "drift": self.drift_reference_.to_state(),
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
        detector.scorer_ = RowScorer.from_state(state["scorer"])
        detector.surprise_ = Surprise.from_state(state["surprise"])
        detector.recurrence_ = Recurrence.from_state(state["recurrence"])
        scores = tables["calibration"]["score"].to_numpy()
        detector.calibration_ = Calibration.from_state({**state["calibration"], "scores": scores})
        detector.drift_reference_ = DriftReference.from_state(state["drift"])
        detector.reference_, detector.rows_, detector.model_id_ = tables["reference"], state["rows"], state["model_id"]
        return detector

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model folder; raises ModelError, naming the file, if it is incomplete, altered or too new."""
        state, tables = artifact.load_model(folder)
        try:
            return cls.from_state(state, tables)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise ModelError("a model's state must be complete", f"{folder}: {error!r}", artifact.RETRAIN) from error

    def _learned_state(self) -> dict[str, Any]:
        return {"events": self.events_.to_state(), "deviations": self.deviations_.to_state(),
                "learned": self.scorer_.learned_state(), "surprise": self.surprise_.to_state(),
                "recurrence": self.recurrence_.to_state()}

    def _recipe(self) -> Recipe:
        own = dict.fromkeys((column.name for column in self.base_schema_.learned), 1.0)
        return Recipe(self.pretraining, self.training or TrainingSettings(), self.trainer_options or {}, {},
                      self.bank_rows, weights=own | {name: self.deviations_.weights_[name]
                                                     for name in self.events_.deviations})

    def _totals(self, past: Past, surprise: np.ndarray) -> dict[str, np.ndarray]:
        """What the records of the last days left to each record looked at: evidence, and how many were strange."""
        names = self.deviations_.plan.record_names
        roles = {role: names[role] for role in self.deviations_.plan.entities}
        records = past.looked_at.select(["row", "micros", *roles.values()])
        records = records.append_column("evidence", pa.array(evidence(surprise)))
        records = records.append_column("strange", pa.array(is_strange(surprise).astype(np.int64)))
        sql = window_sums_sql("records", list(roles.values()), ["evidence", "strange"], WINDOW_DAYS, past.first)
        sums = self._engine().run(sql, {"records": records}).read_all()
        return {opening + role: sums.column(f"{entity}_{value}").to_numpy()
                for opening, value in ((EVIDENCE, "evidence"), (STRANGE_RECORDS, "strange"))
                for role, entity in roles.items()}

    def _learn_recurrence(
        self, records: pa.Table, n_before: int, surprise: np.ndarray, totals: Mapping[str, np.ndarray]
    ) -> None:
        """From the unlabelled records whose whole window was looked at."""
        micros = records.column("micros").to_numpy()[:n_before]
        if len(micros):
            whole = np.flatnonzero(micros >= micros.min() + WINDOW_DAYS * MICROSECONDS_A_DAY)
            self.recurrence_.fit(is_strange(surprise[whole]),
                                 {role: total[whole] for role, total in _of(STRANGE_RECORDS, totals).items()})

    def _evidence(self, table: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray]:
        return {role: table.column(EVIDENCE + role).to_numpy() for role in self.recurrence_.roles}

    def _engine(self) -> SqlEngine:
        return self.engine or DuckDBEngine()

    def _schema_of(self, rows: Any) -> Schema:
        schema = self.schema or open_rows(rows).schema
        entities = [self.entity] if isinstance(self.entity, str) else list(self.entity or ())
        roles = dict.fromkeys(entities, "entity")
        for name, role in ((self.key, Role.KEY), (self.time, Role.TIME)):
            if name is not None:
                roles |= {column.name: "ignore" for column in schema.with_role(role)} | {name: role.value}
        if entities:
            roles |= {column.name: "ignore" for column in schema.with_role(Role.ENTITY) if column.name not in roles}
        schema = schema.assign(roles)
        for role, name in ((Role.ENTITY, "entity"), (Role.TIME, "time")):
            if not schema.with_role(role):
                raise UsageError(f"events have a column of role {name}", f"the columns are {schema.names}",
                                 f"give {name}=..., or a schema with that role")
        return schema


def _of(opening: str, totals: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(opening): total for name, total in totals.items() if name.startswith(opening)}


def _table(rows: Any, schema: Schema, where: str | None = None) -> pa.Table:
    stream = open_rows(rows, schema, where=where, on_reject=refuse)
    read = [column.name for column in schema.required]
    batches = [batch.rows.select(read) for batch in stream]
    return pa.Table.from_batches(batches, schema=pa.schema([stream.arrow_schema.field(name) for name in read]))
