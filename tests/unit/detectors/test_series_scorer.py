import numpy as np
import pytest
from made_up_series import KINDS, PERIOD, QUICK, WINDOW, waves
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.detectors.series_scorer import FARTHEST, LEAST_LENGTH, SeriesScorer, over_channels
from anomaly_cl.detectors.series_training import SeriesTraining, Stretch
from anomaly_cl.errors import InputError, UsageError

pytestmark = pytest.mark.usefixtures("few_kernels")

RAW, TRAINED = SeriesTraining(members=0), SeriesTraining(members=2, settings=QUICK)
NORMAL, NEW = waves(400, channels=2), waves(200, 1, channels=2)


def fitted(values, training=RAW, period=None, **entities):
    stretches = [Stretch(name, each) for name, each in ({"": values} if values is not None else entities).items()]
    return SeriesScorer().fit(stretches, period, training, 0)


@pytest.fixture(scope="module")
def scorer():
    return fitted(NORMAL)


@pytest.fixture(scope="module")
def trained():
    return fitted(NORMAL, TRAINED)


@pytest.fixture(scope="module")
def usual_maxima(scorer, trained):
    return [each.score(NEW).max() for each in (scorer, trained)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("channel", [0, 1])
def test_a_planted_anomaly_has_the_highest_score(scorer, trained, usual_maxima, kind, channel):
    strange = NEW.copy()
    kind(strange[:, channel])
    changed = np.flatnonzero((strange != NEW).any(axis=1))
    for each, usual in zip((scorer, trained), usual_maxima, strict=True):
        surprise = each.channel_surprise(strange)
        score = over_channels(surprise)
        assert changed[0] - PERIOD <= score.argmax() <= changed[-1] + PERIOD
        assert score.max() > 2 * usual
        assert surprise[score.argmax()].argmax() == channel


def test_windows_span_two_periods_and_the_double_four(scorer):
    assert scorer.plan_.length == WINDOW
    assert scorer.double_.length == 2 * WINDOW
    assert fitted(NORMAL, period=30).plan_.length == 30


def test_windows_are_no_longer_than_a_quarter_of_the_longest_stretch():
    assert fitted(NORMAL[:60]).plan_.length == 15
    assert fitted(NORMAL, period=10_000).plan_.length == 100
    assert fitted(NORMAL[:60]).double_ is None
    assert fitted(NORMAL, period=2).plan_.length == LEAST_LENGTH


def test_too_short_a_series_is_refused():
    with pytest.raises(InputError, match="longest has 31"):
        fitted(NORMAL[:31])
    assert np.isfinite(fitted(NORMAL[:32]).training_scores_[0]).all()


def test_a_step_does_not_see_those_beyond_the_longest_window(trained):
    far, step = NEW.copy(), 100
    away = np.abs(np.arange(len(far)) - step) >= 2 * WINDOW
    far[away] = np.random.default_rng(3).normal(size=(away.sum(), 2)) * 50
    assert trained.score(far)[step] == trained.score(NEW)[step]


def test_training_scores_are_like_those_of_new_normal_steps(trained):
    honest, new = trained.training_scores_[0], trained.score(waves(2_000, 7, 2))
    self_met = trained.score(NORMAL)
    assert 0.8 < np.median(honest) / np.median(new) < 1.6  # higher rather than lower: false alarms are promised
    assert np.median(self_met) < 0.7 * np.median(honest)


@pytest.mark.parametrize("power", [-80, -40, 40, 80])
def test_channels_in_other_units_score_the_same_bits(scorer, power):
    unit = np.array([2.0**power, 1.0])  # a power of two rounds nothing
    assert_array_equal(fitted(NORMAL * unit).score(NEW * unit), scorer.score(NEW))


def test_another_zero_and_unit_give_the_same_scores_but_for_rounding(scorer):
    other = fitted(NORMAL * 1.8 + 32)
    assert_allclose(other.score(NEW * 1.8 + 32), scorer.score(NEW), rtol=1e-3)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 1e6])
def test_a_constant_channel_is_strange_once_it_moves_and_not_by_rounding(constant):
    normal, new = (np.column_stack([each[:, 0], np.full(len(each), constant)]) for each in (NORMAL, NEW))
    scorer = fitted(normal, SeriesTraining(members=1, settings=QUICK))
    assert scorer.live_.tolist() == [True, False]
    usual = scorer.score(new)
    rounded = new.copy()
    rounded[::3, 1] += 1e-7 * max(abs(constant), 1)
    assert_array_equal(scorer.score(rounded), usual)
    moved = new.copy()
    moved[100:103, 1] += max(abs(constant), 1)
    score = scorer.score(moved)
    assert 100 - WINDOW < score.argmax() < 103 + WINDOW
    assert score.max() > 1.5 * usual.max()
    assert_array_equal(score[:50], usual[:50])


def test_a_series_that_never_moves_is_learned():
    scorer = fitted(np.full((200, 1), 5.0), TRAINED)
    moved = np.full((200, 1), 5.0)
    moved[100] = 6
    assert scorer.score(moved)[100] > scorer.score(moved)[:40].max()
    assert scorer.members_ == []


def test_a_shift_of_level_between_training_and_test_is_seen_by_the_level_alone():
    shifted, new = NEW + np.array([8, 0]), waves(200, 1, 2)
    blind = fitted(NORMAL, SeriesTraining(members=2, settings=QUICK, without=("level",)))
    assert_allclose(blind.score(shifted), blind.score(new), rtol=2e-3)
    seeing = fitted(NORMAL, SeriesTraining(members=0))
    assert seeing.score(shifted).min() > seeing.score(new).max()
    bare = fitted(NORMAL, SeriesTraining(members=0, without=("centred", "scaled", "differences", "double", "point")))
    # the weight of the level is a quarter of that of the others: it cannot speak as loudly by itself
    assert np.median(seeing.score(shifted)) < 0.2 * np.median(bare.score(shifted))


@pytest.mark.parametrize("large", [1e20, 1e39, 1e200, 1.7e308, -1.7e308])
def test_readings_of_any_size_are_strange_and_finite(scorer, trained, large):
    strange = NEW.copy()
    strange[100, 0] = large
    for each in (scorer, trained):
        score = each.score(strange)
        assert np.isfinite(score).all()
        assert score.argmax() == 100
        strange[100, 0] = FARTHEST / 10
        assert 0 < each.score(strange)[100] < score[100]
        strange[100, 0] = large


def test_missing_values_are_not_measured_and_the_other_channel_still_is(scorer):
    holed = NEW.copy()
    holed[90:95, 0] = np.nan
    surprise = scorer.channel_surprise(holed)
    assert_array_equal(np.flatnonzero(np.isnan(surprise[:, 0])), np.arange(90, 95))
    assert_array_equal(surprise[:, 1], scorer.channel_surprise(NEW)[:, 1])
    assert_array_equal(scorer.score(holed)[90:95], surprise[90:95, 1])


def test_each_entity_has_its_own_units_and_windows():
    small, large = NORMAL, 50 + 10 * waves(400, 5, 2)[::-1]
    scorer = fitted(None, a=small, b=large)
    assert np.median(scorer.score(NEW, "a")) < 1
    assert np.median(scorer.score(50 + 10 * NEW[::-1], "b")) < 1
    assert scorer.score(NEW, "b").min() > 3
    assert_array_equal(scorer.score(NEW, "new"), scorer.score(NEW, ""))
    assert len(scorer.training_scores_) == 2


def test_a_channel_that_stood_still_in_one_entity_moves_in_the_units_of_the_others():
    for unit in (1.0, 2.0**-40, 2.0**40):
        still = np.column_stack([NORMAL[:, 0], np.zeros(400)])
        scorer = fitted(None, a=NORMAL * unit, b=still * unit, c=waves(400, 4, 2) * unit)
        moved = np.column_stack([NEW[:, 0], np.zeros(200)])
        moved[100:110, 1] = 1
        assert scorer.scaled(moved * unit, "b")[105, 1] == pytest.approx(np.sqrt(2), abs=0.1)
        assert 90 <= scorer.score(moved * unit, "b").argmax() < 120


def test_the_mean_over_channels_equals_the_loop():
    surprise = np.random.default_rng(0).exponential(size=(30, 4))
    surprise[np.random.default_rng(1).random((30, 4)) < 0.4] = np.nan
    surprise[3] = np.nan
    expected = [np.mean(row[~np.isnan(row)] ** 4) ** 0.25 if not np.isnan(row).all() else np.nan for row in surprise]
    assert_allclose(over_channels(surprise), expected)
    assert_array_equal(over_channels(surprise)[[5]], over_channels(surprise[[5]]))


def test_from_its_state_it_scores_and_embeds_the_same_bits(trained):
    twin = SeriesScorer.from_state(trained.to_state())
    assert_array_equal(twin.score(NEW), trained.score(NEW))
    for one, other in zip(twin.embed(NEW), trained.embed(NEW), strict=True):
        assert_array_equal(one, other)


def test_windows_are_embedded_half_a_length_apart(trained):
    holed = NEW.copy()
    holed[50, 1] = np.nan
    starts, vectors = trained.embed(holed)
    every = np.arange(0, 200 - WINDOW + 1, WINDOW // 2)
    assert_array_equal(starts, every[(every > 50) | (every + WINDOW <= 50)])
    assert vectors.shape == (len(starts), 2 * trained.members_[0].encoder.n_outputs)
    assert_array_equal(vectors[0], trained.embed(NEW)[1][0])
    assert len(trained.embed(NEW[:WINDOW - 1])[0]) == 0


def test_without_an_encoder_nothing_is_embedded(scorer):
    with pytest.raises(UsageError, match="members=1"):
        scorer.embed(NEW)


def test_scoring_changes_neither_the_series_nor_the_scorer(trained):
    values = NEW.copy()
    before = trained.score(values)
    trained.embed(values)
    assert_array_equal(values, NEW)
    assert_array_equal(trained.score(values), before)
