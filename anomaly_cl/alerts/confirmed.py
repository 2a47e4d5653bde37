"""The verdicts of an alert store as a table that detectors read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from anomaly_cl.alerts.location import store_url
from anomaly_cl.alerts.store import AlertStore, open_store
from anomaly_cl.errors import InputError

COLUMNS = pa.schema({"key": pa.string(), "verdict": pa.string(), "decided_at": pa.timestamp("us")})


def verdict_rows(store: AlertStore, *, final_only: bool = False) -> pa.Table:
    """key, verdict (fraud, legitimate or unsure) and decided_at (naive UTC) of each decided record that has a key.

    One row a key, with the newest verdict of its alerts: several models may have alerted it. With `final_only` those
    that are unsure are left out.
    """
    newest = {given.key: given for given in store.verdicts() if given.key is not None}
    rows = [{"key": given.key, "verdict": given.verdict, "decided_at": given.created_at}
            for given in newest.values() if given.verdict != "unsure" or not final_only]
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def stored_verdicts(url: str, *, final_only: bool = False) -> pa.Table:
    """The same of the store at a path or URL; raises InputError if there is no such file. No store is made."""
    location = store_url(url)
    if location.get_backend_name() == "sqlite" and not Path(str(location.database)).exists():
        raise InputError("verdicts are read from a store that exists", f"there is no {location.database}",
                         "correct the path")
    with open_store(url) as opened:
        return verdict_rows(opened, final_only=final_only)
