import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

from anomaly_cl.detectors.confirmations import ONE_CLASS, Confirmations
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.verdict_counts import NEVER, Lags, VerdictHistory

DAY, DAYS, DELAY, EPISODE, CUTOFF = 1_000, 60, 3_000, 14_000, 46_000
N, TERMINALS, CUSTOMERS = 40_000, 1_000, 2_000
LAGS = Lags(DAY, 40)


class World:
    """Records of terminals, some compromised for two weeks, and some strange ones; verdicts after three days."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.instants = np.sort(rng.integers(0, DAYS * DAY, N))
        self.entities = {"terminal": rng.integers(0, TERMINALS, N), "customer": rng.integers(0, CUSTOMERS, N)}
        began = rng.integers(-EPISODE, DAYS * DAY, TERMINALS // 4)  # every fourth terminal, once
        terminal = self.entities["terminal"]
        since = self.instants - began[terminal // 4]
        self.by_terminal = (terminal % 4 == 0) & (since >= 0) & (since < EPISODE)
        strange = rng.random(N) < 0.004
        self.scores = rng.exponential(size=N) + np.where(strange, rng.uniform(2, 12, N), 0)
        self.fraud = strange | self.by_terminal
        self.history = VerdictHistory(self.instants, self.fraud, self.instants + DELAY)

    def fit(self, **changed):
        learned = np.where(self.instants >= 14 * DAY, self.scores, np.nan)
        given = {"history": self.history, "entities": self.entities} | changed
        return Confirmations(LAGS).fit(learned, known_at=CUTOFF, rng=np.random.default_rng(1), **given)

    def join(self, confirmations, rows, history=None):
        entities = {role: codes[rows] for role, codes in self.entities.items()}
        return confirmations.join(self.scores[rows], entities, self.instants[rows], history or self.history,
                                  self.entities)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def confirmations(world):
    return world.fit()


@pytest.fixture(scope="module")
def later(world):
    return np.flatnonzero(world.instants >= CUTOFF)


def test_frauds_of_compromised_terminals_are_found_which_no_score_shows(world, confirmations, later):
    joined, fraud = world.join(confirmations, later), world.fraud[later]
    assert average_precision_score(fraud, world.scores[later]) < 0.25
    assert average_precision_score(fraud, joined.score) > 0.6
    model = confirmations.compromise_["terminal"]
    assert_allclose(model.mean_steps, 14, rtol=0.2)
    assert model.fraud_rate > 0.9


def test_probabilities_add_up_to_the_frauds(world, confirmations, later):
    joined = world.join(confirmations, later)
    assert_allclose(joined.probability.sum(), world.fraud[later].sum(), rtol=0.15)


def test_the_shares_say_which_part_came_from_whom(world, confirmations, later):
    joined = world.join(confirmations, later)
    assert_allclose(sum(joined.shares.values()), 1)
    sure = joined.probability > 0.8
    strange = sure & (world.scores[later] > 9)
    compromised = sure & world.by_terminal[later] & (world.scores[later] < 2)
    assert strange.sum() > 5
    assert joined.shares[ONE_CLASS][strange].mean() > 0.6
    assert joined.shares["terminal"][compromised].mean() > 0.9


def test_p_values_of_legitimate_records_are_valid(world, confirmations, later):
    p = confirmations.calibration_.p_value(world.join(confirmations, later).score)[~world.fraud[later]]
    assert 0.005 <= (p <= 0.01).mean() <= 0.02
    assert 0.035 <= (p <= 0.05).mean() <= 0.07


def test_verdicts_decided_later_change_no_score(world, confirmations, later):
    rng = np.random.default_rng(3)
    rows = later[::40]
    for now in world.instants[rows[::60]]:
        asked = rows[world.instants[rows] <= now]
        unknown = world.history.decided_at > now
        decided = np.where(unknown, rng.integers(now + 1, now + 30 * DAY, N), world.history.decided_at)
        changed = np.where(unknown, rng.random(N) < 0.5, world.fraud)
        rewritten = VerdictHistory(world.instants, changed, decided)
        erased = VerdictHistory(world.instants, world.fraud & ~unknown, np.where(unknown, NEVER, decided))
        expected = world.join(confirmations, asked)
        for history in (rewritten, erased):
            assert_array_equal(world.join(confirmations, asked, history).score, expected.score)


def test_records_that_come_later_change_no_score(world, confirmations, later):
    rows = later[:200]
    past = world.instants <= world.instants[rows].max()
    history = VerdictHistory(world.instants[past], world.fraud[past], world.history.decided_at[past])
    entities, earlier = ({role: codes[some] for role, codes in world.entities.items()} for some in (rows, past))
    cut = confirmations.join(world.scores[rows], entities, world.instants[rows], history, earlier)
    assert_array_equal(cut.score, world.join(confirmations, rows).score)


def test_what_is_learned_does_not_depend_on_verdicts_after_the_cutoff(world, confirmations):
    unknown = world.history.decided_at > CUTOFF
    erased = VerdictHistory(world.instants, world.fraud & ~unknown, np.where(unknown, NEVER, world.history.decided_at))
    again = world.fit(history=erased)
    assert again.compromise_ == confirmations.compromise_
    for cause, curve in confirmations.noisy_or_.curves_.items():
        assert_array_equal(again.noisy_or_.curves_[cause].log_odds_, curve.log_odds_)
    assert_array_equal(again.calibration_.scores_, confirmations.calibration_.scores_)


def test_without_verdicts_the_order_is_that_of_the_one_class_score(world, confirmations, later):
    nothing = VerdictHistory(world.instants, np.zeros(N, bool), np.full(N, NEVER))
    joined = world.join(confirmations, later, nothing)
    assert_array_equal(rankdata(joined.score), rankdata(world.scores[later]))


def test_where_only_frauds_are_confirmed_silence_is_presumed_legitimate(world, confirmations, later):
    decided = np.where(world.fraud, world.history.decided_at, NEVER)
    frauds_only = VerdictHistory(world.instants, world.fraud, decided, presume_after=DELAY)
    fitted = world.fit(history=frauds_only)
    assert_array_equal(world.join(fitted, later, frauds_only).score, world.join(confirmations, later).score)


def test_a_row_does_not_see_the_others(world, confirmations, later):
    rows = later[:60]
    whole = world.join(confirmations, rows)
    single = [world.join(confirmations, rows[i:i + 1]) for i in range(len(rows))]
    assert_array_equal(np.concatenate([each.score for each in single]), whole.score)
    shuffled = np.random.default_rng(4).permutation(len(rows))
    assert_array_equal(world.join(confirmations, rows[shuffled]).score, whole.score[shuffled])


def test_a_state_gives_the_same_scores_and_p_values(world, confirmations, later):
    again = Confirmations.from_state(confirmations.to_state())
    joined, expected = world.join(again, later), world.join(confirmations, later)
    assert_array_equal(joined.score, expected.score)
    assert_array_equal(again.calibration_.p_value(joined.score), confirmations.calibration_.p_value(expected.score))


def test_too_few_frauds_and_other_roles_are_refused(world, confirmations, later):
    with pytest.raises(InputError, match="20 frauds"):
        world.fit(history=VerdictHistory(world.instants, np.arange(N) < 10, world.history.decided_at))
    with pytest.raises(UsageError, match="roles"):
        world.fit(entities={})
    with pytest.raises(InputError, match="customer"):
        confirmations.join(world.scores[:1], {"terminal": [0]}, [0], world.history, world.entities)
    with pytest.raises(UsageError, match="share"):
        Confirmations(calibration_share=1)
