from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from anomaly_cl.detectors.ensemble import Contrasted, default_heads
from anomaly_cl.errors import UsageError
from anomaly_cl.pretraining.fit import METHODS
from apps.benchmark.models import Standardised, choose, models, peers, source_digest

ROWS = np.random.default_rng(0).normal([0, 5, -3], [1, 10, 0.1], size=(60, 3))
SLOW = {"LUNAR", "DIF", "ICL", "NeuTraL", "SLAD"}  # as they train for long; our own have tests of their own


def test_ablations_follow_the_methods_and_heads_of_the_package() -> None:
    names = set(models())
    assert {"ours", "ours-none", "ours-without-contrast"} <= names
    assert {f"ours-{head}" for head in default_heads(Contrasted())} <= names
    for method in METHODS:
        assert {f"ours-{method}", f"ours-{method}-alone"} <= names


def test_models_pickle_for_worker_processes() -> None:
    known = models()
    copies = pickle.loads(pickle.dumps(known))
    assert {name: model.code for name, model in copies.items()} == {name: model.code for name, model in known.items()}


@pytest.mark.parametrize("name", sorted(set(peers()) - SLOW))
def test_peers_score_rows_on_standardised_columns(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of PyOD are its own
        scores = peers()[name].make(0).fit(ROWS).decision_function(ROWS * 3)
        scaled = peers()[name].make(0).fit(StandardScaler().fit_transform(ROWS))
        assert scores.shape == (60,)
        np.testing.assert_allclose(
            scaled.decision_function(StandardScaler().fit(ROWS).transform(ROWS * 3)), scores, rtol=1e-6)


def test_slow_peers_can_be_made() -> None:
    for name in SLOW:
        assert isinstance(peers()[name].make(3), Standardised)


def heads_of(name: str) -> set[str]:
    detector = models()[name].make(0).fit(ROWS)
    assert np.isfinite(detector.decision_function(ROWS)).all()
    return set(detector.scorer_.ensemble_.fitted_)


def test_ablations_have_the_heads_they_name() -> None:
    every, plain = set(default_heads(Contrasted(embedded=True))), set(default_heads(Contrasted()))
    assert heads_of("ours-without-contrast") == plain
    assert heads_of("ours-simclr-alone") == every - plain
    head = min(plain)
    assert heads_of(f"ours-{head}") == {head}


def test_unknown_models_are_refused() -> None:
    assert list(choose(["LOF", "KNN-1"])) == ["KNN-1", "LOF"]
    assert list(choose(["LOF", "ours"])) == ["ours", "LOF"]
    assert set(choose()) == set(models())
    with pytest.raises(UsageError, match="KNN-7"):
        choose(["KNN-7"])


def test_models_of_other_settings_are_other_programs() -> None:
    known = peers()
    assert known["KNN-1"].code == peers()["KNN-1"].code
    assert known["KNN-1"].code != known["KNN-5"].code
    with pytest.raises(UsageError, match="no_such"):
        source_digest("no_such_package")
