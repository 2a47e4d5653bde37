"""Anomalies among the training rows: a detector that trims them alerts their kind, one that trusts them does less."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.table.split import Split
from tests.contract.conftest import QUICK, SCHEMA, records


def odd(n_rows: int, seed: int) -> pd.DataFrame:
    """Rows of one swindle: a large amount at one shop, with pictures of their own."""
    rng = np.random.default_rng(seed)
    picture = list((rng.normal(size=(n_rows, 4)) * 0.1 + 6).astype(np.float32))
    amount = np.exp(rng.normal(9, 0.1, n_rows))
    return records(n_rows, seed).assign(amount=amount, items=30, channel="online", shop="BOOKS & CO", picture=picture)


@pytest.mark.parametrize("pretraining", ["none", "simclr"])
def test_planted_anomalies_are_alerted_after_trimming_and_less_without(pretraining):
    training = pd.concat([records(900, 0), odd(45, 2)], ignore_index=True).sample(frac=1, random_state=0)
    new, normal = odd(200, 3), records(400, 4)
    alerted, false = {}, {}
    for contamination in (None, "auto"):
        detector = TabularDetector(pretraining, schema=SCHEMA, training=QUICK, calibration=Split(0.3),
                                   contamination=contamination).fit(training)
        alerted[contamination] = detector.score(new, policy="alpha=0.01")["alert"].mean()
        false[contamination] = detector.score(normal, policy="alpha=0.01")["alert"].mean()
    assert alerted["auto"] > 0.95
    assert alerted[None] < 0.5
    assert false["auto"] < 0.03
