"""What a run gives to the store beside its alerts, so that these can be looked into without a model at hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.alerts.identity import entity_text
from anomaly_cl.alerts.json_values import json_value
from anomaly_cl.alerts.models import Alert, EntityPast, Run, Signal, StoredModel, utc_now
from anomaly_cl.alerts.store import AlertStore
from anomaly_cl.batch.alerts import CHUNK, Candidates
from anomaly_cl.batch.amounts import amount_column, amounts_of, known_amount
from anomaly_cl.batch.events import file_schema
from anomaly_cl.batch.maps import AlertMap
from anomaly_cl.batch.pasts import PastRecords
from anomaly_cl.batch.rows import Rows, TableRows
from anomaly_cl.batch.signals import StepSignals
from anomaly_cl.batch.spans import Spans
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.facts import model_facts
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.plane import PCA_PLANE, plane_of
from anomaly_cl.table.casting import null_nan, plain
from anomaly_cl.table.read import Batch

EXPLAINED = 1_000
SIMILAR_OF, SIMILAR = 200, 5  # of the riskiest entities those most like each
SIGNALS = 50  # entities whose whole series is kept, the riskiest


@dataclass(frozen=True)
class Shown:
    """What the store is given beside alerts.

    amount: column of what is at stake; by default see `amount_column`. explain: of how many alerts, the riskiest, why a
    record was flagged is told in full, or of spans the steps around them. plane: "pca" or "umap", the map of alerts
    among normal rows.
    """

    amount: str | None = None
    explain: int = EXPLAINED
    plane: str = PCA_PLANE

    def __post_init__(self) -> None:
        if self.explain < 0:
            raise UsageError("the number of alerts to explain is not negative", f"it is {self.explain}",
                             "use 0 for none")
        plane_of(self.plane)  # what is not installed is said before the work


class Flagged(NamedTuple):
    """The records that the store gets as alerts, and of series the spans that they are the peaks of."""

    records: Candidates
    spans: Spans | None = None


class Investigation:
    """Collects while a run reads its rows, and gives the store what it collected; use it in a with statement."""

    def __init__(self, detector: Detector, rows: pa.Schema, shown: Shown):
        self.detector, self.shown, self.schema = detector, shown, file_schema(detector)
        self.amount = amount_column(shown.amount, detector, rows)
        of_steps = isinstance(detector, SeriesDetector)
        self.pasts = None if of_steps or not self.schema.with_role(Role.ENTITY) else PastRecords(
            self.schema, self.amount)
        self.map = None if isinstance(detector, SeriesDetector) else AlertMap(detector, plane_of(shown.plane))
        self.similar: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.signals: StepSignals | None = None

    def __enter__(self) -> Self:
        if self.pasts is not None:
            self.pasts.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        if self.pasts is not None:
            self.pasts.__exit__(*raised)

    def add(self, batch: Batch, scores: Scores) -> None:
        """See scored rows pass."""
        if self.pasts is not None:
            self.pasts.add(batch.rows, batch.row_numbers, scores.risk)

    def look(self, rows: Rows, flagged: Flagged) -> None:
        """See all rows at once, where the detector has them so, while they are there."""
        if isinstance(self.detector, SeriesDetector) and isinstance(rows, TableRows):
            self.signals = StepSignals(self.detector, rows.table)
        if not isinstance(self.detector, EventDetector) or not isinstance(rows, TableRows):
            return
        if self.pasts is not None and rows.history is not None:
            self.pasts.add_history(rows.history)
        read = [column.name for column in self.schema.required]
        every = rows.table.select(read)
        every = every if rows.history is None else pa.concat_tables([rows.history, every])
        for column, entities in alerted_entities(flagged.records, self.schema).items():
            self.similar[column] = similar_entities(self.detector, every, column, entities[:SIMILAR_OF])

    def give(self, store: AlertStore, run: Run, alerts: Iterator[Alert], flagged: Flagged) -> dict[str, Any]:
        """Add the run to the store with all that belongs to it; what was stored, as plain data for the manifest."""
        told = {"explained": 0, "explaining_seconds": 0.0, "pasts": 0, "similar": 0, "signals": 0,
                "amount": self.amount, "map": None if self.map is None else self.map.plane.name}
        if self.map is not None:
            run.summary = run.summary | {"map": self.map.as_dict()}
        model = StoredModel(id=run.model_id, facts=json_value(model_facts(self.detector)), created_at=utc_now())
        added = store.add_run(run, self._alerts(alerts, flagged, told), model=model,
                              pasts=self._pasts(run, flagged.records, told),
                              signals=self._signals(run, flagged.records, told))
        return asdict(added) | told

    def _alerts(self, alerts: Iterator[Alert], flagged: Flagged, told: dict[str, Any]) -> Iterator[Alert]:
        """The alerts with amount, place on the map, and of the riskiest ones more."""
        records = flagged.records
        riskiest = np.zeros(len(records.row_numbers), bool)
        riskiest[np.argsort(-records.scores.score, kind="stable")[:self.shown.explain]] = True
        for start in range(0, len(riskiest), CHUNK):
            part = records.take(np.arange(start, min(start + CHUNK, len(riskiest))))
            amounts, level = amounts_of(part.rows, self.amount), _level(records.scores)
            explained = self._explained(part, np.flatnonzero(riskiest[start:start + CHUNK]), level, told)
            places = [] if self.map is None else self.map.places(part.rows)
            for i, alert in enumerate(islice(alerts, CHUNK)):
                alert.amount = known_amount(amounts[i])
                if places:
                    alert.map_x, alert.map_y = places[i]
                alert.explanation = explained.get(i)
                if riskiest[start + i] and flagged.spans is not None and self.signals is not None:
                    alert.signal = self.signals.around(alert.entity or "", flagged.spans.lines.iloc[start + i])
                yield alert

    def _explained(
        self, part: Candidates, chosen: np.ndarray, level: float, told: dict[str, Any]
    ) -> dict[int, dict[str, Any]]:
        """Explanations of chosen rows, by position."""
        if not len(chosen):
            return {}
        started = time.perf_counter()
        found = self.detector.explain_table(part.rows.take(pa.array(chosen)), level=level)
        told["explained"] += len(found)
        told["explaining_seconds"] = round(told["explaining_seconds"] + time.perf_counter() - started, 3)
        return {int(i): each.to_dict() for i, each in zip(chosen, found, strict=True)}

    def _pasts(self, run: Run, records: Candidates, told: dict[str, Any]) -> Iterator[EntityPast]:
        if self.pasts is None:
            return
        for column, entities in alerted_entities(records, self.schema).items():
            similar = self.similar.get(column, {})
            for past in self.pasts.of(column, entities, records.row_numbers, similar, run.id):
                told["pasts"] += 1
                told["similar"] += bool(past.similar)
                yield past

    def _signals(self, run: Run, records: Candidates, told: dict[str, Any]) -> Iterator[Signal]:
        if self.signals is None or not len(records.row_numbers):
            return
        alerted = alerted_entities(records, self.schema)
        names = [str(entity_text(value)) for values in alerted.values() for value in values] or [""]
        for signal in self.signals.whole(names[:SIGNALS], run.id):
            told["signals"] += 1
            yield signal


def _level(scores: Scores) -> float:
    """The p-value up to which a record of the run is flagged, so that a counterfactual takes it out of the alerts."""
    return float(min(scores.p_value.max(), 1 - 1e-9))


def alerted_entities(records: Candidates, schema: Schema) -> dict[str, list[Any]]:
    """The entities that the alerts are about, {column: different values}, the riskiest first.

    As in `alert_of`, an alert is about the entity in the first column of entities that is not missing.
    """
    order = pa.array(np.argsort(-records.scores.score, kind="stable"))
    left, found = np.ones(len(order), bool), {}
    for column in schema.with_role(Role.ENTITY):
        values = null_nan(plain(records.rows.column(column.name).combine_chunks().take(order)))
        values = pc.if_else(pa.array(left), values, pa.scalar(None, values.type))
        left &= np.asarray(values.is_null())
        if different := pc.unique(values.drop_null()).to_pylist():
            found[column.name] = different
    return found


def similar_entities(
    detector: EventDetector, records: pa.Table, column: str, entities: list[Any]
) -> dict[str, list[dict[str, Any]]]:
    """The entities most like each of these, by its text in the store: entity, distance and number of records."""
    names = pa.array(entities, records.schema.field(column).type).cast(pa.string()).to_pylist()
    frames = detector.similar_to_each(records, names, SIMILAR, column)
    return {str(entity_text(value)): [
        {"entity": str(entity_text(line["entity"])), "distance": float(f"{line['distance']:.5g}"),
         "records": int(line["records"])} for line in frame.to_dict("records")]
        for value, frame in zip(entities, frames, strict=True)}
