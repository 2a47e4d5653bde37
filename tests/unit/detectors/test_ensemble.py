import numpy as np

from anomaly_cl.detectors.ensemble import Contrasted, HeadEnsemble, SpaceHead, default_heads
from anomaly_cl.scoring.distances import KNNHead, TailHead
from anomaly_cl.scoring.fusion import Surprise
from anomaly_cl.table.split import Roles


def _spaces(rows):
    return {"standard": rows, "robust": np.arcsinh(rows), "rank": rows ** 3, "tails": rows.astype(float)}


def _roles(n_rows, n_held_out, n_calibration=0):
    return Roles(*np.split(np.arange(n_rows), [n_rows - n_held_out - n_calibration, n_rows - n_calibration]))


def _fitted(rows, roles):
    return HeadEnsemble(default_heads(Contrasted())).fit(_spaces(rows), roles, np.ones(rows.shape[1], bool))


def test_the_score_is_the_root_mean_square_of_surprises_by_hand():
    rng = np.random.default_rng(0)
    bank, new = rng.normal(size=(200, 3)), rng.normal(size=(20, 3)) * 2
    roles = _roles(200, 40, 30)
    heads = {"knn": SpaceHead("standard", KNNHead(k=3)), "tails": SpaceHead("tails", TailHead(), weight=0.5)}
    ensemble = HeadEnsemble(heads).fit(_spaces(bank), roles, np.ones(3, bool))
    apart = np.sqrt(np.square(bank[:, None] - bank).sum(axis=2)) + np.diag(np.full(200, np.inf))
    own = np.sort(apart, axis=1)[:, :3].mean(axis=1)
    distances = np.sort(np.sqrt(np.square(new[:, None] - bank).sum(axis=2)), axis=1)[:, :3].mean(axis=1)
    tails = TailHead().fit(bank[roles.reference], np.ones(3, bool))
    by_hand = np.sqrt((Surprise().fit(own[:170])(distances) ** 2
                       + 0.5 * Surprise().fit(tails.distances(bank[roles.held_out]))(tails.distances(new)) ** 2) / 1.5)
    np.testing.assert_allclose(ensemble.score(_spaces(new)), by_hand)
    parts = ensemble.surprises(_spaces(new))
    np.testing.assert_allclose(np.sqrt((parts["knn"] ** 2 + 0.5 * parts["tails"] ** 2) / 1.5), by_hand)


def test_a_state_gives_the_same_scores():
    rng = np.random.default_rng(1)
    bank, new = rng.normal(size=(100, 4)), rng.normal(size=(30, 4))
    ensemble = _fitted(bank, _roles(100, 20))
    twin = HeadEnsemble.from_state(ensemble.to_state())
    np.testing.assert_array_equal(twin.score(_spaces(new)), ensemble.score(_spaces(new)))
    np.testing.assert_array_equal(twin.leave_one_out(_spaces(bank)), ensemble.leave_one_out(_spaces(bank)))


def test_fitting_leaves_the_given_heads_unfitted():
    head = KNNHead(k=3)
    HeadEnsemble({"knn": SpaceHead("standard", head)}).fit(_spaces(np.eye(9)), _roles(9, 2), np.ones(9, bool))
    assert not hasattr(head, "bank_")
