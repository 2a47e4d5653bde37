"""The verdicts of an alert store as a table that detectors read."""

from __future__ import annotations

import pyarrow as pa

from anomaly_cl.alerts.store import AlertStore

COLUMNS = pa.schema({"key": pa.string(), "verdict": pa.string(), "decided_at": pa.timestamp("us")})


def verdict_rows(store: AlertStore) -> pa.Table:
    """key, verdict (fraud, legitimate or unsure) and decided_at (naive UTC) of each decided alert that has a key.

    One row an alert: the same record may have been alerted by several models.
    """
    rows = [{"key": given.key, "verdict": given.verdict, "decided_at": given.created_at}
            for given in store.verdicts() if given.key is not None]
    return pa.Table.from_pylist(rows, schema=COLUMNS)
