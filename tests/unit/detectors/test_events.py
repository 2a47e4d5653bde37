import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.errors import InputError, ModelError, UsageError
from anomaly_cl.features.sql_engine import DuckDBEngine
from anomaly_cl.schema import Column, Schema
from anomaly_cl.scoring.drift_verdict import Verdict
from tests.unit.detectors.made_up_payments import SCHEMA, fitted, payments

NUMBERS = ["score", "p_value", "p_tail", "risk"]


@pytest.fixture(scope="module")
def given():
    return payments(4_000, fraud_share=0.02)


@pytest.fixture(scope="module")
def detector(given):
    return fitted(given)


@pytest.fixture(scope="module")
def scored(detector, given):
    return detector.score(given.new, given.before)


def assert_same_scores(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert_array_equal(found[NUMBERS].to_numpy(), expected[NUMBERS].to_numpy())


def numbers(detector: EventDetector, rows: pa.Table | pa.RecordBatch) -> np.ndarray:
    scores = detector.score_table(rows)
    return np.stack([scores.score, scores.p_value, scores.p_tail, scores.risk])


def changed(table: pa.Table, name: str, values) -> pa.Table:
    position = table.column_names.index(name)
    return table.set_column(position, name, pa.array(values, table.schema.field(name).type))


def test_every_row_gets_its_line_with_finite_numbers(scored, given):
    assert scored["transaction_id"].tolist() == given.new["transaction_id"].to_pylist()
    assert np.isfinite(scored[NUMBERS].to_numpy()).all()
    assert scored["p_value"].between(0, 1).all()
    assert scored["score"].nunique() > 0.95 * len(scored)


def test_scores_given_earlier_records_equal_those_of_scoring_the_whole(detector, given, scored):
    whole = detector.score(pa.concat_tables([given.before, given.new]))
    assert_same_scores(whole.tail(len(scored)), scored)


def test_files_scored_one_by_one_get_the_scores_of_all_at_once(detector, given, scored):
    at_once = scored.set_index("transaction_id")
    before = given.before
    for start in range(0, given.new.num_rows, 200):
        part = given.new.slice(start, 200)
        found = detector.score(part, before).set_index("transaction_id")
        assert_same_scores(found, at_once.loc[found.index])
        before = pa.concat_tables([before, part])


def test_the_order_of_rows_in_the_files_does_not_matter(detector, given, scored):
    rng = np.random.default_rng(0)
    new, before = (table.take(pa.array(rng.permutation(table.num_rows))) for table in (given.new, given.before))
    found = detector.score(new, before).set_index("transaction_id")
    assert_same_scores(found, scored.set_index("transaction_id").loc[found.index])


@pytest.mark.parametrize("cut", [1, 150, 400])
def test_a_score_does_not_change_when_later_records_change_or_are_deleted(detector, given, scored, cut):
    rng = np.random.default_rng(cut)
    assert detector.score(given.new.slice(0, cut), given.before)["score"].tolist() == scored["score"][:cut].tolist()
    later = given.new.slice(cut)
    later = changed(later, "amount", rng.lognormal(12, 3, later.num_rows))
    later = changed(later, "customer_id", rng.choice(given.new["customer_id"].to_pylist(), later.num_rows))
    found = detector.score(pa.concat_tables([given.new.slice(0, cut), later]), given.before)
    assert_same_scores(found[:cut], scored[:cut])


@pytest.mark.parametrize("size", [1, 7])
def test_an_event_row_does_not_see_the_others(detector, given, size):
    rows = detector.event_rows(given.new, given.before).slice(0, 70)
    whole = numbers(detector, rows)
    parts = [numbers(detector, rows.slice(i, size)) for i in range(0, 70, size)]
    assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert_array_equal(numbers(detector, rows.combine_chunks().to_batches()[0]), whole)
    together = detector.reasons(rows)
    assert [reason for i in range(0, 70, size) for reason in detector.reasons(rows.slice(i, size))] == together


def test_a_saved_detector_scores_and_explains_bit_for_bit_the_same(detector, given, scored, tmp_path):
    detector.save(tmp_path / "model")
    twin = EventDetector.load(tmp_path / "model")
    assert twin.model_id_ == detector.model_id_
    pd.testing.assert_frame_equal(twin.score(given.new, given.before), scored)


def test_a_damaged_model_is_refused(detector, tmp_path):
    detector.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    file.write_text(file.read_text().replace('"recurrence"', '"recurrences"'))
    with pytest.raises(ModelError):
        EventDetector.load(tmp_path / "model")


def test_the_same_seed_gives_the_same_model_and_another_gives_another(detector, given, scored):
    again = clone(detector).fit(given.normal, given.history)
    assert again.model_id_ == detector.model_id_
    assert_same_scores(again.score(given.new, given.before), scored)
    assert fitted(given, random_state=2).model_id_ != detector.model_id_


def test_threads_of_the_engine_do_not_change_the_model(detector, given):
    assert fitted(given, engine=DuckDBEngine(threads=1)).model_id_ == detector.model_id_


def test_no_rows_give_no_scores_and_an_empty_history_is_none(detector, given):
    none = given.new.slice(0, 0)
    for before in (None, given.before, none):
        rows = detector.event_table(none, before)
        assert rows.schema == detector.event_table(given.new.slice(0, 1), before).schema
        assert numbers(detector, rows).shape == (4, 0)
        assert detector.reasons(rows) == []
    assert detector.event_table(given.new, none) == detector.event_table(given.new, None)
    with pytest.raises(InputError, match="must have rows"):
        detector.score(none)


def test_entities_never_seen_and_missing_ones_are_scored_and_are_nobodys_past(detector, given, scored):
    stranger = changed(given.new, "customer_id", [f"nobody {i}" for i in range(given.new.num_rows)])
    missing = changed(given.new, "customer_id", [None] * given.new.num_rows)
    for rows in (stranger, missing):
        assert np.isfinite(detector.score(rows, given.before)[NUMBERS].to_numpy()).all()
    lone = changed(given.new.slice(9, 1), "customer_id", [None])
    rows = pa.concat_tables([given.new.slice(0, 9), lone, given.new.slice(10)])
    rows = changed(rows, "merchant_id", ["one shop each" if i == 9 else shop
                                         for i, shop in enumerate(rows["merchant_id"].to_pylist())])
    without = detector.score(pa.concat_tables([given.new.slice(0, 9), given.new.slice(10)]), given.before)
    assert_same_scores(detector.score(rows, given.before).drop(9), without)


def test_missing_values_are_scored(detector, given):
    rows = given.new.slice(0, 60)
    for name in ("amount", "merchant_category", "channel", "merchant_id"):
        rows = changed(rows, name, [None] * 60)
    assert np.isfinite(detector.score(rows, given.before)[NUMBERS].to_numpy()).all()


def test_a_record_without_a_time_is_refused(detector, given):
    rows = changed(given.new, "booked_at", [None, *given.new["booked_at"].to_pylist()[1:]])
    with pytest.raises(InputError, match="booked_at"):
        detector.score(rows)
    with pytest.raises(InputError, match="booked_at"):
        detector.score(given.new, rows)
    with pytest.raises(InputError, match="booked_at"):
        EventDetector(schema=SCHEMA).fit(rows)


@pytest.mark.parametrize("role", ["entity", "time"])
def test_events_need_an_entity_and_a_time(given, role):
    schema = SCHEMA.assign({column.name: "ignore" for column in SCHEMA.with_role(role)})
    with pytest.raises(UsageError, match=f"a column of role {role}"):
        EventDetector(schema=schema).fit(given.normal)


@pytest.mark.parametrize(("settings", "message"), [
    ({"pretraining": "simsiam"}, "pretraining is one of"), ({"bank_rows": 99}, "bank_rows must be 100"),
    ({"fit_rows": 3}, "fit_rows must be 4"), ({"bank_rows": float("nan")}, "bank_rows"),
])
def test_settings_out_of_range_are_refused(given, settings, message):
    with pytest.raises(UsageError, match=message):
        fitted(given, **settings)


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_fewer_than_four_normal_rows_are_refused(given, n_rows):
    with pytest.raises(InputError, match=r"4|must have rows"):
        EventDetector(schema=SCHEMA).fit(given.normal.slice(0, n_rows), given.history)


@pytest.mark.parametrize("n_rows", [4, 20])
def test_few_normal_rows_are_enough(given, n_rows):
    few = EventDetector(schema=SCHEMA).fit(given.normal.slice(0, n_rows))
    assert np.isfinite(few.score(given.new.slice(0, 50), policy="budget=5")[NUMBERS].to_numpy()).all()


def test_fewer_rows_than_there_are_can_be_drawn(given):
    few = fitted(given, fit_rows=500, bank_rows=100)
    assert few.rows_["reference"] + few.rows_["held_out"] + few.rows_["calibration"] == 500
    assert few.reference_.num_rows == 100
    assert np.isfinite(few.score(given.new, given.before)[NUMBERS].to_numpy()).all()


@pytest.mark.parametrize("name", [
    "amount for customer_id", "expected: amount for merchant_id", "evidence: customer_id",
    "strange records: merchant_id", "verdicts on customer_id",
])
def test_a_column_named_like_what_is_made_of_the_columns_is_refused(given, name):
    schema = Schema((*SCHEMA.columns, Column(name, "numeric", "double")))
    rows = given.normal.append_column(name, pa.array(np.arange(given.normal.num_rows, dtype=float)))
    with pytest.raises(InputError, match="are named otherwise"):
        EventDetector(schema=schema).fit(rows)


def test_columns_may_be_called_as_the_code_calls_its_own(given):
    names = {"amount": "micros", "channel": "row", "customer_id": "e1", "merchant_id": "key",
             "merchant_category": "hour"}
    columns = [Column(names.get(c.name, c.name), c.kind, c.type, c.role) for c in SCHEMA.columns]
    rows, history, new = (table.rename_columns([c.name for c in columns])
                          for table in (given.normal, given.history, given.new))
    found = EventDetector(schema=Schema(tuple(columns)), random_state=1).fit(rows, history)
    assert np.isfinite(found.score(new, rows)[NUMBERS].to_numpy()).all()


def test_roles_can_be_named_without_a_schema(given):
    detector = EventDetector(key="transaction_id", entity="customer_id", time="booked_at").fit(given.normal)
    assert [column.name for column in detector.base_schema_.with_role("entity")] == ["customer_id"]
    assert detector.base_schema_.only("key") == "transaction_id"
    with pytest.raises(InputError, match="card_id"):
        EventDetector(entity="card_id", time="booked_at").fit(given.normal)


def test_the_callers_frame_is_not_changed_and_its_index_is_kept(detector, given, scored):
    frame, before = given.new.to_pandas(), given.before.to_pandas()
    frame.index = pd.Index([f"line {i}" for i in range(len(frame))], name="line")
    copy, copy_before = frame.copy(deep=True), before.copy(deep=True)
    found = detector.score(frame, before)
    pd.testing.assert_frame_equal(frame, copy)
    pd.testing.assert_frame_equal(before, copy_before)
    pd.testing.assert_index_equal(found.index, frame.index)
    assert_same_scores(found, scored)


def test_rows_may_come_as_polars_frames_batches_and_files(detector, given, scored, tmp_path):
    pq.write_table(given.new, tmp_path / "new.parquet")
    pq.write_table(given.before, tmp_path / "before.parquet")
    pyarrow.csv.write_csv(given.new, tmp_path / "new.csv")
    forms = [polars.from_arrow(given.new), given.new.combine_chunks().to_batches()[0], tmp_path / "new.parquet",
             str(tmp_path / "new.csv")]
    for form in forms:
        assert_same_scores(detector.score(form, tmp_path / "before.parquet"), scored)


def test_normal_rows_are_picked_by_a_condition(given):
    detector = EventDetector(schema=SCHEMA).fit(given.normal, given.history, where="amount < 50")
    assert detector.rows_["read"] == pc.sum(pc.less(given.normal["amount"], 50)).as_py()


def test_a_detector_can_be_recalibrated_and_watches_drift(detector, given):
    honest = given.new.filter(pa.array(given.kind == ""))
    other = detector.recalibrated(honest, given.before)
    assert other.model_id_ != detector.model_id_
    assert_array_equal(other.score(given.new, given.before)["score"], detector.decision_function(
        given.new, given.before))
    dear = changed(honest, "amount", np.array(honest["amount"]) * 1_000)
    assert detector.drift(dear, given.before).verdict is Verdict.RECALIBRATE
