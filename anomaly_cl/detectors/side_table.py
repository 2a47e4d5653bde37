"""What errors about a table beside the records, such as pairs or verdicts, have in common."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from anomaly_cl.errors import InputError
from anomaly_cl.table.conform import PRIVATE, Rejected

EXAMPLES = 5  # that an error shows


def some_of(values: pa.Array, private: bool = False) -> str:
    """The first few values, as text; of a private column none."""
    if private:
        return PRIVATE
    return str(values[:EXAMPLES].to_pylist())[1:-1] + (" ..." if len(values) > EXAMPLES else "")


def refuse_rows_of(plural: str, singular: str) -> Callable[[list[Rejected]], None]:
    """An `on_reject` that raises InputError about the first rejected row of a table of such."""
    def refuse(rejected: list[Rejected]) -> None:
        first = rejected[0]
        raise InputError(f"column {first.column!r} of the {plural}: {first.rule}",
                         f"row {first.row_number} has {first.raw_value!r}", f"mend or leave out the {singular}")

    return refuse
