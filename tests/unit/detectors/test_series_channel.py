import numpy as np
import pytest
from made_up_series import QUICK, WINDOW, waves
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.detectors import series_bank, series_channel
from anomaly_cl.detectors.series_bank import ChannelStretch
from anomaly_cl.detectors.series_channel import ChannelScorer, WindowHead, window_heads
from anomaly_cl.detectors.series_heads import MEDIAN_OF, VIEWS
from anomaly_cl.detectors.series_training import SeriesTraining, Stretch, parts_of, train_members
from anomaly_cl.features.windows import WindowPlan
from anomaly_cl.scoring.cross_surprise import cross_surprise
from anomaly_cl.scoring.fusion import Surprise

pytestmark = pytest.mark.usefixtures("few_kernels")

PLAN, DOUBLE = WindowPlan(WINDOW), WindowPlan(2 * WINDOW)
NORMAL, NEW = waves(300)[:, 0], waves(150, 1)[:, 0]
RANK = 0.02  # of surprise: two steps that tie but for rounding change places


@pytest.fixture(scope="module")
def members():
    return train_members([Stretch("", NORMAL[:, None])], np.array([True]), PLAN, SeriesTraining("injections", 2, QUICK),
                         0, {})


@pytest.fixture(scope="module")
def scorer(members):
    return ChannelScorer(window_heads(PLAN, DOUBLE, members)).fit([ChannelStretch("", NORMAL)])


def slow_means(rows, bank, starts, length, n_steps):
    """Mean over the windows that cover a step of the distance to the nearest row of the bank."""
    distances = np.array([np.linalg.norm(bank.astype(float) - row, axis=1).min() for row in rows])
    return np.array([distances[(starts <= step) & (step < starts + length)].mean() for step in range(n_steps)])


def slow_own_means(head, values):
    """The same of a normal series, where a window is compared with those that share no step with it."""
    starts, length = head.plan.starts(len(values)), head.plan.length
    rows = head.rows(head.plan.cut(values, starts)).astype(float)
    distances = np.array([np.linalg.norm(rows[np.abs(starts - start) >= length] - row, axis=1).min()
                          for row, start in zip(rows, starts, strict=True)])
    return np.array([distances[(starts <= step) & (step < starts + length)].mean() for step in range(len(values))])


def test_the_surprise_of_a_single_head_equals_the_loops():
    for view in VIEWS:
        head = WindowHead(view, view, PLAN)
        scorer = ChannelScorer([head], point=False).fit([ChannelStretch("", NORMAL)])
        own = slow_own_means(head, NORMAL)
        starts, bank = PLAN.starts(len(NEW)), VIEWS[view](PLAN.cut(NORMAL, PLAN.starts(len(NORMAL))))
        means = slow_means(VIEWS[view](PLAN.cut(NEW, starts)), bank, starts, WINDOW, len(NEW))
        assert_allclose(scorer.training_surprise_[0], cross_surprise(own, WINDOW), atol=RANK)
        assert_allclose(scorer.surprise(NEW, ""), Surprise().fit(own)(means), atol=RANK)


def test_heads_are_fused_by_their_weighted_mean(scorer):
    parts = {head.name: ChannelScorer([head], point=False) for head in scorer.heads}
    for part in parts.values():
        part.banks_, part.curves_ = scorer.banks_, scorer.curves_
        part.indices_ = part._indices()
    weights = [{"level": 0.25}.get(name, 2 if name.startswith("trained") else 1) for name in parts]
    surprises = [part.surprise(NEW, "") for part in parts.values()]
    point = scorer.curves_["point"](series_channel.beside_median(NEW))
    expected = np.average([*surprises, point], axis=0, weights=[*weights, 0.25])
    assert_allclose(scorer.surprise(NEW, ""), expected)


def test_trained_heads_share_a_curve_of_the_parts_that_each_did_not_see(scorer, members):
    part, unseen = parts_of([len(NORMAL)], len(members))[0], np.zeros(len(NORMAL))
    for head in scorer.heads:
        own = slow_own_means(head, NORMAL)
        if head.member is None:
            assert_allclose(scorer.curves_[head.name](own), Surprise().fit(own)(own), atol=RANK)
        else:
            unseen += own * (part == head.member.part)
    assert_allclose(scorer.curves_["trained"](unseen), Surprise().fit(unseen)(unseen), atol=RANK)


def test_in_training_one_member_speaks_for_all_at_each_step(scorer, members):
    part, total, weight = parts_of([len(NORMAL)], len(members))[0], np.zeros(len(NORMAL)), 0.25
    spoken = np.zeros(len(NORMAL))
    for head in scorer.heads:
        own = slow_own_means(head, NORMAL)
        if head.member is None:
            total += head.weight * cross_surprise(own, head.plan.length)
            weight += head.weight
        else:
            spoken = np.where(part == head.member.part, own, spoken)
    total += 2 * len(members) * cross_surprise(spoken, WINDOW)
    total += 0.25 * cross_surprise(series_channel.beside_median(NORMAL), MEDIAN_OF)
    assert_allclose(scorer.training_surprise_[0], total / (weight + 2 * len(members)), atol=RANK)


def test_members_share_their_weight_among_the_channels_that_share_them(members):
    weights = {head.name: head.weight for head in window_heads(PLAN, DOUBLE, members, channels=4)}
    assert weights["trained 1"] == 0.5
    assert weights["centred"] == weights["double"] == 1


@pytest.mark.parametrize("chunk", [5, 64])
def test_scores_do_not_depend_on_the_chunks(scorer, monkeypatch, chunk):
    whole = scorer.surprise(NEW, "")
    monkeypatch.setattr(series_channel, "CHUNK_WINDOWS", chunk)
    assert_array_equal(scorer.surprise(NEW, ""), whole)


def test_a_step_sees_only_those_within_the_longest_window(scorer):
    far, step = NEW.copy(), 70
    away = np.abs(np.arange(len(far)) - step) >= 2 * WINDOW
    far[away] = np.random.default_rng(3).normal(size=away.sum()) * 50
    assert scorer.surprise(far, "")[step] == scorer.surprise(NEW, "")[step]
    far[step + 2 * WINDOW - 1] = 50
    assert scorer.surprise(far, "")[step] > scorer.surprise(NEW, "")[step]


def test_steps_that_no_measured_window_covers_have_no_surprise(scorer):
    holed = NEW.copy()
    holed[60:60 + WINDOW + 5] = np.nan
    holed[20] = np.nan
    surprise = scorer.surprise(holed, "")
    assert_array_equal(np.flatnonzero(np.isnan(surprise)), [*range(21), *range(60, 60 + WINDOW + 5)])
    assert np.isnan(scorer.surprise(NEW[:WINDOW - 1], "")).all()
    assert np.isfinite(scorer.surprise(NEW[:WINDOW], "")).all()


def test_missing_values_are_no_zeros():
    shifted = NORMAL + 10  # a zero would be far away
    scorer = ChannelScorer(window_heads(PLAN, None, [])).fit([ChannelStretch("", shifted)])
    holed, filled = NEW + 10, NEW + 10
    holed[70:75], filled[70:75] = np.nan, 0
    measured = ~np.isnan(holed)
    found = scorer.surprise(holed, "")
    assert np.isnan(found[70:75]).all()
    assert np.nanmax(found) < 4 < scorer.surprise(filled, "")[measured].max()


def test_holes_in_the_normal_series_enter_no_bank():
    holed = NORMAL.copy()
    holed[100:104] = np.nan
    scorer = ChannelScorer(window_heads(PLAN, DOUBLE, [])).fit([ChannelStretch("", holed)])
    assert all(np.isfinite(bank).all() for banks in scorer.banks_.values() for bank in banks.values())
    assert_array_equal(np.flatnonzero(np.isnan(scorer.training_surprise_[0])), np.arange(100, 104))
    assert len(scorer.banks_[WINDOW][""]) == len(PLAN.starts(len(NORMAL))) - WINDOW - 3


def test_each_entity_has_its_own_windows_and_others_those_of_all():
    slow = np.sin(np.arange(300) / 5) + 0.05 * np.random.default_rng(4).normal(size=300)
    scorer = ChannelScorer(window_heads(PLAN, None, [])).fit([ChannelStretch("quick", NORMAL),
                                                             ChannelStretch("slow", slow)])
    assert set(scorer.banks_[WINDOW]) == {"quick", "slow", ""}
    own, other, unknown = (np.median(scorer.surprise(NEW, name)) for name in ("quick", "slow", "new"))
    assert own < other
    assert unknown <= other
    assert_array_equal(scorer.surprise(NEW, "new"), scorer.surprise(NEW, ""))


def test_an_entity_too_short_for_two_windows_apart_has_those_of_all():
    scorer = ChannelScorer(window_heads(PLAN, None, [])).fit([ChannelStretch("long", NORMAL),
                                                             ChannelStretch("short", NEW[:2 * WINDOW - 5])])
    assert set(scorer.banks_[WINDOW]) == {"long", ""}
    assert np.isfinite(scorer.training_surprise_[1]).all()


def test_the_stretches_of_an_entity_share_a_bank():
    parts = [ChannelStretch("a", NORMAL[:100]), ChannelStretch("b", NORMAL[100:200]), ChannelStretch("a", NORMAL[200:])]
    bank = ChannelScorer(window_heads(PLAN, None, [])).fit(parts).banks_[WINDOW]["a"]
    expected = np.concatenate([PLAN.cut(part, PLAN.starts(100)) for part in (NORMAL[:100], NORMAL[200:])])
    assert_array_equal(bank, expected)


def test_a_large_bank_is_thinned_evenly(monkeypatch):
    monkeypatch.setattr(series_bank, "BANK_WINDOWS", 30)
    scorer = ChannelScorer(window_heads(PLAN, None, [])).fit([ChannelStretch("", NORMAL)])
    starts = np.linspace(0, len(NORMAL) - WINDOW, 30).astype(int)
    assert_array_equal(scorer.banks_[WINDOW][""], PLAN.cut(NORMAL, starts))
    assert np.isfinite(scorer.training_surprise_[0]).all()


def test_a_channel_never_measured_says_nothing():
    scorer = ChannelScorer(window_heads(PLAN, None, [])).fit([ChannelStretch("", np.full(200, np.nan))])
    assert np.isnan(scorer.training_surprise_[0]).all()
    assert np.isnan(scorer.surprise(np.full(60, np.nan), "")).all()


def test_from_its_state_it_scores_the_same_bits(scorer, members):
    twin = ChannelScorer.from_state(scorer.to_state(), window_heads(PLAN, DOUBLE, members))
    assert_array_equal(twin.surprise(NEW, ""), scorer.surprise(NEW, ""))


def test_heads_are_left_out_by_name(members):
    names = {head.name for head in window_heads(PLAN, DOUBLE, members)}
    assert names == {"centred", "scaled", "differences", "level", "double", "trained 1", "trained 2"}
    without = {head.name for head in window_heads(PLAN, DOUBLE, members, ("trained", "level"))}
    assert without == {"centred", "scaled", "differences", "double"}
    assert {head.name for head in window_heads(PLAN, DOUBLE, members, ("centred",))} == names - {"centred"}
    assert {head.name for head in window_heads(PLAN, None, members)} == names - {"double"}
