"""Made-up invoices that batches and Spark score."""

from __future__ import annotations

import numpy as np
import pandas as pd


def invoices(n_rows: int) -> pd.DataFrame:
    """One an hour, always the same for so many."""
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "invoice_id": [f"I-{i:05d}" for i in range(n_rows)],
        "booked_at": pd.Timestamp("2026-03-02") + pd.to_timedelta(np.arange(n_rows), unit="h"),
        "amount": np.exp(rng.normal(3, 1, n_rows)).round(2), "kind": rng.choice(["a", "b"], n_rows),
        "clerk": rng.integers(1, 9, n_rows),
    })
