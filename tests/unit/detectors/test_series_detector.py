import numpy as np
import pandas as pd
import pytest
from made_up_series import PERIOD, QUICK, WINDOW, frame, machines, spike, waves
from numpy.testing import assert_array_equal

import anomaly_cl
from anomaly_cl.detectors import series_bank
from anomaly_cl.detectors.adapters import benchmark_series_detector
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.encoders.series import DilatedTCN
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.settings import TrainingSettings

pytestmark = pytest.mark.usefixtures("few_kernels")

NORMAL, NEW = waves(400, channels=2), waves(150, 1, channels=2)
ALPHA = "alpha=0.1"  # few clusters of steps calibrate


def raw(**settings):
    return SeriesDetector(members=0, **settings)


@pytest.fixture(scope="module")
def of_arrays():
    return raw().fit(NORMAL)


@pytest.fixture(scope="module")
def of_frames():
    return raw(time="at").fit(frame(NORMAL))


@pytest.fixture(scope="module")
def trained():
    return SeriesDetector(time="at", members=2, training=QUICK).fit(frame(NORMAL))


@pytest.fixture(scope="module")
def of_machines():
    return raw(entity="machine", time="at").fit(machines(seed=0))


def test_arrays_and_frames_score_the_same(of_arrays, of_frames):
    expected = of_arrays.decision_function(NEW)
    assert_array_equal(of_frames.score(frame(NEW), ALPHA)["score"], expected)
    assert_array_equal(of_arrays.score(NEW, ALPHA)["score"], expected)
    assert_array_equal(of_frames.score(NEW, ALPHA)["score"], expected)
    assert_array_equal(of_frames.decision_function(frame(NEW)), expected)
    assert_array_equal(of_frames.decision_function(NEW), expected)


def test_short_gaps_are_filled_in_arrays_as_in_frames():
    normal, new = NORMAL.copy(), NEW.copy()
    normal[100:104, 0] = new[30:36, 1] = np.nan
    arrays, frames = raw().fit(normal), raw(time="at").fit(frame(normal))
    expected = arrays.decision_function(new)
    assert_array_equal(arrays.score(new, ALPHA)["score"], expected)
    assert_array_equal(frames.score(frame(new), ALPHA)["score"], expected)


def test_one_channel_may_be_a_vector():
    assert_array_equal(raw().fit(NORMAL[:, 0]).decision_function(NEW[:, 0]),
                       raw().fit(NORMAL[:, :1]).decision_function(NEW[:, :1]))


def test_the_order_of_rows_does_not_matter(of_frames):
    order = np.random.default_rng(0).permutation(len(NORMAL))
    shuffled = raw(time="at").fit(frame(NORMAL).iloc[order])
    assert shuffled.model_id_ == of_frames.model_id_
    rows = frame(NEW)
    order = np.random.default_rng(1).permutation(len(rows))
    scored = of_frames.score(rows.iloc[order], ALPHA)
    pd.testing.assert_frame_equal(scored.sort_index(), of_frames.score(rows, ALPHA))


def test_rows_without_a_score_are_kept_and_no_alert(of_frames):
    rows = frame(NEW)
    rows.loc[60:60 + WINDOW, ["c0", "c1"]] = np.nan
    scored = of_frames.score(rows, "alpha=0.99")
    lost = scored["score"].isna()
    assert_array_equal(np.flatnonzero(lost), np.arange(60, 61 + WINDOW))
    assert not scored["alert"][lost].any()
    assert scored["alert"].dtype == bool
    assert scored["reasons"][lost].isna().all()
    assert (scored["at"] == rows["at"]).all()
    assert of_frames.spans(scored)["start"].notna().all()


def test_the_plain_scores_of_a_table_are_those_of_its_rows_without_looking_for_reasons(of_frames, monkeypatch):
    rows = frame(NEW).sample(frac=1, random_state=0)
    rows.loc[60:60 + WINDOW, ["c0", "c1"]] = np.nan
    rows["c0"] = rows["c0"].mask((rows.index > 20) & (rows.index < 60))
    expected = of_frames.score(rows, ALPHA)["score"]
    monkeypatch.setattr(of_frames, "reasons", None)
    assert_array_equal(of_frames.decision_function(rows), expected)


def test_a_channel_without_readings_leaves_the_others(of_frames):
    rows = frame(NEW).assign(c0=np.nan)
    scored = of_frames.score(rows, ALPHA)
    assert scored["score"].notna().all()


def test_rows_missing_altogether_are_a_gap_like_empty_ones(of_frames):
    rows = frame(NEW)
    empty = rows.copy()
    empty.loc[60:65, ["c0", "c1"]] = np.nan
    left = rows.drop(index=range(60, 66))
    scored = of_frames.score(left, ALPHA)["score"]
    assert_array_equal(scored, of_frames.score(empty, ALPHA)["score"][left.index])
    assert list(scored.index) == list(left.index)


def test_stretches_beyond_a_long_gap_are_scored_by_themselves(of_frames):
    parts = frame(NEW[:70]), frame(NEW[70:], start="2027-01-01")
    together = of_frames.score(pd.concat(parts), ALPHA)["score"]
    assert_array_equal(together, np.concatenate([of_frames.score(part, ALPHA)["score"] for part in parts]))


def test_with_the_steps_before_as_history_a_part_scores_as_in_the_whole(trained):
    rows = frame(NEW)
    whole, cut = trained.score(rows, ALPHA), 90
    later = trained.score(rows[cut:], ALPHA, history=rows[:cut])
    pd.testing.assert_frame_equal(later, whole[cut:])
    earlier = trained.score(rows[:cut], ALPHA)
    assert_array_equal(earlier["score"][:cut - 2 * WINDOW], whole["score"][:cut - 2 * WINDOW])
    assert not np.array_equal(trained.score(rows[cut:], ALPHA)["score"], later["score"])


def test_arrays_have_a_history_too(of_arrays):
    later = of_arrays.score(NEW[90:], ALPHA, history=NEW[:90])
    assert_array_equal(later["score"], of_arrays.decision_function(NEW)[90:])


def test_saved_and_loaded_it_says_the_same(trained, tmp_path):
    trained.save(tmp_path / "model")
    loaded, rows = anomaly_cl.load(tmp_path / "model"), frame(NEW)
    assert isinstance(loaded, SeriesDetector)
    scored = trained.score(rows, ALPHA)
    pd.testing.assert_frame_equal(loaded.score(rows, ALPHA), scored)
    pd.testing.assert_frame_equal(loaded.spans(scored), trained.spans(scored))
    pd.testing.assert_frame_equal(loaded.embed(rows), trained.embed(rows))
    assert (loaded.model_id_, loaded.cluster_) == (trained.model_id_, trained.cluster_)


def test_machines_have_their_own_units(of_machines):
    rows = machines(150, seed=5)
    scored = of_machines.score(rows, ALPHA)
    assert scored["alert"].mean() < 0.3
    spiked = rows.copy()
    spiked.loc[spiked.index[225], "c0"] += 5  # half a unit of the second machine, as wide as the first's wave
    spiked.loc[spiked.index[75], "c0"] += 5
    risen = of_machines.score(spiked, ALPHA)["score"] - scored["score"]
    assert risen[75] > 5 * risen[225]


def test_a_machine_does_not_see_the_others(of_machines):
    rows = machines(150, seed=5)
    together = of_machines.score(rows, ALPHA)
    alone = of_machines.score(rows[rows["machine"] == "b"], ALPHA)
    pd.testing.assert_frame_equal(alone, together[together["machine"] == "b"])


def test_a_new_machine_is_scored_by_what_is_usual_for_all(of_machines):
    scored = of_machines.score(machines(150, seed=5, names=("new",)), ALPHA)
    assert scored["score"].notna().all()


def test_reasons_share_the_score_among_channels(of_frames):
    strange = NEW.copy()
    spike(strange[:, 0])
    scored = of_frames.score(frame(strange), ALPHA)
    worst = scored.loc[scored["score"].idxmax()]
    assert worst["reasons"][0]["column"] == "c0"
    assert worst["reasons"][0]["contribution"] > 0.9 * worst["score"]
    assert sum(reason["contribution"] for reason in worst["reasons"]) <= worst["score"] * (1 + 1e-9)
    assert float(worst["reasons"][0]["value"]) == pytest.approx(strange[75, 0], rel=1e-2)
    assert scored["reasons"].notna().equals(scored["alert"])


def test_embeddings_have_a_time_and_one_width(trained):
    embedded = trained.embed(frame(NEW))
    expected = frame(NEW)["at"][:len(NEW) - WINDOW + 1:WINDOW // 2]
    assert embedded["start"].tolist() == expected.tolist()
    vectors = np.stack(embedded["embedding"])
    assert vectors.shape == (len(expected), 2 * trained.scorer_.members_[0].encoder.n_outputs)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_embeddings_of_machines_name_them():
    detector = SeriesDetector(entity="machine", time="at", members=1, training=QUICK).fit(machines())
    embedded = detector.embed(machines(100, 5))
    assert embedded["machine"].unique().tolist() == ["a", "b"]
    assert list(embedded) == ["machine", "start", "embedding"]


def test_the_frame_of_the_caller_keeps_its_index_and_stays_as_it_is(of_frames):
    rows = frame(NEW).set_index(pd.Index([f"r{i % 100}" for i in range(len(NEW))]))
    before = rows.copy(deep=True)
    assert_array_equal(of_frames.score(rows, ALPHA).index, rows.index)
    raw(time="at").fit(rows)
    pd.testing.assert_frame_equal(rows, before)


def test_times_with_a_zone_come_back_as_they_are(of_frames):
    rows = frame(NEW).assign(at=lambda rows: rows["at"].dt.tz_localize("UTC"))
    assert_array_equal(of_frames.score(rows, ALPHA)["score"], of_frames.score(frame(NEW), ALPHA)["score"])
    detector = raw(time="at").fit(rows)
    assert detector.spans(detector.score(rows, ALPHA).assign(alert=True))["steps"].tolist() == [150]


def around_change(day, n, kind):
    """Hours from a day on, as a clock in Berlin tells them, with their zone or the offset from UTC."""
    times = pd.Series(pd.date_range(day, periods=n, freq="1h", tz="UTC").tz_convert("Europe/Berlin"))
    return times if kind == "zone" else times.map(pd.Timestamp.isoformat)


@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
@pytest.mark.parametrize(("kind", "zone"), [("zone", "Europe/Berlin"), ("offsets", "UTC")])
def test_a_change_of_clocks_is_no_gap_and_no_step_comes_twice(day, kind, zone, of_arrays, tmp_path):
    normal = frame(NORMAL).assign(at=around_change(day, len(NORMAL), kind))
    new = frame(NEW).assign(at=around_change(day, len(NEW), kind))
    pd.DataFrame.to_parquet(normal, tmp_path / "normal.parquet", index=False)
    detector = raw(time="at").fit(tmp_path / "normal.parquet")
    report = detector.grid_report_
    assert (report.gaps, report.duplicates, report.resampled, report.steps) == (0, 0, 0, len(NORMAL))
    scored = detector.score(new, ALPHA)
    assert_array_equal(scored["score"], of_arrays.decision_function(NEW))
    assert scored["at"].dt.tz_convert("UTC").tolist() == pd.to_datetime(new["at"], utc=True).tolist()
    assert str(scored["at"].dt.tz) == zone
    detector.save(tmp_path / "model")
    loaded = anomaly_cl.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.score(new, ALPHA), scored)
    assert loaded.spans(scored.assign(alert=True))["steps"].tolist() == [len(NEW)]
    assert_array_equal(loaded.decision_function(NEW), scored["score"])


def test_a_condition_on_times_with_a_zone_is_about_the_clock_there():
    times = around_change("2026-03-28", len(NORMAL), "zone")
    rows = frame(NORMAL).assign(when_=times).drop(columns="at")
    picked = raw(time="when_").fit(rows, where="when_ >= '2026-03-30 12:00'")
    assert picked.rows_["read"] == (times.dt.tz_localize(None) >= "2026-03-30 12:00").sum()


def test_times_without_a_zone_are_clocks_in_that_of_the_training():
    detector = raw(time="at").fit(frame(NORMAL).assign(at=around_change("2026-06-01", len(NORMAL), "zone")))
    rows = frame(NEW, pace="1h")
    scored = detector.score(rows, ALPHA)
    assert scored["at"].tolist() == rows["at"].dt.tz_localize("Europe/Berlin").tolist()


def test_channels_are_chosen_by_name():
    rows = frame(NORMAL, other=1.0, word="x")
    assert raw(time="at").fit(rows).series_schema_.channels == ("c0", "c1", "other")
    chosen = raw(time="at", channels=["c1"]).fit(rows)
    assert_array_equal(chosen.score(frame(NEW), ALPHA)["score"],
                       raw().fit(NORMAL[:, 1]).decision_function(NEW[:, 1]))


def test_the_normal_steps_may_be_picked_by_a_condition():
    rows = pd.concat([frame(NORMAL), frame(9 + NORMAL, start="2027-01-01")], ignore_index=True)
    picked = raw(time="at").fit(rows, where="c1 < 5")
    assert picked.model_id_ == raw(time="at").fit(frame(NORMAL)).model_id_


@pytest.mark.parametrize(("method", "encoder", "kind"), [
    ("injections", "kernels", "KernelResidual"), ("injections", "tcn", "DilatedTCN"),
    ("simclr", "kernels", "KernelResidual"), ("triplet", "tcn", "DilatedTCN"), ("clip", "tcn", "TwoHalves")])
def test_each_pretraining_gives_an_encoder_of_the_asked_kind_that_is_kept(method, encoder, kind, tmp_path):
    detector = SeriesDetector(pretraining=method, encoder=encoder, members=1, training=QUICK).fit(NORMAL[:200])
    assert type(detector.scorer_.members_[0].encoder).__name__ == kind
    detector.save(tmp_path / "model")
    loaded = anomaly_cl.load(tmp_path / "model")
    assert (loaded.pretraining, loaded.encoder) == (method, encoder)
    assert type(loaded.scorer_.members_[0].encoder).__name__ == kind
    scored = detector.decision_function(NEW)
    assert np.isfinite(scored).all()
    assert_array_equal(loaded.decision_function(NEW), scored)


def test_another_seed_gives_another_detector():
    ids = [SeriesDetector(random_state=seed, members=1, training=QUICK).fit(NORMAL[:200]).model_id_ for seed in (0, 1)]
    assert ids[0] != ids[1]


def test_the_detector_of_benchmarks_is_the_default_one():
    assert benchmark_series_detector(3).get_params() == SeriesDetector(random_state=3).get_params()


@pytest.mark.parametrize(("settings", "match"), [
    ({"pretraining": "magic"}, "simclr"), ({"pretraining": "neighbours"}, "simclr"), ({"members": -1}, "members"),
    ({"members": True}, "members"), ({"period": 1}, "period"), ({"period": "yearly"}, "period"),
    ({"period": 2.5}, "period"), ({"period": None}, "period"), ({"random_state": -1}, "seed"),
    ({"without": ("centered",)}, "centered"), ({"without": "level"}, "heads"), ({"encoder": "lstm"}, "tcn"),
    ({"encoder": None}, "tcn"), ({"training": TrainingSettings(views="auto")}, "views"),
    ({"training": TrainingSettings(encoder=DilatedTCN(24))}, "encoder=")])
def test_settings_that_mean_nothing_are_refused(settings, match):
    with pytest.raises(UsageError, match=match):
        SeriesDetector(**settings).fit(NORMAL)


@pytest.mark.parametrize(("rows", "settings", "error", "match"), [
    (frame(NORMAL).drop(columns="at"), {}, UsageError, "time"),
    (frame(NORMAL)[["at"]].assign(word="x"), {"time": "at"}, UsageError, "channel"),
    (frame(NORMAL).assign(word="x"), {"time": "at", "channels": ["word"]}, UsageError, "word"),
    (frame(NORMAL)[:20], {"time": "at"}, InputError, "32 steps"),
    (NORMAL[:20], {}, InputError, "32 steps"),
    (np.zeros((0, 1)), {}, InputError, "32 steps"),
    (np.full((200, 1), np.nan), {}, InputError, "measured"),
    (np.zeros((3, 3, 3)), {}, UsageError, "shape"),
    (np.where(np.arange(400)[:, None] == 7, np.inf, NORMAL), {}, InputError, "infinity"),
    (frame(np.where(np.arange(400)[:, None] == 7, np.inf, NORMAL)), {"time": "at"}, InputError, "inf"),
    (frame(NORMAL).assign(at=lambda rows: rows["at"].where(rows.index != 5)), {"time": "at"}, InputError, "row 5"),
])
def test_series_that_cannot_be_learned_are_refused(rows, settings, error, match):
    with pytest.raises(error, match=match):
        raw(**settings).fit(rows)


def test_other_channels_and_infinity_are_refused_in_scoring(of_arrays, of_frames):
    for ask in (of_arrays.decision_function, of_arrays.score, of_frames.decision_function):
        with pytest.raises(UsageError, match="knows 2 channels"):
            ask(NEW[:, :1])
        with pytest.raises(InputError, match="infinity"):
            ask(np.where(np.arange(150)[:, None] == 7, np.inf, NEW))
    with pytest.raises(InputError, match="'c1'"):
        of_frames.score(frame(NEW[:, :1]))


def test_an_array_with_a_long_gap_or_too_short_has_no_plain_scores(of_arrays):
    holed = NEW.copy()
    holed[20:40] = np.nan
    for values in (holed, NEW[:WINDOW - 1]):
        with pytest.raises(InputError, match="gaps"):
            of_arrays.decision_function(values)
    assert of_arrays.decision_function(NEW[:0]).shape == (0,)


def test_a_long_series_is_calibrated_by_evenly_spread_pieces_with_full_scores(monkeypatch):
    monkeypatch.setattr(series_bank, "BANK_WINDOWS", 200)
    monkeypatch.setattr(series_bank, "JUDGED_WINDOWS", 2_000)
    detector = raw().fit(waves(6_000))
    known = np.isfinite(detector.scorer_.training_scores_[0])
    assert 3_000 < known.sum() < 4_000  # 2,000 windows two steps apart, but for the ends of pieces
    assert known[:200].any()
    assert known[-1_000:].any()
    alerts = np.mean([detector.score(waves(700, seed), "alpha=0.05")["alert"].mean() for seed in range(10, 13)])
    assert 0.01 < alerts < 0.12


def test_scores_of_normal_steps_are_alerted_at_about_the_rate():
    detector = raw().fit(waves(1_500))
    scored = [detector.score(waves(700, seed), "alpha=0.05")["alert"].mean() for seed in range(10, 13)]
    assert 0.01 < np.mean(scored) < 0.12
    assert detector.cluster_ <= 2 * PERIOD
