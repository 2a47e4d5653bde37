"""Explanations of rows: what they say is checked by scoring what they say."""

import json

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Column, Schema
from tests.contract.conftest import SCHEMA, records


@pytest.fixture(scope="module")
def detector():
    return TabularDetector("none", schema=SCHEMA, calibration="split").fit(records(900, 0))


@pytest.fixture(scope="module")
def rows():
    """Large amounts, a channel never seen, both, a missing amount, and usual records."""
    rows = records(40, 1)
    rows["amount"] = [9e4, 8e4, 7e4, np.nan, *rows["amount"][4:]]
    rows["channel"] = ["card", "wire", "wire", *rows["channel"][3:]]
    return rows


@pytest.fixture(scope="module")
def explained(detector, rows):
    return detector.explain(rows)


def test_the_numbers_are_those_of_the_score_and_the_reasons(detector, rows, explained):
    scored = detector.score(rows)
    assert [each.score for each in explained] == scored["score"].tolist()
    assert [each.p_value for each in explained] == scored["p_value"].tolist()
    assert [each.unusual for each in explained] == (scored["p_value"] <= 0.01).tolist()
    for each, reasons in zip(explained, detector.reasons(detector._read(rows)), strict=True):
        assert [vars(one) for one in each.contributions[:5]] == reasons


def test_a_counterfactual_applied_to_the_row_scores_as_it_says(detector, rows, explained):
    told = [i for i, each in enumerate(explained) if each.counterfactual]
    assert {0, 1, 2} <= set(told)
    for i in told:
        changed, way = rows.iloc[[i]].copy(), explained[i].counterfactual
        for change in way.changes:
            changed[change.column] = pd.Series([change.to], index=changed.index, dtype=changed[change.column].dtype)
        after = detector.score(changed).iloc[0]
        assert (after["score"], after["p_value"]) == (way.score, way.p_value)
        assert after["score"] < explained[i].threshold


def test_only_what_must_change_is_changed(explained):
    assert [change.column for change in explained[0].counterfactual.changes] == ["amount"]
    assert {change.column for change in explained[2].counterfactual.changes} >= {"amount"}


def test_values_of_counterfactuals_are_those_of_normal_rows(detector, explained):
    normal = detector.reference_.to_pandas()
    for each in explained:
        for change in each.counterfactual.changes if each.counterfactual else ():
            if change.column != "picture":
                assert change.to in set(normal[change.column])


def test_sentences_are_plain(explained):
    assert explained[0].sentence.startswith("amount 90,000 is ")
    assert " times what records otherwise alike have (" in explained[0].sentence
    usual = [each for each in explained if not each.unusual]
    assert usual
    assert all(each.sentence.startswith("Not unusual: of 1,000 normal records ") for each in usual)
    assert all("; least usual is " in each.sentence for each in usual)
    assert all(each.sentence.count(";") <= 2 for each in explained)


def test_rows_under_the_threshold_have_no_counterfactual(explained):
    assert all(each.counterfactual is None for each in explained if not each.unusual)


def test_neighbours_are_the_nearest_with_the_columns_that_differ(detector, rows, explained):
    found = detector.neighbours(detector._read(rows), 5)
    for each, expected in zip(explained, found, strict=True):
        assert [one.record for one in each.neighbours] == expected
    assert all("amount" in one.differing for one in explained[0].neighbours)
    assert not any({"id", "account", "constant"} & one.differing for each in explained for one in each.neighbours)
    assert [len(each.neighbours) for each in detector.explain(rows[:2], k=0)] == [0, 0]


def test_an_explanation_does_not_depend_on_the_other_rows(detector, rows, explained):
    assert [detector.explain(rows[i:i + 1])[0] for i in range(5)] == explained[:5]
    assert detector.explain_table(detector.reference_.slice(0, 0)) == []


def test_plain_data_is_json(explained):
    told = json.loads(json.dumps([each.to_dict() for each in explained], allow_nan=False))
    assert told[0]["sentence"] == explained[0].sentence
    assert told[0]["counterfactual"]["changes"][0]["column"] == "amount"
    assert told[0]["neighbours"][0]["differing"] == sorted(explained[0].neighbours[0].differing)
    assert told[-1]["counterfactual"] is None


@pytest.mark.parametrize("settings", [{"level": 0}, {"level": 1.5}, {"k": -1}, {"k": 2.5}])
def test_settings_out_of_range_are_refused(detector, rows, settings):
    with pytest.raises(UsageError):
        detector.explain(rows, **settings)


def test_pairs_are_told_where_no_single_column_explains_half():
    rng = np.random.default_rng(0)
    detector = TabularDetector("none").fit(rng.normal(size=(1_500, 5)))
    shared, alone = detector.explain(np.array([[7.0, 7.0, 7.0, 0.0, 0.1], [7.0, 0.0, 0.1, 0.0, 0.1]]))
    assert {shared.pairs[0].a, shared.pairs[0].b} < {"x0", "x1", "x2"}
    assert shared.pairs[0].contribution > shared.contributions[0].contribution
    assert {change.column for change in shared.counterfactual.changes} == {"x0", "x1", "x2"}
    assert alone.pairs == ()


def test_the_segment_is_no_column_to_change():
    rng = np.random.default_rng(0)
    schema = Schema((Column("shop", "categorical", "string", "segment"), Column("sold", "numeric", "double")))

    def sales(n_rows, shop):
        return pd.DataFrame({"shop": shop, "sold": rng.normal(100 if shop == "big" else 5, 1, n_rows)})

    detector = TabularDetector("none", schema=schema, calibration="split").fit(
        pd.concat([sales(600, "big"), sales(600, "small")]))
    found = detector.explain(pd.DataFrame({"shop": ["small"], "sold": [100.0]}))[0]
    assert [change.column for change in found.counterfactual.changes] == ["sold"]
