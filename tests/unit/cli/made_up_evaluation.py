"""Scored rows with labels, ties, and names of kinds that mean harm."""

from __future__ import annotations

import numpy as np
import pandas as pd

HOSTILE = ("<script>alert(1)</script>", '=HYPERLINK("http://x.test")</script><img src=x onerror=alert(2)>',
           "$\\frac{a}{b}$ <b>bold</b> %{x}")


def scored_frame(n: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """`n` rows of ten days and 150 customers; 8 % frauds of four kinds (one without a name), which score higher."""
    rng = np.random.default_rng(seed)
    fraud = rng.random(n) < .08
    kinds = np.array([*HOSTILE, None], object)[rng.integers(0, 4, n)]
    times = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.sort(rng.integers(0, 10 * 86_400, n)), "s")
    scores = (rng.exponential(1, n) + fraud * rng.random(n) * 4).round(1)
    return pd.DataFrame({
        "id": np.arange(n), "when": times, "customer": [f"C{number:03d}" for number in rng.integers(0, 150, n)],
        "amount": rng.lognormal(3, 1, n).round(2), "is_fraud": fraud.astype(int),
        "kind": np.where(fraud, kinds, None), "score": scores, "alert": scores > 3.5,
    })
