"""Which rows a DuckDB condition keeps."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.errors import UsageError, brief_text

LONGEST_SECONDS = 60.0  # for a batch of rows

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False, "autoload_known_extensions": False, "autoinstall_known_extensions": False,
    "python_enable_replacements": False, "threads": 1, "temp_directory": "",
    "max_expression_depth": 100,  # beyond some hundred, Python could not read the parsed condition
    "lock_configuration": True,
}


class RowFilter:
    """A condition such as "TX_FRAUD = 0 AND TX_DATETIME < '2018-08-01'" over the columns of a table.

    It is evaluated in a database of its own that can reach neither files nor the network. Raises UsageError unless
    the condition is one boolean expression over known columns, without subqueries, aggregates, windows or functions of
    chance: whether a row is kept depends on that row alone. Of a column `time` with a zone the wall clock is compared:
    DuckDB would take the zone of the machine.
    """

    def __init__(self, condition: str, columns: pa.Schema, time: str | None = None):
        self.condition, self._time = condition, time
        with duckdb.connect(":memory:", config=_SETTINGS) as connection:
            used = _columns_used(connection, condition)
            self._columns = [name for name in columns.names if name.lower() in used]
            # DuckDB needs at least one column, to know how many rows there are.
            self._columns = self._columns or columns.names[:1]
            self._check(connection, columns)

    def __enter__(self) -> RowFilter:
        self._connection = duckdb.connect(":memory:", config=_SETTINGS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._connection.close()

    def keeps(self, rows: pa.RecordBatch) -> np.ndarray:
        """Boolean mask of the rows for which the condition is true (neither false nor NULL)."""
        self._connection.register("rows", self._seen(pa.Table.from_batches([rows.select(self._columns)])))
        query = f"SELECT coalesce((\n{self.condition}\n), false) AS keep FROM rows"
        try:
            with _not_for_ever(self._connection):
                return np.asarray(self._connection.execute(query).fetchnumpy()["keep"], dtype=bool)
        except duckdb.Error as error:
            raise _refused(self.condition, error) from error

    def _seen(self, table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(self._time) if self._time else -1
        if place < 0 or getattr(table.schema.field(place).type, "tz", None) is None:
            return table
        return table.set_column(place, self._time, pc.local_timestamp(table.column(place)))

    def _check(self, connection: duckdb.DuckDBPyConnection, columns: pa.Schema) -> None:
        try:
            empty = pa.schema([columns.field(name) for name in self._columns]).empty_table()
            connection.register("rows", self._seen(empty))
            with _not_for_ever(connection):  # of constants, DuckDB computes here already
                connection.execute(f"SELECT 1 FROM rows WHERE (\n{self.condition}\n)")
            kind = connection.execute(f"DESCRIBE SELECT (\n{self.condition}\n) FROM rows").fetchall()[0][1]
        except pa.ArrowNotImplementedError as error:
            raise UsageError("a row filter reads columns that DuckDB can read", f"one of {self._columns} is a {error}",
                             "compare other columns") from error
        except duckdb.BinderException as error:
            raise UsageError("a row filter uses columns of the input, row by row",
                             brief_text(str(error).splitlines()[0]),
                             f"the columns are {brief_text(str(columns.names), 3_000)}") from error
        except duckdb.Error as error:
            raise _refused(self.condition, error) from error
        if kind != "BOOLEAN":
            raise UsageError("a row filter must be true or false", f"{_brief(self.condition)} is of type {kind}",
                             "compare it with something")


def _columns_used(connection: duckdb.DuckDBPyConnection, condition: str) -> set[str]:
    """Lower-case names of the columns in the condition, after checking that it is one expression."""
    # Bare, brackets cannot close what the query opened; in brackets, nothing but an expression can stand.
    for query in (f"SELECT 1 FROM rows WHERE {condition}", f"SELECT 1 FROM rows WHERE (\n{condition}\n)"):
        parsed = _parsed(connection, query)
        if parsed["error"] or len(parsed["statements"]) != 1:
            said = parsed.get("error_message", "it is more than one statement")
            raise UsageError("a row filter must be one DuckDB condition", f"{_brief(condition)}: {brief_text(said)}",
                             "write for example \"amount > 0 AND day < '2018-08-01'\"")
    nodes = list(_nodes(parsed["statements"][0]["node"]["where_clause"]))
    if any(node.get("class") == "SUBQUERY" for node in nodes):
        raise UsageError("a row filter must not hold a subquery", _brief(condition), "compare columns with constants")
    _refuse_chance(connection, condition, _functions(nodes))
    return {part.lower() for node in nodes for part in node.get("column_names", ())}


def _functions(nodes: Iterable[dict[str, Any]]) -> set[str]:
    """Names of the functions that are called; operators are none."""
    return {node["function_name"].lower() for node in nodes
            if node.get("class") == "FUNCTION" and not node.get("is_operator")}


def _refuse_chance(connection: duckdb.DuckDBPyConnection, condition: str, names: set[str]) -> None:
    """Refuse functions that give another value each time, or do something, also within macros."""
    seen: set[str] = set()
    while names:
        seen |= names
        known = connection.execute("SELECT function_name, stability, macro_definition FROM duckdb_functions() "
                                   "WHERE list_contains(?, function_name)", [sorted(names)]).fetchall()
        if volatile := sorted({name for name, stability, _ in known if stability == "VOLATILE"}):
            raise UsageError("a row filter must depend on the row alone",
                             f"{_brief(condition)} calls {', '.join(volatile)}", "compare columns with constants")
        names = set().union(*(_functions(_nodes(_parsed(connection, f"SELECT {macro}"))) for *_, macro in known if macro
                              )) - seen


def _parsed(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    return json.loads(connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()[0][0])


def _nodes(tree: Any) -> list[dict[str, Any]]:
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    below = [node for child in children for node in _nodes(child)]
    return [tree, *below] if isinstance(tree, dict) else below


def _refused(condition: str, error: duckdb.Error) -> UsageError:
    return UsageError("a row filter must be a condition that DuckDB can evaluate",
                      f"{_brief(condition)}: {brief_text(str(error).splitlines()[0])}", "correct the condition")


def _brief(condition: str) -> str:
    return brief_text(repr(condition))


@contextmanager
def _not_for_ever(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupt what takes longer than a batch of rows ever should: a condition can ask for any amount of work."""
    timer = threading.Timer(LONGEST_SECONDS, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
