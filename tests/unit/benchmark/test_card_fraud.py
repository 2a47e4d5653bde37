from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.errors import InputError
from apps.benchmark.__main__ import main
from apps.benchmark.events.book import SECONDS_A_DAY, book_features, window_totals
from apps.benchmark.events.history import FILE, Remembered, measure_history
from apps.benchmark.events.judging import judge
from apps.benchmark.events.ours import CUSTOMER_AMOUNT, our_models
from apps.benchmark.events.peers import EventColumns, FiveAmounts, ManyAmounts
from apps.benchmark.events.protocol import (
    AMOUNT,
    CUSTOMER,
    FRAUD,
    KEY,
    KIND,
    TERMINAL,
    TIME,
    Names,
    Scene,
    Week,
    check_weeks,
    read_transactions,
)
from apps.benchmark.events.report import growth, means, results_frame
from apps.benchmark.events.runs import EventResult

START = "2026-03-06"
COLUMNS = Names("id", "at", "card", "shop", "paid", "bad", "how")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up month: 40 cards, 8 shops, 2,400 payments in no order, of which some are frauds of three kinds."""
    rng, n = np.random.default_rng(0), 2_400
    card = rng.integers(0, 40, n)
    seconds = rng.integers(0, 28 * SECONDS_A_DAY, n)
    how = np.where(rng.random(n) < 0.06, rng.integers(1, 4, n), 0)
    paid = np.round(rng.gamma(4, 5 + card / 4) * np.where(how == 1, 8, 1), 2)
    frame = pd.DataFrame({
        "id": rng.permutation(n), "at": pd.Timestamp("2026-03-01") + pd.to_timedelta(seconds, "s"), "card": card,
        "shop": rng.integers(0, 8, n), "paid": paid, "bad": (how > 0).astype(int), "how": how,
    })
    path = tmp_path_factory.mktemp("payments") / "payments.parquet"
    frame.to_parquet(path)
    return path


@pytest.fixture(scope="module")
def scene(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    kept = tmp_path_factory.mktemp("kept")
    measure_history(file, COLUMNS, kept / FILE)
    return Scene(read_transactions(file, COLUMNS), Week.parse(START), kept)


def test_a_week_has_7_days_to_train_7_of_delay_and_7_to_test(scene: Scene) -> None:
    days = (scene.transactions[TIME].dt.normalize() - pd.Timestamp(START)).dt.days
    assert set(days.iloc[scene.training]) == set(range(7))
    assert set(days.iloc[scene.test]) == set(range(14, 21))
    assert scene.test.stop - scene.test.start == days.between(14, 20).sum()
    assert (scene.transactions[FRAUD].iloc[scene.normal] == 0).all()
    assert not {FRAUD, KIND} & set(scene.records(scene.test))


def test_cards_leave_the_test_once_their_compromise_is_known(scene: Scene) -> None:
    day = (scene.transactions[TIME].dt.normalize() - pd.Timestamp(START)).dt.days.to_numpy()
    card, fraud = scene.transactions[CUSTOMER].to_numpy(), scene.transactions[FRAUD].to_numpy() == 1
    expected = []
    for row in range(scene.test.start, scene.test.stop):
        known = fraud & (card == card[row]) & (day >= 0) & (day < max(7, day[row] - 7))
        expected.append(not known.any())
    np.testing.assert_array_equal(scene.remaining(), expected)
    assert 0 < sum(expected) < len(expected)


def test_verdicts_are_those_known_at_the_instant(scene: Scene) -> None:
    instant = scene.week.day(14)
    told = scene.verdicts(instant)
    assert (told["decided_at"] < instant).all()
    frame = scene.transactions
    assert len(told) == (frame[TIME] + pd.Timedelta(days=7) < instant).sum()
    found = frame.set_index(KEY)[FRAUD].loc[told[KEY]].to_numpy()
    np.testing.assert_array_equal(told["verdict"] == "fraud", found == 1)


def test_weeks_and_columns_that_do_not_exist_are_named(scene: Scene, file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2026-03-09"):
        check_weeks([Week.parse("2026-03-07"), Week.parse("2026-03-09")], scene.transactions)
    with pytest.raises(InputError, match="TX_AMOUNT"):
        read_transactions(file)
    with pytest.raises(InputError, match="no such"):
        read_transactions(tmp_path / "no such")


def test_a_week_is_judged_as_counted_by_hand() -> None:
    """Two days; the score of row i is -i, so that the first rows of a day are alerted."""
    day = np.repeat(pd.to_datetime(["2026-03-01", "2026-03-02"]), 150)
    fraud, kind = np.zeros(300, int), np.zeros(300, int)
    fraud[[0, 120, 160, 299]], kind[[0, 120, 160, 299]] = 1, [1, 2, 3, 3]
    tested = pd.DataFrame({TIME: day, CUSTOMER: np.arange(300), FRAUD: fraud, KIND: kind})
    judged = judge(tested, -np.arange(300.0))
    assert judged.recall == {"1": 1.0, "2": 0.0, "3": 0.5}
    assert (judged.rows, judged.frauds) == (300, 4)
    assert judged.card_precision == judged.alert_precision == pytest.approx(2 / 200)
    assert judged.auc_pr == pytest.approx((1 / 1 + 2 / 121 + 3 / 161 + 4 / 300) / 4)
    assert judged.auc_pr_13 == pytest.approx((1 / 1 + 2 / 160 + 3 / 299) / 3)
    with pytest.raises(InputError, match="1 not finite"):
        judge(tested, np.r_[np.nan, np.zeros(299)])


def test_judging_equals_the_tool_that_lies_beside_the_data(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools, file = shared_data.parent / "tools", shared_data / "handbook" / "transactions.parquet"
    if not ((tools / "handbook_protocol.py").exists() and file.exists()):
        pytest.skip("there is no handbook_protocol.py, or no handbook data, beside the checkout: an independent judge")
    monkeypatch.syspath_prepend(str(tools))
    tool = pytest.importorskip("handbook_protocol")
    frame, rng = pd.read_parquet(file), np.random.default_rng(0)
    for start in ("2018-07-25", "2018-05-16"):
        scene = Scene(read_transactions(file), Week.parse(start), Path())
        tested = scene.transactions.iloc[scene.test]
        scores = np.round(rng.normal(size=len(tested)) + 2 * tested[FRAUD].to_numpy(), 1)  # with ties
        left = scene.remaining()
        judged = judge(tested[left], scores[left])
        expected = tool.judge(frame, pd.DataFrame({"TRANSACTION_ID": tested[KEY], "score": scores}), start)
        found = {"rows": judged.rows, "frauds": judged.frauds, "auc_roc": judged.auc_roc, "auc_pr": judged.auc_pr,
                 "cp_at_100": judged.card_precision, "alert_precision": judged.alert_precision,
                 "auc_pr_13": judged.auc_pr_13} | {f"recall_{kind}": value for kind, value in judged.recall.items()}
        assert found == pytest.approx(expected, rel=1e-12)
    sys.modules.pop("handbook_protocol")


def test_totals_of_windows_equal_the_double_loop() -> None:
    rng = np.random.default_rng(1)
    codes, seconds, values = rng.integers(0, 5, 200), rng.integers(0, 50, 200).astype(float), rng.normal(size=200)
    counts, totals = window_totals(codes, seconds, values, 3, 12)
    for row in range(200):
        age = seconds[row] - seconds
        inside = (codes == codes[row]) & (age >= 3) & (age < 12)
        assert counts[row] == inside.sum()
        assert totals[row] == pytest.approx(values[inside].sum())


def test_the_supervised_features_read_frauds_of_a_week_ago_or_earlier_only(scene: Scene) -> None:
    changed = scene.transactions.copy()
    recent = changed[TIME] > scene.week.day(21) - pd.Timedelta(days=7)
    changed.loc[recent, FRAUD] = 1 - changed.loc[recent, FRAUD]
    other = Scene(changed, scene.week, scene.kept)
    found = book_features(scene, scene.test)
    np.testing.assert_array_equal(found, book_features(other, scene.test))
    assert found.shape == (scene.test.stop - scene.test.start, 15)
    assert np.ptp(found, axis=0).all()


def test_the_five_amounts_equal_their_formulas(scene: Scene) -> None:
    made = FiveAmounts().fit(scene)
    found, frame, g = made.columns(scene, scene.test), scene.transactions, made.usual_
    for row in range(0, len(found), 40):
        now = frame.iloc[scene.test.start + row]
        past = frame[AMOUNT][(frame[CUSTOMER] == now[CUSTOMER]) & (frame.index < now.name)].to_numpy()
        n, a, last = len(past), now[AMOUNT], past[-50:]
        m = (past.sum() + 3 * g) / (n + 3)
        s = np.sqrt((n * past.var() + 3 * (m / 2) ** 2) / (n + 3))
        med = (len(last) * np.median(last) + 3 * g) / (len(last) + 3)
        assert found[row] == pytest.approx([a, np.log((a + 1) / (m + 1)), (a - m) / max(s, 1),
                                            np.log((a + 1) / (med + 1)), np.log((a + 1) / (last.max() + 1))])
    many = ManyAmounts().fit(scene).columns(scene, scene.test)
    assert many.shape[1] == 27
    np.testing.assert_array_equal(many[:, :5], found)


def test_changes_take_part_in_the_detector(scene: Scene) -> None:
    names = ["without-recurrence", "equal-weights", "without-knn", "customer-amount-only", "without-amount"]
    made = {name: our_models()[f"ours-{name}"](0).fit(scene).detector for name in names}
    assert set(made["without-recurrence"].recurrence_.lifts_.values()) == {1.0}
    assert set(made["equal-weights"].deviations_.weights_.values()) == {1.0}
    assert set(made["without-knn"].scorer_.ensemble_.fitted_) == {"columns"}
    assert made["customer-amount-only"].events_.deviations == (CUSTOMER_AMOUNT,)
    assert not [name for name in made["without-amount"].events_.deviations if name.startswith(AMOUNT)]
    usual = our_models()["ours"](0).fit(scene)
    learned = EventColumns().fit(scene)
    assert set(learned.names_) <= set(usual.detector.deviations_.weights_)
    assert np.isfinite(usual.score(scene)).all()


def test_confirmations_change_scores_and_all_rows_get_one(scene: Scene) -> None:
    confirmed = our_models()["ours-confirmed"](0).fit(scene)
    scores = confirmed.score(scene)
    assert np.isfinite(scores).all()
    assert len(scores) == scene.test.stop - scene.test.start
    without = confirmed.detector.decision_function(
        scene.records(scene.test), scene.records_before(scene.test.start))
    assert not np.array_equal(scores, without)


def test_a_history_is_computed_once_and_what_is_no_history_every_time(tmp_path: Path) -> None:
    asked = []

    class Counting:
        def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.RecordBatchReader:
            asked.append(sql)
            return tables["records"].to_reader()

    one, two = pa.table({"row": [1, 2]}), pa.table({"row": [1, 3]})
    engine = Remembered(tmp_path, engine=Counting())
    for table, sql in ((one, "percentile("), (one, "percentile("), (two, "percentile("), (one, "sum("), (one, "sum(")):
        assert engine.run(sql, {"records": table}).read_all().equals(table)
    assert asked == ["percentile(", "percentile(", "sum(", "sum("]
    Remembered(tmp_path, anew=True, engine=Counting()).run("percentile(", {"records": one})
    assert len(asked) == 5


def test_models_that_lack_a_week_come_last_and_growth_compares_the_weeks_of_both() -> None:
    tested = pd.DataFrame({TIME: pd.to_datetime(["2026-03-01"] * 4), CUSTOMER: range(4), FRAUD: [0, 0, 1, 1],
                           KIND: [0, 0, 1, 3]})
    right, wrong = judge(tested, np.arange(4.0)), judge(tested, -np.arange(4.0))

    def result(model: str, week: str, judged: object) -> EventResult:
        return EventResult(model, week, 0, "code", "2026-03-01", judged=judged, error="" if judged else "no")

    frame = results_frame([
        result("KNN-27", "a", wrong), result("KNN-27", "b", wrong), result("KNN-AMT5", "a", right),
        result("KNN-AMT5", "b", None), result("ours", "a", right), result("ours", "b", right),
    ])
    assert list(means(frame).index) == ["ours", "KNN-27", "KNN-AMT5"]
    line = growth(frame).iloc[0]
    assert (line["few"], line["weeks"]) == ("KNN-AMT5", 1)
    assert line["loss %"] == pytest.approx(100 * (1 - wrong.auc_pr))


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_the_command_goes_on_where_it_stopped_and_reports(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [text for role, name in vars(COLUMNS).items() for text in (f"--{role}", name)]
    common = ("events", "--data", str(file), "--out", str(tmp_path), *named, "--models", "ECOD-events")
    assert run(*common, "--weeks", START) == 0
    out = capsys.readouterr().out
    assert "1 runs, 0 of them done before" in out
    assert "history: 86 columns of 2,400 records" in out
    assert run(*common, "--weeks", START, "2026-03-07") == 0
    assert "2 runs, 1 of them done before" in capsys.readouterr().out
    report = (tmp_path / "events.md").read_text()
    assert "| ECOD-events |" in report
    assert "Failed" not in report
    assert "2026-03-07" in report
    assert (tmp_path / "events.html").exists()
    assert len(pd.read_csv(tmp_path / "results.csv")) == 2


def test_wrong_usage_ends_with_its_code(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = [text for role, name in vars(COLUMNS).items() for text in (f"--{role}", name)]
    common = ("events", "--data", str(file), "--out", str(tmp_path), *named)
    assert run(*common, "--weeks", START, "--models", "KNN-28") == 2
    assert "KNN-28" in capsys.readouterr().err
    assert run(*common, "--weeks", "6.3.26") == 2
    assert run("history", "--data", str(tmp_path / "none"), "--out", str(tmp_path)) == 3
    assert TERMINAL not in capsys.readouterr().out
