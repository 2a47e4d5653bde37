from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from anomaly_cl.detectors.loading import load
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError


def related(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 3)) @ np.random.default_rng(9).normal(size=(3, 10)) + 0.3 * rng.normal(size=(n, 10))


def test_fast_search_ranks_about_as_the_exact_one() -> None:
    rng = np.random.default_rng(0)
    normal, ordinary = related(rng, 3_000), related(rng, 600)
    strange = np.stack([rng.permutation(column) for column in related(rng, 300).T], axis=1)  # columns that do not agree
    labels = np.repeat([0, 1], [600, 300])
    exact, fast = (
        roc_auc_score(labels, TabularDetector(pretraining="none", search=search).fit(normal)
                      .decision_function(np.vstack([ordinary, strange])))
        for search in ("exact", "fast"))
    assert fast > exact - 0.02
    assert fast > 0.9


def test_fast_search_keeps_its_bank_small_unless_told_otherwise(tmp_path) -> None:
    rng = np.random.default_rng(1)
    normal = related(rng, 9_000)
    small = TabularDetector(pretraining="none", search="fast").fit(normal)
    assert small.reference_.num_rows == 4_096
    assert TabularDetector(pretraining="none", search="fast", bank_rows=500).fit(normal).reference_.num_rows == 500
    small.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.get_params()["search"] == "fast"
    np.testing.assert_array_equal(again.decision_function(normal[:50]), small.decision_function(normal[:50]))
    assert small.explain(normal[:1] + 4)[0].neighbours


@pytest.mark.parametrize(("settings", "rule"), [
    ({"search": "quick"}, "search is one of"), ({"search": "fast", "pretraining": "simclr"}, "metrics of neighbour"),
])
def test_searches_that_cannot_be_meant(settings, rule) -> None:
    with pytest.raises(UsageError, match=rule):
        TabularDetector(**settings).fit(np.ones((50, 3)))
