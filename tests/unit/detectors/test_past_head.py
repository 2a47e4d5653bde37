import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from anomaly_cl.detectors.artifact import load_model, save_model
from anomaly_cl.detectors.past_head import PastHead
from anomaly_cl.encoders.pasts import EntityHistory, RecordAndPast
from anomaly_cl.errors import ModelError, UsageError
from anomaly_cl.features.last_records import LastRecords
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.scoring.peers import peer_amounts, peers

N_ENTITIES, EACH, K = 150, 16, 8
COLUMN_OF, TWO_SIDED = np.array([0, 1, 1]), np.array([True, False])
SHORT = TrainingSettings(max_steps=200, patience=20, encoder_width=32)


def world(seed=0):
    """Entities with a level of their own (column 0) and one of two categories (column 1), out of character at times.

    Strange records have another entity's level and category: values that are usual, but not for this entity.
    """
    rng = np.random.default_rng(seed)
    entity = np.repeat(np.arange(N_ENTITIES), EACH)
    level, category = rng.normal(size=N_ENTITIES), rng.integers(0, 2, N_ENTITIES)
    strange = (rng.random(len(entity)) < 0.05) & (np.arange(len(entity)) % EACH > 10)
    of = np.where(strange, (entity + N_ENTITIES // 2) % N_ENTITIES, entity)
    amount = 0.9 * level[of] + 0.2 * rng.normal(size=len(entity))
    columns = np.column_stack([amount, np.eye(2)[category[of]]])
    past = LastRecords(entity, np.arange(len(entity)), np.zeros(len(entity), int)).before_rows(K)
    return EntityHistory(columns.astype(np.float32), past), np.column_stack([amount, np.full(len(of), 0.7)]), strange


HISTORY, TAILS, STRANGE = world()
NORMAL = np.flatnonzero(~STRANGE)
ROWS = np.flatnonzero(np.arange(len(STRANGE)) % EACH > 10)


def fitted(history=HISTORY, reference=NORMAL[::2], held_out=NORMAL[1::4], tails=TAILS, **settings):
    head = PastHead(**({"training": SHORT} | settings))
    return head.fit(history, tails, COLUMN_OF, TWO_SIDED, reference=reference, held_out=held_out,
                    rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def head():
    return fitted()


def test_what_is_out_of_character_is_strange_though_it_is_usual_for_others(head):
    marginal = head.marginals_.per_column(TAILS[ROWS]).max(axis=1)
    assert roc_auc_score(STRANGE[ROWS], head.distances(HISTORY, TAILS[ROWS], ROWS)) > 0.85
    assert roc_auc_score(STRANGE[ROWS], marginal) < 0.65
    assert (head.information_ > 0.3).all()


def test_what_is_rare_for_everybody_is_strange_too(head):
    far = EntityHistory(HISTORY.columns.copy(), HISTORY.past)
    far.columns[ROWS[0], 0] = 9
    tails = TAILS[ROWS].copy()
    tails[0, 0] = 9
    found = head.distances(far, tails, ROWS)
    assert found[0] > np.quantile(found[1:], 0.95)


def test_a_record_without_a_past_has_its_marginal_surprise_only(head):
    first = np.flatnonzero(HISTORY.past[:, 0] < 0)
    expected = [head.fusion_.heads_[name](column) for name, column in
                zip(head.fusion_.heads_, head.marginals_.per_column(TAILS[first]).T, strict=True)]
    assert_array_equal(head.per_column(HISTORY, TAILS[first], first), np.column_stack(expected))


def test_surprise_is_minus_the_information_plus_the_marginal_on_one_scale(head):
    rows = ROWS[:40]
    nats = head.marginals_.per_column(TAILS[rows])
    for column, part in enumerate(head._matched(HISTORY, rows)):
        nats[:, column] += head.mismatches_[column].distances(part)
    names = list(head.fusion_.heads_)
    slow = [[float(head.fusion_.heads_[name](nats[row:row + 1, column])[0]) for column, name in enumerate(names)]
            for row in range(len(rows))]
    assert_allclose(head.per_column(HISTORY, TAILS[rows], rows), slow)
    assert_allclose(head.distances(HISTORY, TAILS[rows], rows), np.sqrt(np.mean(np.square(slow), axis=1)))


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_a_record_does_not_see_the_others(head, chunk):
    whole = head.distances(HISTORY, TAILS[ROWS], ROWS)
    parts = [head.distances(HISTORY, TAILS[ROWS[i:i + chunk]], ROWS[i:i + chunk]) for i in range(0, len(ROWS), chunk)]
    assert_array_equal(np.concatenate(parts), whole)
    assert len(np.unique(whole)) > 0.9 * len(whole)
    assert head.distances(HISTORY, TAILS[:0], ROWS[:0]).shape == (0,)


def test_later_records_never_matter(head):
    changed = EntityHistory(HISTORY.columns.copy(), HISTORY.past)
    rows = np.arange(0, len(STRANGE), EACH) + 9
    later = np.arange(len(STRANGE)) % EACH > 9
    changed.columns[later] = np.nan
    assert_array_equal(head.distances(changed, TAILS[rows], rows), head.distances(HISTORY, TAILS[rows], rows))


def test_entities_that_behave_alike_have_near_embeddings(head):
    latest = LastRecords(np.repeat(np.arange(N_ENTITIES), EACH), np.arange(len(STRANGE)), np.zeros(len(STRANGE), int))
    half = latest.before_instants(np.arange(N_ENTITIES), np.arange(N_ENTITIES) * EACH + 8, K)
    other = latest.before_instants(np.arange(N_ENTITIES), np.arange(N_ENTITIES) * EACH + 11, K)
    other[:, 3:] = -1  # the records that the first half has too
    first, second = head.embed_pasts(HISTORY, half), head.embed_pasts(HISTORY, other)
    assert first.shape == (N_ENTITIES, 6)
    own = np.linalg.norm(first - second, axis=1)
    to_others = np.linalg.norm(first[:, None] - second[None], axis=2)
    assert np.median((to_others < own[:, None]).mean(axis=1)) < 0.15
    assert head.embed_pasts(HISTORY, half[:0]).shape == (0, 6)


def test_a_record_is_compared_with_what_its_entity_s_peers_did_before_it(head):
    entity, instants = np.repeat(np.arange(N_ENTITIES), EACH), np.tile(np.arange(EACH), N_ENTITIES)
    last = LastRecords(entity, instants, np.zeros(len(entity), int))
    past = last.before_instants(np.arange(N_ENTITIES), np.full(N_ENTITIES, 11), K)
    near = peers(head.embed_pasts(HISTORY, past), (past >= 0).sum(axis=1), 5)
    rows, amounts = ROWS[::EACH], HISTORY.columns[:, 0].copy()

    def found():
        records = last.before_instants(near[entity[rows]].ravel(), np.repeat(instants[rows], 5), K)
        return peer_amounts(amounts, records.reshape(len(rows), 5, K))

    now = found()
    normal = ~STRANGE[rows]
    usual = np.median(np.abs(now.deviations(amounts[rows]))[normal])
    amounts[instants >= instants[rows].max()] = 1e6
    assert_array_equal(found().location, now.location)
    shuffled = np.roll(near, 7, axis=0)
    others = last.before_instants(shuffled[entity[rows]].ravel(), np.repeat(instants[rows], 5), K)
    of_others = peer_amounts(HISTORY.columns[:, 0], others.reshape(len(rows), 5, K))
    assert usual < np.median(np.abs(of_others.deviations(HISTORY.columns[rows, 0]))[normal]) / 2


def test_a_model_folder_gives_the_same_scores(head, tmp_path):
    save_model(tmp_path / "model", head.to_state(), {})
    again = PastHead.from_state(load_model(tmp_path / "model")[0])
    assert_array_equal(again.distances(HISTORY, TAILS[ROWS], ROWS), head.distances(HISTORY, TAILS[ROWS], ROWS))
    assert_array_equal(again.embed_pasts(HISTORY, HISTORY.past), head.embed_pasts(HISTORY, HISTORY.past))
    assert again.history_ == head.history_


def test_without_pasts_there_is_nothing_to_contrast_and_the_tails_are_left():
    nothing = EntityHistory(HISTORY.columns, np.full_like(HISTORY.past, -1))
    head = fitted(nothing)
    assert "at least" in head.untrained_because_
    found = head.distances(nothing, TAILS[ROWS], ROWS)
    assert np.isfinite(found).all()
    assert_array_equal(PastHead.from_state(head.to_state()).distances(nothing, TAILS[ROWS], ROWS), found)


def test_a_seed_repeats_the_fit_and_only_so_many_rows_are_trained_on():
    first, second = fitted(training_rows=300), fitted(training_rows=300)
    assert_array_equal(first.distances(HISTORY, TAILS[ROWS], ROWS), second.distances(HISTORY, TAILS[ROWS], ROWS))
    assert len(first.mismatches_[0].bank_) == 300


def test_tails_of_another_shape_and_networks_of_another_class_are_refused(head):
    with pytest.raises(UsageError, match="tail for each"):
        head.distances(HISTORY, TAILS, ROWS)
    state = head.to_state()
    tower = state["network"] | {"encoder": "ResidualMLP", "settings": {"n_inputs": 2}, "weights": {}}
    with pytest.raises(ModelError):
        PastHead.from_state(state | {"network": tower})
    assert isinstance(head.network_, RecordAndPast)
