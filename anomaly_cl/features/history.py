"""What each entity of a record did before, as one SQL text that DuckDB and Spark run unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Kind, Role, Schema

MICROSECONDS_A_DAY = 86_400_000_000
PAST = "past"  # the window of all earlier records
COUNTED, MEASURED = pa.int64(), pa.float64()
IN_ORDER = "ORDER BY micros, key NULLS FIRST, row"
MIDDLE = {"median": "0.5"}
QUARTILES = {"q1": "0.25", "q3": "0.75"}


@dataclass(frozen=True)
class HistoryColumn:
    """One output: its name in SQL, and what it says. `window` is "past", "50 rows", "7 days" and the like, or None.

    `amount` is the column that a statistic is taken of; `other` the column whose value the counted records share.
    """

    sql_name: str
    entity: str
    statistic: str
    type: pa.DataType
    window: str | None = None
    amount: str | None = None
    other: str | None = None

    @property
    def name(self) -> str:
        """The column as a reader may see it; unique in a plan as long as no column's name imitates one."""
        about = f"{self.entity}|{self.other}" if self.other is not None else self.entity
        parts = [about, self.amount, self.statistic, self.window]
        return ".".join(part for part in parts if part is not None)


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

    **Exact.** In DuckDB, sums are of decimals, which do not depend on the order of adding, so that no record is touched
    in the last bit by records that are not in its windows. Spreads are of deviations from the entity's first amount, so
    that amounts such as 1e9 + 1 do not cancel.
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

    def record_schema(self, key: pa.DataType = COUNTED) -> pa.Schema:
        """The table of records that the SQL reads; its `key` is int64 or string."""
        kinds = {"e": pa.string(), "a": pa.float64(), "c": pa.string()}
        return pa.schema([("row", pa.int64()), ("key", key), ("micros", pa.int64()), ("hour", pa.float64()),
                          *((name, kinds[name[0]]) for name in self.record_names.values())])

    @property
    def columns(self) -> tuple[HistoryColumn, ...]:
        """What the SQL gives beside `row`, in its order."""
        return tuple(column for column, _ in self._outputs())

    @property
    def schema(self) -> pa.Schema:
        """Arrow names and types of what the SQL gives."""
        return pa.schema([("row", pa.int64()), *((column.sql_name, column.type) for column in self.columns)])

    def column(self, entity: str, statistic: str, window: str | None = None, *, amount: str | None = None,
               other: str | None = None) -> HistoryColumn:
        """The output that says this; raises UsageError if there is none."""
        for column in self.columns:
            asked = (entity, statistic, window, amount, other)
            if asked == (column.entity, column.statistic, column.window, column.amount, column.other):
                return column
        raise UsageError("a history column is one of the plan's", f"found {asked}", "see `columns` of the plan")

    def sql(self, table: str, first_row: int = 0) -> str:
        """The query over this table; rows below `first_row` are read as history and not returned.

        It needs the functions that `sql_engine` defines in each engine: `percentile`, `exact`, `whole_of`, `part_of`.
        """
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", table):
            raise UsageError("a table's name is made of letters, digits and _", f"it is {table!r}", "rename it")
        codes = self.record_names
        entities = [codes[name] for name in self.entities]
        pairs = [f"{e}_{a}" for e in entities for a in map(codes.__getitem__, self.amounts)]
        references = [
            f"first_value({pair.split('_')[1]}) OVER (PARTITION BY {_alone(pair.split('_')[0])} ORDER BY "
            f"CASE WHEN {pair.split('_')[1]} IS NULL THEN 1 ELSE 0 END, micros, key NULLS FIRST, row) AS {pair}_first"
            for pair in pairs
        ]
        deviations = [f"{pair.split('_')[1]} - {pair}_first AS {pair}_off" for pair in pairs]
        clock = [f"{function}(hour * (pi() / 12)) AS hour_{function}" for function in ("sin", "cos")]
        return _query([
            ("referenced", ["*", *clock, *references], table, ""),
            ("deviating", ["*", *deviations], "referenced", ""),
            ("measured", ["row", *self._measures()], "deviating", f"WINDOW {_lines(self._windows())}"),
        ], ["row", *(f"{text} AS {column.sql_name}" for column, text in self._outputs())],
            f"FROM measured WHERE row >= {int(first_row)} ORDER BY row")

    def _frames(self) -> dict[str, str]:
        """SQL names of the windows that amounts are measured in, and what they are called."""
        return {"past": PAST, "rows": f"{self.rows} rows", **{f"d{day}": _days(day) for day in self.days}}

    def _windows(self) -> Iterator[str]:
        for e in map(self.record_names.__getitem__, self.entities):
            alone = f"PARTITION BY {_alone(e)}"
            yield f"{e}_order AS ({alone} {IN_ORDER})"
            yield f"{e}_past AS ({alone} {IN_ORDER} {_rows('UNBOUNDED')})"
            yield f"{e}_rows AS ({alone} {IN_ORDER} {_rows(str(self.rows))})"
            for day in self.days:
                yield (f"{e}_d{day} AS ({alone} ORDER BY micros "
                       f"RANGE BETWEEN {day * MICROSECONDS_A_DAY} PRECEDING AND 1 PRECEDING)")
        for left, right in self._pairs():
            alone = f"CASE WHEN {left} IS NULL OR {right} IS NULL THEN row END"
            yield f"{left}_{right} AS (PARTITION BY {left}, {right}, {alone} {IN_ORDER} {_rows('UNBOUNDED')})"

    def _pairs(self) -> list[tuple[str, str]]:
        codes = self.record_names
        others = [codes[name] for name in (*self.entities, *self.categories)]
        return [(codes[name], other) for name in self.entities for other in others if other != codes[name]]

    def _measures(self) -> Iterator[str]:
        """What is taken straight from the windows."""
        codes = self.record_names
        for e in map(codes.__getitem__, self.entities):
            yield f"micros - lag(micros) OVER {e}_order AS {e}_since"
            yield f"micros - min(micros) OVER {e}_past AS {e}_age"
            for function in ("sin", "cos"):
                yield f"{_exact(f'hour_{function}', f'{e}_past')} AS {e}_{function}"
            for window in self._frames():
                over = f"{e}_{window}"
                yield f"count(*) OVER {over} AS {over}_count"
                for a in map(codes.__getitem__, self.amounts):
                    yield from _amount_measures(a, f"{e}_{a}_off", over)
        for left, right in self._pairs():
            counted = f"count(*) OVER {left}_{right}"
            yield f"CASE WHEN {left} IS NOT NULL AND {right} IS NOT NULL THEN {counted} END AS {left}_{right}_count"

    def _outputs(self) -> Iterator[tuple[HistoryColumn, str]]:
        """Each output and its SQL over the measures."""
        codes = self.record_names
        days = {f"d{day}": _days(day) for day in self.days}
        for entity in self.entities:
            e = codes[entity]
            count = f"{e}_past_count"
            yield HistoryColumn(f"{e}_count", entity, "count", COUNTED, PAST), count
            yield HistoryColumn(f"{e}_since_s", entity, "since", MEASURED), f"{e}_since / 1e6"
            yield HistoryColumn(f"{e}_age_s", entity, "age", MEASURED), f"{e}_age / 1e6"
            for function in ("sin", "cos"):
                column = HistoryColumn(f"{e}_hour_{function}", entity, f"hour_{function}", MEASURED, PAST)
                yield column, f"CASE WHEN {count} > 0 THEN {e}_{function} / {count} END"
            for window, called in days.items():
                yield HistoryColumn(f"{e}_count_{window}", entity, "count", COUNTED, called), f"{e}_{window}_count"
            for amount in self.amounts:
                for window, called in self._frames().items():
                    for statistic, text in _amount_outputs(f"{e}_{window}_{codes[amount]}", window not in days):
                        kind = COUNTED if statistic == "n" else MEASURED
                        name = f"{e}_{codes[amount]}_{statistic}_{window}"
                        yield HistoryColumn(name, entity, statistic, kind, called, amount), text
        names = {code: name for name, code in codes.items()}
        for left, right in self._pairs():
            yield HistoryColumn(f"{left}_{right}_seen", names[left], "count", COUNTED, PAST,
                                other=names[right]), f"{left}_{right}_count"


def _amount_measures(amount: str, deviation: str, over: str) -> Iterator[str]:
    named = f"{over}_{amount}"
    yield f"count({amount}) OVER {over} AS {named}_n"
    yield f"{_exact(amount, over)} AS {named}_sum"
    yield f"{_exact(deviation, over)} AS {named}_off"
    for part in ("whole", "part"):
        yield f"CAST(sum({part}_of({deviation} * {deviation})) OVER {over} AS DOUBLE) AS {named}_{part}"
    for extreme in ("min", "max"):
        yield f"{extreme}({amount}) OVER {over} AS {named}_{extreme}"
    quantiles = MIDDLE | QUARTILES if over.endswith(("_past", "_rows")) else MIDDLE
    for name, share in quantiles.items():
        yield f"percentile({amount}, {share}) OVER {over} AS {named}_{name}"


def _amount_outputs(named: str, with_quartiles: bool) -> Iterator[tuple[str, str]]:
    """Statistic and SQL; the variance is the mean square of the deviations less the square of their mean."""
    n, mean_off = f"{named}_n", f"({named}_off / {named}_n)"
    variance = f"({named}_whole + {named}_part) / {n} - {mean_off} * {mean_off}"
    yield "n", n
    yield "sum", f"coalesce({named}_sum, 0e0)"
    yield "mean", f"CASE WHEN {n} > 0 THEN {named}_sum / {n} END"
    yield "spread", (f"CASE WHEN {named}_min = {named}_max THEN 0e0 WHEN {n} > 0 "
                     f"THEN sqrt(greatest({variance}, 0e0)) END")
    for statistic in ("median", "max", *(QUARTILES if with_quartiles else ())):
        yield statistic, f"{named}_{statistic}"


def _exact(value: str, over: str) -> str:
    return f"CAST(sum(exact({value})) OVER {over} AS DOUBLE)"


def _alone(entity: str) -> str:
    """Partition keys by which records without the entity each stand alone."""
    return f"{entity}, CASE WHEN {entity} IS NULL THEN row END"


def _rows(preceding: str) -> str:
    return f"ROWS BETWEEN {preceding} PRECEDING AND 1 PRECEDING"


def _days(day: int) -> str:
    return "1 day" if day == 1 else f"{day} days"


def _lines(parts: Iterator[str] | list[str]) -> str:
    return ",\n  ".join(parts)


def _query(steps: list[tuple[str, list[str], str, str]], selected: list[str], rest: str) -> str:
    with_ = ",\n".join(f"{name} AS (SELECT\n  {_lines(columns)}\nFROM {source} {tail})"
                       for name, columns, source, tail in steps)
    return f"WITH {with_}\nSELECT\n  {_lines(selected)}\n{rest}"
