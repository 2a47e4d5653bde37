"""What an event detector does with records once it is fitted: their history, scores, reasons and entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly_cl.detectors.confirmations import Confirmations
from anomaly_cl.detectors.drift import TableDrift
from anomaly_cl.detectors.entity_pattern import EntityPattern
from anomaly_cl.detectors.event_entities import (
    Entities,
    embeddings_frame,
    known_entities,
    peer_frame,
    similar_frames,
)
from anomaly_cl.detectors.event_reasons import STRANGE_BEFORE, EventWords
from anomaly_cl.detectors.event_table import (
    EVIDENCE,
    RISK,
    STRANGE_RECORDS,
    EventSchema,
    Past,
    entity_codes,
    read_past,
)
from anomaly_cl.detectors.explained_rows import UNUSUAL
from anomaly_cl.detectors.explanation import Explanation
from anomaly_cl.detectors.fitted import FittedDetector, judged, read_rows
from anomaly_cl.detectors.reasons import BESIDE, Typical, encoded_of
from anomaly_cl.detectors.scored import Scores, segment_texts
from anomaly_cl.detectors.verdict_table import VerdictTable
from anomaly_cl.errors import UsageError
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.features.history_sql import MICROSECONDS_A_DAY
from anomaly_cl.features.records import prepare_records
from anomaly_cl.features.sql_engine import DuckDBEngine, SqlEngine
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.features.window_sums import window_sums_sql
from anomaly_cl.schema import Column, Role, Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.explain import Cells
from anomaly_cl.scoring.fusion import Surprise
from anomaly_cl.scoring.noisy_or import Joined
from anomaly_cl.scoring.recurrence import WINDOW_DAYS, Recurrence, evidence, is_strange

RENEWED = 0.5  # novelty from which a deviation speaks of the record rather than of its entity's state


class FittedEvents(FittedDetector):
    """Fitted attributes beside those of FittedDetector: `base_schema_` of the records, `schema_` of event rows and
    `events_`, from one to the other; `deviations_`, `patterns_`, `own_encoder_`, `surprise_` (the scale of -log p),
    `recurrence_`, and of late verdicts `confirmations_` and `presume_after_`, None without.
    """

    engine: SqlEngine | None
    base_schema_: Schema
    events_: EventSchema
    deviations_: EntityDeviations
    patterns_: tuple[EntityPattern, ...]
    own_encoder_: TableEncoder
    surprise_: Surprise
    recurrence_: Recurrence
    confirmations_: Confirmations | None
    presume_after_: float | None

    def event_rows(self, rows: Any, history: Any = None, *, verdicts: Any = None) -> pa.Table:
        """The records with all that their past says of them: what `score_table` reads, row by row by itself."""
        return self.event_table(*self._tables(rows, history), verdicts=verdicts)

    def event_table(self, table: pa.Table, history: pa.Table | None, *, verdicts: Any = None) -> pa.Table:
        """The same for tables that conform to `base_schema_`."""
        past = read_past(history, table, self.base_schema_, self.deviations_, self._engine(), WINDOW_DAYS)
        every = self._every(past)
        left, strange = self._left(past, self.surprise_(self.scorer_.score(every)))
        n_before = every.num_rows - table.num_rows
        rows = every.slice(n_before)
        for opening, totals in ((EVIDENCE, left), (STRANGE_RECORDS, strange)):
            for role, total in totals.items():
                rows = rows.append_column(opening + role, pa.array(total[n_before:]))
        if verdicts is None:
            return rows
        for role, risks in self._risks(past, table.num_rows, verdicts).items():
            rows = rows.append_column(RISK + role, pa.array(risks))
        return rows

    def score_table(self, table: pa.Table | pa.RecordBatch) -> Scores:
        """Scores of event rows; a row's scores do not depend on the others."""
        score = self._one_class(table)
        if (joined := self._joined(table, score)) is not None and self.confirmations_ is not None:
            return judged(joined.score, self.confirmations_.calibration_)
        return judged(score, self.calibration_, segment_texts(table, self.schema_))

    def probability(self, table: pa.Table | pa.RecordBatch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Probability of fraud (rows,) of event rows with verdicts, and the share (rows,) that each cause has in it.

        Causes are "one-class" and the entity roles. Raises UsageError without verdicts.
        """
        joined = self._joined(table, self._one_class(table))
        if joined is None:
            raise UsageError("probabilities are learned from verdicts", "the rows were made without them",
                             "use a detector made by confirmed, and event_rows(..., verdicts=...)")
        return joined.probability, joined.shares

    def explain(
        self, rows: Any, history: Any = None, *, verdicts: Any = None, k: int = 5, level: float = UNUSUAL
    ) -> list[Explanation]:
        """Why each record is unusual given its past, or that it is not: see `Explanation`. `history` and `verdicts` are
        those of `score`; k: nearest normal records to show; level: the p-value up to which one is called unusual.
        """
        return self.explain_table(self.event_rows(rows, history, verdicts=verdicts), k=k, level=level)

    def embed_entities(self, rows: Any, entity: str | None = None) -> pd.DataFrame:
        """What each entity of a role (the first, if none is named) did last, as a line by name: how many records that
        rests on, 20 at most, and an embedding, in which those that behave alike lie near each other.

        `rows` are all records known. With a tower of the role it is the tower's; else mean and spread of the columns.
        """
        return embeddings_frame(self._entities(read_rows(rows, self.base_schema_), entity)[0])

    def similar_entities(self, rows: Any, name: object, k: int = 5, entity: str | None = None) -> pd.DataFrame:
        """The k entities that behave most like one, nearest first, among those of the records known.

        Columns: entity, distance, records, few (whether it has too few to tell). Raises InputError for another name.
        """
        return self.similar_to_each(read_rows(rows, self.base_schema_), [name], k, entity)[0]

    def similar_to_each(
        self, rows: pa.Table, names: Sequence[object], k: int = 5, entity: str | None = None
    ) -> list[pd.DataFrame]:
        """The same for each of the entities named, among conforming records; these are embedded once."""
        return similar_frames(self._entities(rows, entity)[0], names, k)

    def compare_with_peers(
        self, rows: Any, history: Any = None, *, entity: str | None = None, k: int = 10
    ) -> pd.DataFrame:
        """Amounts of records against what their entity, and the k entities that behave most like it, usually have.

        A line for each row (by number) with this entity and each amount: value, what the entity's own past and its
        peers let expect, the deviation from both in spreads, and a sentence.
        """
        table, before = self._tables(rows, history)
        every = table if before is None else pa.concat_tables([before, table])
        entities, records = self._entities(every, entity)
        past = read_past(before, table, self.base_schema_, self.deviations_, self._engine(), 0)
        seen = past.looked_at.slice(past.looked_at.num_rows - table.num_rows)
        ours = past.history.slice(past.history.num_rows - table.num_rows)
        values, expected = self.deviations_.transform(seen, ours), self.deviations_.expected(seen, ours)
        role, n = entity or self.deviations_.plan.entities[0], every.num_rows
        own = {str(each.about): (_filled(expected, each.name), _filled(values, each.name))
               for each in self.deviations_.deviations if each.kind == "amount" and each.entity == role}
        return peer_frame(entities, records, np.arange(n - table.num_rows, n), role, self.deviations_.plan, own, k)

    def drift_monitor(self) -> TableDrift:
        """A monitor of records as they are scored; of the deviations it watches those that each record renews."""
        return TableDrift(self.drift_reference_, self.drift_schema_)

    @property
    def drift_schema_(self) -> Schema:
        """Event rows without the deviations that describe an entity's state, as they grow with its history."""
        slow = [name for name in self.events_.deviations if self.deviations_.novelty_[name] < RENEWED]
        return self.schema_.assign(dict.fromkeys(slow, "ignore"))

    def _beside(self, table: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray]:
        beside = {STRANGE_BEFORE + role: left.astype(np.float64) for role, left in self._evidence(table).items()}
        return beside | {RISK + role: risk for role, risk in (self._known_risks(table) or {}).items()}

    def _usual_beside(self, names: list[str]) -> dict[str, float]:
        untold = {} if self.confirmations_ is None else self.confirmations_.untold_risks()
        return {name: untold.get(name.removeprefix(RISK), 0.0) for name in names}

    def _score_cells(self, cells: Cells) -> np.ndarray:
        n_roles, beside = len(self.recurrence_.roles), cells.matrices[BESIDE]
        score = self.surprise_(self.scorer_.score_encoded(encoded_of(cells)))
        score = score + self.recurrence_.added(dict(zip(self.recurrence_.roles, beside[:, :n_roles].T, strict=True)))
        if beside.shape[1] == n_roles or self.confirmations_ is None:
            return score
        risks = dict(zip(self.deviations_.plan.entities, beside[:, n_roles:].T, strict=True))
        return self.confirmations_.join_risks(score, risks).score

    def _words(self, found: Typical) -> EventWords:
        return EventWords(found, self.events_, self.deviations_,
                          self._joined(found.rows, self._one_class(found.rows)))

    def _judged_by(self, table: pa.Table | pa.RecordBatch) -> tuple[Calibration, np.ndarray | None]:
        if self.confirmations_ is not None and self._known_risks(table) is not None:
            return self.confirmations_.calibration_, None
        return super()._judged_by(table)

    @property
    def _told_schema(self) -> Schema:
        return self.base_schema_

    def _every(self, past: Past) -> pa.Table:
        """Event rows of all records looked at, still without what their last days left."""
        surprises = {pattern.column: pattern.surprise(past, self.deviations_.plan) for pattern in self.patterns_}
        return self.events_.rows(past, self.deviations_, surprises)

    def _left(
        self, past: Past, surprise: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What the last days of its entities left to each record looked at: evidence, and how many records were
        strange, each {role: (rows,)}.
        """
        names = self.deviations_.plan.record_names
        roles = {role: names[role] for role in self.deviations_.plan.entities}
        records = past.looked_at.select(["row", "micros", *roles.values()])
        records = records.append_column("evidence", pa.array(evidence(surprise)))
        records = records.append_column("strange", pa.array(is_strange(surprise).astype(np.int64)))
        sql = window_sums_sql("records", list(roles.values()), ["evidence", "strange"], WINDOW_DAYS, past.first)
        sums = self._engine().run(sql, {"records": records}).read_all()
        left, odd = ({role: sums.column(f"{entity}_{value}").to_numpy() for role, entity in roles.items()}
                     for value in ("evidence", "strange"))
        return left, odd

    def _tables(self, rows: Any, history: Any) -> tuple[pa.Table, pa.Table | None]:
        return read_rows(rows, self.base_schema_), read_history(history, self.base_schema_)

    def _entities(self, rows: pa.Table, entity: str | None) -> tuple[Entities, pa.Table]:
        """The entities of all records known, and these records."""
        plan = self.deviations_.plan
        role = plan.entities[0] if entity is None else entity
        if role not in plan.entities:
            raise UsageError(f"entities are those of a role: {list(plan.entities)}", f"it is {role!r}",
                             "choose one of them")
        records = prepare_records(rows, self.base_schema_, plan)
        head = next((pattern.head_ for pattern in self.patterns_ if pattern.role == role), None)
        return known_entities(rows, records, role, plan, self.own_encoder_, head), records

    def _own_columns(self) -> list[Column]:
        return [column for column in self.schema_.required if column.name in self.reference_.column_names]

    def _own_scores(self, rows: pa.Table) -> Scores:
        """Without what recurs: the rows of the bank do not tell it."""
        return judged(self.surprise_(self.scorer_.score(rows)), self.calibration_, segment_texts(rows, self.schema_))

    def _one_class(self, table: pa.Table | pa.RecordBatch) -> np.ndarray:
        """Score (rows,) of event rows without what verdicts say."""
        return self.surprise_(self.scorer_.score(table)) + self.recurrence_.added(self._evidence(table))

    def _joined(self, table: pa.Table | pa.RecordBatch, score: np.ndarray) -> Joined | None:
        """Scores (rows,) joined with what verdicts say of event rows; None without verdicts."""
        risks = self._known_risks(table)
        return None if risks is None or self.confirmations_ is None else self.confirmations_.join_risks(score, risks)

    def _known_risks(self, table: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray] | None:
        """What verdicts say of event rows {role: (rows,)}; None without verdicts."""
        roles = self.deviations_.plan.entities
        if self.confirmations_ is None or not {RISK + role for role in roles} <= set(table.schema.names):
            return None
        return {role: table.column(RISK + role).to_numpy() for role in roles}

    def _risks(self, past: Past, n_rows: int, verdicts: Any) -> dict[str, np.ndarray]:
        if self.confirmations_ is None:
            raise UsageError("verdicts are read by a detector that learned from some",
                             "this one did not", "use detector.confirmed(rows, verdicts), and score with the result")
        micros = past.records.column("micros").to_numpy()
        known = self._verdicts(verdicts).history(past.rows.column(self._key()), micros, micros_of(self.presume_after_))
        codes = entity_codes(past.records, self.deviations_.plan)
        last = len(micros) - n_rows
        return self.confirmations_.risks({role: each[last:] for role, each in codes.items()}, micros[last:], known,
                                         codes)

    def _verdicts(self, verdicts: Any) -> VerdictTable:
        return verdicts if isinstance(verdicts, VerdictTable) else VerdictTable.read(verdicts, self.base_schema_)

    def _key(self) -> str:
        key = self.base_schema_.only(Role.KEY)
        if key is None:
            raise UsageError("verdicts name records by their key", "the schema has none",
                             "give one column the role key")
        return key

    def _evidence(self, table: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray]:
        return {role: table.column(EVIDENCE + role).to_numpy() for role in self.recurrence_.roles}

    def _engine(self) -> SqlEngine:
        return self.engine or DuckDBEngine()


def _filled(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).fill_null(np.nan).to_numpy()


def read_history(history: Any, schema: Schema) -> pa.Table | None:
    """Earlier records as `read_rows` reads them; None for none, as on the first day of a pipeline."""
    empty = history is None or (isinstance(history, (pd.DataFrame, pa.Table)) and not len(history))
    return None if empty else read_rows(history, schema)


def micros_of(days: float | None) -> int | None:
    """Days in microseconds."""
    return None if days is None else round(days * MICROSECONDS_A_DAY)
