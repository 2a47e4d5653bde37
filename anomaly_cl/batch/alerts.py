"""From scored rows to alerts: the rows that a policy may still pick, and their way into the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa

from anomaly_cl.alerts.identity import NAME_LENGTH, entity_text
from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.alerts.store import alert_id, json_value, run_id
from anomaly_cl.batch.events import file_schema
from anomaly_cl.batch.shelf import RowShelf
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.policies import scored_rows
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.policy import Policy, ScoredRows
from anomaly_cl.table.read import Batch


class Reasons(Protocol):
    """The reasons of alerts, by the numbers of their rows."""

    def __getitem__(self, row_number: int, /) -> list[dict[str, Any]]: ...


NEIGHBOURS = 5
CHUNK = 1_000


@dataclass(frozen=True)
class Candidates:
    """Rows that are, or may become, alerts: in input order, with their scores."""

    row_numbers: np.ndarray
    rows: pa.Table
    scores: Scores

    def take(self, index: np.ndarray) -> Candidates:
        return Candidates(self.row_numbers[index], self.rows.take(pa.array(index)), _take(self.scores, index))


def _take(scores: Scores, index: np.ndarray) -> Scores:
    return Scores(**{field.name: getattr(scores, field.name)[index] for field in fields(Scores)})


@dataclass(frozen=True)
class _Kept:
    """Numbers of rows that may become alerts, and the rows' positions on the shelf."""

    row_numbers: np.ndarray
    positions: np.ndarray
    scores: Scores
    read: ScoredRows

    def take(self, index: np.ndarray) -> _Kept:
        return _Kept(self.row_numbers[index], self.positions[index], _take(self.scores, index), self.read.take(index))


class AlertPool:
    """Keeps only the rows that the policy may still pick, so that one pass over any input is enough.

    alpha keeps its alerts, a budget as many rows as it alerts, fdr the rows with p <= level, cost those under a bound
    of its threshold, at worst half of all. In memory are about a hundred bytes for each of them; the rows themselves
    lie on a shelf that goes to disk as it grows. Use it in a with statement.
    """

    def __init__(self, policy: Policy, rows: pa.Schema, schema: Schema, n_calibration: int):
        self.policy, self.schema, self.n_calibration = policy, schema, n_calibration
        self.shelf = RowShelf(rows)
        self.parts: list[_Kept] = []
        self.seen = self.kept = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.shelf.close()

    def add(self, batch: Batch, scores: Scores) -> None:
        """Consider scored rows."""
        read = scored_rows(scores, batch.rows, self.schema, self.n_calibration)
        index = np.flatnonzero(self.policy.may_alert(read))
        positions = self.shelf.add(pa.Table.from_batches([batch.rows]).take(pa.array(index)))
        self.parts.append(_Kept(batch.row_numbers[index], positions, _take(scores, index), read.take(index)))
        self.seen += len(read)
        if sum(len(part.positions) for part in self.parts) > 2 * self.kept + CHUNK:
            together = self._together()
            self.parts = [together.take(np.flatnonzero(self.policy.may_alert(together.read)))]
            self.kept = len(self.parts[0].positions)

    def alerts(self) -> Candidates:
        """The alerts among all rows seen so far."""
        if not self.parts:
            return Candidates(np.zeros(0, np.int64), self.shelf.take(np.zeros(0, np.int64)),
                              Scores(*[np.zeros(0)] * len(fields(Scores))))
        together = self._together()
        picked = together.take(np.flatnonzero(self.policy.alerts(together.read)))
        return Candidates(picked.row_numbers, self.shelf.take(picked.positions), picked.scores)

    def cut(self) -> dict[str, Any]:
        """How the policy chose among all rows seen so far, as plain data."""
        return self.policy.cut(self._together().read) if self.parts else {}

    def _together(self) -> _Kept:
        scores = {field.name: np.concatenate([getattr(part.scores, field.name) for part in self.parts])
                  for field in fields(Scores)}
        return _Kept(np.concatenate([part.row_numbers for part in self.parts]),
                     np.concatenate([part.positions for part in self.parts]), Scores(**scores),
                     ScoredRows.joined([part.read for part in self.parts], self.seen))


def describe_run(manifest: dict[str, Any], input_hash: str, summary: dict[str, Any], raised: int) -> Run:
    """The run that a manifest tells of, with the number of alerts that it gives to the store."""
    rows, where = manifest["rows"], manifest["input"]["where"]
    return Run(
        id=run_id(manifest["model_id"], input_hash, where, manifest["policy"]), model_id=manifest["model_id"],
        input_name=manifest["input"]["name"], input_hash=input_hash, where_clause=where, policy=manifest["policy"],
        rows_in=rows["in"], rows_scored=rows["scored"], rows_rejected=rows["rejected"],
        alerts_raised=raised, summary=summary, created_at=_now(),
    )


def row_alerts(
    detector: TabularDetector | EventDetector, alerts: Candidates, reasons: Reasons, run: Run
) -> Iterator[Alert]:
    """An alert for each of the rows, with its nearest normal ones."""
    schema = detector.schema_
    read = [column.name for column in schema.required]
    # deviations are told by the reasons, in words; their numbers say nothing to a person
    shown = [column.name for column in file_schema(detector).required]
    typical = {name: value for name, value in detector.scorer_.encoder_.typical().items() if name in shown}
    key = schema.only(Role.KEY)
    for start in range(0, len(alerts.row_numbers), CHUNK):
        part = alerts.take(np.arange(start, min(start + CHUNK, len(alerts.row_numbers))))
        neighbours = [[{name: row[name] for name in shown} for row in nearest]
                      for nearest in detector.neighbours(part.rows.select(read), NEIGHBOURS)]
        for i, record in enumerate(part.rows.select(shown).to_pylist()):
            number = int(part.row_numbers[i])
            named = None if key is None or record[key] is None else str(record[key])
            scores = {name: float(getattr(part.scores, name)[i]) for name in Scores.__dataclass_fields__}
            yield alert_of(run, schema, number, record, named, scores, typical=typical, reasons=reasons[number],
                           neighbours=neighbours[i])


def alert_of(
    run: Run, schema: Schema, row_number: int, record: dict[str, Any], key: str | None, scores: dict[str, float], *,
    typical: dict[str, Any], reasons: list[dict[str, Any]], neighbours: list[dict[str, Any]],
) -> Alert:
    """The alert about a record, which has at least the columns that name it by the schema."""
    time, segment = schema.only(Role.TIME), schema.only(Role.SEGMENT)
    entities = {column.name: record[column.name] for column in schema.with_role(Role.ENTITY)}
    about = next((name for name, value in entities.items() if entity_text(value) is not None), None)
    return Alert(
        id=alert_id(run.model_id, key, run.input_hash, row_number), run_id=run.id, row_number=row_number, key=key,
        name=" ".join(str(value) for value in [key, *entities.values()] if value is not None)[:NAME_LENGTH],
        occurred_at=record[time] if time else None, segment=None if segment is None else str(record[segment]),
        entity_column=about, entity=None if about is None else entity_text(entities[about]),
        **scores, entities=json_value(entities), record=json_value(record), typical=json_value(typical),
        reasons=reasons, neighbours=json_value(neighbours), verdict=None, created_at=_now(),
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
