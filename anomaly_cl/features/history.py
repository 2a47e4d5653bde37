"""What each entity of a record did before, as one SQL text that DuckDB and Spark run unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Self

import pyarrow as pa

from anomaly_cl.errors import UsageError
from anomaly_cl.features.history_sql import (
    PAST,
    Frame,
    amount_statistics,
    entity_statistics,
    history_query,
    last_days,
    last_rows,
)
from anomaly_cl.schema import Kind, Role, Schema

COUNTS = frozenset({"count", "n"})


@dataclass(frozen=True)
class HistoryColumn:
    """One output: its name in SQL, and what it says. `window` is "past", "50 rows", "1 day", "7 days" and the like.

    `amount` is the column that a statistic is taken of; `other` the column whose value the counted records share.
    """

    sql_name: str
    entity: str
    statistic: str
    window: str = PAST.name
    amount: str | None = None
    other: str | None = None

    @property
    def type(self) -> pa.DataType:
        return pa.int64() if self.statistic in COUNTS else pa.float64()

    @property
    def name(self) -> str:
        """The column as a reader may see it, such as "card.amount.mean.7 days" or "card|shop.count"."""
        about = self.entity if self.other is None else f"{self.entity}|{self.other}"
        window = None if self.window == PAST.name else self.window
        return ".".join(part for part in (about, self.amount, self.statistic, window) if part is not None)


@dataclass(frozen=True)
class HistoryPlan:
    """Which columns' history is summed up: entities, amounts (numbers), categories, and the windows looked through.

    Input: a table of records with the columns of `record_schema` (see `records.prepare_records`), in any order.
    Output: `row` and the `columns`, by rising row. For a record and each of its entities e, from strictly earlier
    records of the same e:

    - "count"; "since" its last record and "age" since its first, in seconds; "hour_sin" and "hour_cos", the means of
      sine and cosine of the clock; "count" within each window of days;
    - of each amount, over the past, the last `rows` records, and the windows of days: "n" (how many are not missing),
      "sum", "mean", "spread" (population standard deviation), "median", "max"; over the past and the last rows also
      the quartiles "q1" and "q3" (as all quantiles here interpolated linearly);
    - for each other entity or category: "count" of the records of e with the same value there.

    **Earlier.** The past and the last rows are ordered by (micros, key, row): of two records at one instant, the one
    with the lesser key comes first (a missing key before all others). A window of d days holds the records with an
    instant in [t - d days, t), so never a tie.

    **Missing.** Records without an entity have no history there: counts and sums are 0, the rest is null; they are
    nobody's past. Without any earlier amount, the sum is 0 and the rest null. A pair with a missing side is null.

    **Exact.** In DuckDB, sums are of integers of 128 bits, which do not depend on the order of adding, so that no
    record is touched in the last bit by records that are not in its windows. Spreads are taken around the entity's
    first amount where that is nearer than zero, so that amounts such as 1e9 + 1 do not cancel.

    **Cost.** DuckDB takes n log n for n records. Spark takes the quantiles of the past anew for each record, so that an
    entity of n records costs it n squared.
    """

    entities: tuple[str, ...]
    amounts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    rows: int = 50
    days: tuple[int, ...] = (1, 7, 30)

    def __post_init__(self) -> None:
        named = [*self.entities, *self.amounts, *self.categories]
        if not self.entities or len(set(named)) < len(named):
            raise UsageError("a history is of one or more entities, and names each column once", f"found {named}",
                             "give a column the role entity, and every column one use")
        if self.rows < 1 or any(day < 1 for day in self.days) or len(set(self.days)) < len(self.days):
            raise UsageError("windows hold at least one row, or one day, and no window is given twice",
                             f"found rows={self.rows}, days={self.days}", "use for example rows=50, days=(1, 7, 30)")

    @classmethod
    def from_schema(cls, schema: Schema) -> Self:
        """All entities, and of the columns learned from the numeric and the categorical ones."""
        learned = schema.with_role(Role.FEATURE, Role.SEGMENT)
        return cls(
            tuple(column.name for column in schema.with_role(Role.ENTITY)),
            tuple(column.name for column in learned if column.kind is Kind.NUMERIC),
            tuple(column.name for column in learned if column.kind is Kind.CATEGORICAL),
        )

    @property
    def record_names(self) -> dict[str, str]:
        """The generated name, in the table of records, of each entity (e0 ...), amount (a0 ...), category (c0 ...)."""
        return {name: f"{letter}{position}"
                for letter, names in (("e", self.entities), ("a", self.amounts), ("c", self.categories))
                for position, name in enumerate(names)}

    def record_schema(self, key: pa.DataType | None = None) -> pa.Schema:
        """The table of records that the SQL reads; its `key` is int64, or string."""
        kinds = {"e": pa.string(), "a": pa.float64(), "c": pa.string()}
        return pa.schema([
            ("row", pa.int64()), ("key", key or pa.int64()), ("micros", pa.int64()), ("hour", pa.float64()),
            *((name, kinds[name[0]]) for name in self.record_names.values()),
        ])

    @property
    def columns(self) -> tuple[HistoryColumn, ...]:
        """What the SQL gives beside `row`, in its order."""
        return tuple(self._columns())

    @property
    def schema(self) -> pa.Schema:
        """Arrow names and types of what the SQL gives."""
        return pa.schema([("row", pa.int64()), *((column.sql_name, column.type) for column in self.columns)])

    def column(self, entity: str, statistic: str, window: str = PAST.name, *, amount: str | None = None,
               other: str | None = None) -> HistoryColumn:
        """The output that says this; raises UsageError if there is none."""
        for column in self.columns:
            asked = (entity, statistic, window, amount, other)
            if asked == (column.entity, column.statistic, column.window, column.amount, column.other):
                return column
        raise UsageError("a history column is one of the plan's", f"found {asked}", "see `columns` of the plan")

    def sql(self, table: str, first_row: int = 0, only: Iterable[str] | None = None) -> str:
        """The query over this table; rows below `first_row` are read as history and not returned.

        `only` names (SQL names) the columns that are wanted, of which fewer take less time. It calls functions that the
        engines of `sql_engine` define.
        """
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", table):
            raise UsageError("a table's name is made of letters, digits and _", f"it is {table!r}", "rename it")
        codes, wanted = self.record_names, None if only is None else set(only)
        return history_query(
            table, [codes[name] for name in self.entities], [codes[name] for name in self.amounts],
            [(codes[left], codes[right]) for left, right in self._pairs()], self._frames(), int(first_row),
            [column.sql_name for column in self.columns if wanted is None or column.sql_name in wanted],
        )

    def _frames(self) -> tuple[Frame, ...]:
        return (PAST, last_rows(self.rows), *map(last_days, self.days))

    def _pairs(self) -> list[tuple[str, str]]:
        others = (*self.entities, *self.categories)
        return [(entity, other) for entity in self.entities for other in others if other != entity]

    def _columns(self) -> Iterator[HistoryColumn]:
        codes = self.record_names
        for entity in self.entities:
            e = codes[entity]
            for statistic in entity_statistics(e):
                yield HistoryColumn(f"{e}_{statistic}_past", entity, statistic)
            for frame in map(last_days, self.days):
                yield HistoryColumn(f"{e}_count_{frame.code}", entity, "count", frame.name)
            for amount, frame in product(self.amounts, self._frames()):
                for statistic in amount_statistics(e, codes[amount], frame):
                    name = f"{e}_{codes[amount]}_{statistic}_{frame.code}"
                    yield HistoryColumn(name, entity, statistic, frame.name, amount)
        for left, right in self._pairs():
            yield HistoryColumn(f"{codes[left]}_{codes[right]}_count_past", left, "count", other=right)
