"""Records of entities as rows that can be scored one by one: each with what its entities did before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.deviations import EntityDeviations
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.history_sql import MICROSECONDS_A_DAY
from anomaly_cl.features.records import numbered, prepare_records
from anomaly_cl.features.sql_engine import SqlEngine
from anomaly_cl.schema import Column, Kind, Role, Schema

EXPECTED = "expected: "  # opens the names of columns that only serve the reasons
EVIDENCE, STRANGE_RECORDS = "evidence: ", "strange records: "  # open the names of what an entity's last days left
RISK = "verdicts on "  # opens the names of what verdicts say of an entity
LEAST_WEIGHT = 0.01  # deviations that count for less are left out


class Past(NamedTuple):
    """Records, in an order in which those to look at come last, and their history from `first` on, row by row alike."""

    rows: pa.Table
    records: pa.Table
    history: pa.Table
    first: int

    @property
    def looked_at(self) -> pa.Table:
        """The records (see `HistoryPlan.record_schema`) that `history` is of."""
        return self.records.slice(self.first)


def read_past(
    history: pa.Table | None, rows: pa.Table, schema: Schema, learner: EntityDeviations, engine: SqlEngine, days: float
) -> Past:
    """The history of rows, and of those earlier records that lie at most so many days before the first of them.

    Both tables conform to the schema. The earlier records, which others are only counted by, come first, then the later
    ones among `history`, then `rows`.
    """
    ordered, first, plan = rows, 0, learner.plan
    if history is not None and history.num_rows:
        before, now = (prepare_records(part, schema, plan).column("micros").to_numpy() for part in (history, rows))
        recent = before >= (now.min() - days * MICROSECONDS_A_DAY if len(now) else np.inf)
        ordered = pa.concat_tables([history.filter(pa.array(~recent)), history.filter(pa.array(recent)), rows])
        first = int((~recent).sum())
    records = prepare_records(ordered, schema, plan)
    past = engine.run(plan.sql("records", first, learner.columns_read), {"records": records}).read_all()
    return Past(ordered, records, past, first)


@dataclass(frozen=True)
class EventSchema:
    """The columns of event rows: those of the schema, the deviations that count, patterns, and what was expected."""

    base: Schema
    deviations: tuple[str, ...]
    patterns: tuple[str, ...] = ()

    @classmethod
    def of(cls, base: Schema, learned: EntityDeviations, patterns: Sequence[str] = ()) -> EventSchema:
        """Raises InputError where a column of the table is named like a deviation."""
        counted = tuple(name for name, weight in learned.weights_.items() if weight >= LEAST_WEIGHT)
        made = [*counted, *patterns, *(EXPECTED + name for name in counted),
                *(opening + role for opening in (EVIDENCE, STRANGE_RECORDS, RISK) for role in learned.plan.entities)]
        if taken := [name for name in made if name in base]:
            raise InputError("columns are named otherwise than what is made of them", f"found {taken}", "rename them")
        return cls(base, counted, tuple(patterns))

    @property
    def schema(self) -> Schema:
        made = [Column(name, Kind.NUMERIC, "double", Role.FEATURE, "a record against its entity's past")
                for name in self.deviations]
        made += [Column(name, Kind.NUMERIC, "double", Role.FEATURE, "surprise given its entity's last records")
                 for name in self.patterns]
        beside = [Column(EXPECTED + name, Kind.NUMERIC, "double", Role.IGNORE, "what the past let expect")
                  for name in self.deviations]
        return Schema((*self.base.columns, *made, *beside))

    def rows(self, past: Past, learned: EntityDeviations, patterns: Mapping[str, np.ndarray]) -> pa.Table:
        """Event rows of the records that `past` looks at, given the patterns' surprises {name: (rows,)} of these."""
        table, records = past.rows.slice(past.first), past.looked_at
        values, expected = learned.transform(records, past.history), learned.expected(records, past.history)
        for name in self.deviations:
            table = table.append_column(name, values.column(name))
        for name in self.patterns:
            table = table.append_column(name, pa.array(patterns[name]))
        for name in self.deviations:
            table = table.append_column(EXPECTED + name, expected.column(name))
        return table

    def to_state(self) -> dict[str, Any]:
        return {"base": self.base.to_dict(), "deviations": list(self.deviations),
                "patterns": list(self.patterns)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EventSchema:
        return cls(Schema.from_dict(state["base"]), tuple(state["deviations"]), tuple(state["patterns"]))


def entity_codes(records: pa.Table, plan: HistoryPlan) -> dict[str, np.ndarray]:
    """A number (rows,) for each entity of each role, -1 where a record has none."""
    names = plan.record_names
    return {role: numbered(records.column(names[role]))[1] for role in plan.entities}


def event_schema(schema: Schema) -> Schema:
    """The schema with records without a time rejected; raises UsageError unless it has entities and a time."""
    for role in (Role.ENTITY, Role.TIME):
        if not schema.with_role(role):
            raise UsageError(f"events have a column of role {role.value}", f"the columns are {schema.names}",
                             f"give {role.value}=... (--{role.value} COLUMN), or a schema with that role")
    return Schema(tuple(replace(column, missing="reject") if column.role is Role.TIME else column
                        for column in schema.columns))
