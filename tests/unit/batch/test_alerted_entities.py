import numpy as np
import pyarrow as pa

from anomaly_cl.alerts.identity import entity_text
from anomaly_cl.batch.alerts import Candidates
from anomaly_cl.batch.investigation import alerted_entities
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.schema import Column, Schema

SCHEMA = Schema((Column("card", "numeric", "double", "entity"), Column("shop", "categorical", "string", "entity")))


def made_up(n, seed=0):
    rng = np.random.default_rng(seed)
    card = pa.array(rng.integers(0, 9, n) * 1.5, mask=rng.random(n) < 0.5)
    shop = pa.array(rng.choice(list("abc"), n), mask=rng.random(n) < 0.3)
    score = rng.permutation(n).astype(float)
    return Candidates(np.arange(n), pa.table({"card": card, "shop": shop}), Scores(score, score, score, score))


def test_an_alert_is_about_the_first_entity_that_it_has_and_the_riskiest_come_first():
    records = made_up(60)
    expected: dict[str, list] = {}
    for i in np.argsort(-records.scores.score):
        line = records.rows.slice(i, 1).to_pylist()[0]
        about = next((name for name in ("card", "shop") if entity_text(line[name]) is not None), None)
        if about and line[about] not in expected.setdefault(about, []):
            expected[about].append(line[about])
    assert alerted_entities(records, SCHEMA) == expected
    assert {len(values) > 1 for values in expected.values()} == {True}


def test_no_alerts_are_about_nobody():
    assert alerted_entities(made_up(0), SCHEMA) == {}
