"""A detector that leaves anomalies of its training rows out, and tells which."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from anomaly_cl.detectors.loading import load
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError

ROWS, PLANTED = 600, 30


@pytest.fixture(scope="module")
def unclean() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(ROWS, 4)), rng.normal(7, 0.2, size=(PLANTED, 4))])
    frame = pd.DataFrame(values, columns=list("abcd")).assign(planted=np.arange(len(values)) >= ROWS)
    return frame.sample(frac=1, random_state=0, ignore_index=True)


@pytest.fixture(scope="module")
def detector(unclean) -> TabularDetector:
    return TabularDetector("none", contamination="auto").fit(unclean.drop(columns="planted"))


def test_the_planted_rows_are_listed_strangest_first(detector, unclean):
    listed = detector.trimmed_.to_pandas()
    assert set(np.flatnonzero(unclean["planted"])) == set(listed["row_number"])
    assert detector.rows_["trimmed"] == len(listed) == PLANTED
    assert listed["score"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(listed[list("abcd")], unclean.loc[listed["row_number"], list("abcd")]
                                  .reset_index(drop=True))
    assert (listed["p_value"] <= 0.01).all()


def test_the_detector_is_that_of_the_other_rows_in_their_order(detector, unclean):
    kept = unclean.loc[~unclean["planted"], list("abcd")]
    clean = TabularDetector("none").fit(kept)
    assert clean.model_id_ == detector.model_id_
    assert_array_equal(clean.reference_.to_pandas(), kept)
    assert clean.trimmed_.num_rows == clean.rows_["trimmed"] == 0
    assert detector.rows_["read"] == clean.rows_["read"] + PLANTED


def test_row_numbers_are_those_of_the_whole_input(unclean):
    rows = pd.concat([unclean.assign(use=0), unclean.assign(use=1)], ignore_index=True).drop(columns="planted")
    detector = TabularDetector("none", contamination="auto").fit(rows, where="use = 1")
    assert set(detector.trimmed_["row_number"].to_pylist()) == set(np.flatnonzero(unclean["planted"]) + len(unclean))


def test_training_scores_are_of_all_rows(detector, unclean):
    scores = detector.training_scores(unclean)
    assert len(scores) == len(unclean)
    assert scores[unclean["planted"]].min() > scores[~unclean["planted"]].max()


def test_trimmed_rows_are_saved_and_loaded(detector, unclean, tmp_path):
    detector.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.trimmed_ == detector.trimmed_
    assert loaded.contamination == "auto"
    assert_array_equal(loaded.training_scores(unclean), detector.training_scores(unclean))


def test_a_share_is_left_out_whatever_it_is(unclean):
    detector = TabularDetector("none", contamination=0.1).fit(unclean.drop(columns="planted"))
    trimmed = np.isin(np.arange(len(unclean)), detector.trimmed_["row_number"].to_numpy())
    assert trimmed.sum() == 63
    assert trimmed[unclean["planted"]].all()


def test_huge_values_do_not_hide_a_group(unclean):
    rows = unclean.drop(columns="planted")
    rows.loc[np.flatnonzero(~unclean["planted"])[:2], "a"] = 1e12
    detector = TabularDetector("none", contamination="auto").fit(rows)
    assert set(np.flatnonzero(unclean["planted"])) <= set(detector.trimmed_["row_number"].to_pylist())


@pytest.mark.parametrize("contamination", [0, 0.5, -0.1, 1, "some", float("nan")])
def test_a_contamination_that_cannot_be_is_refused(unclean, contamination):
    with pytest.raises(UsageError, match="contamination"):
        TabularDetector("none", contamination=contamination).fit(unclean)


def test_columns_named_like_those_of_the_list_are_refused_only_if_there_is_a_list(unclean):
    rows = unclean.rename(columns={"a": "score", "b": "row_number"}).drop(columns="planted")
    with pytest.raises(UsageError, match="score"):
        TabularDetector("none", contamination="auto").fit(rows)
    assert np.isfinite(TabularDetector("none").fit(rows).decision_function(rows)).all()
