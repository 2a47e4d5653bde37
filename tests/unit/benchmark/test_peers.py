from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from anomaly_cl.errors import InputError
from apps.benchmark.peers.icl import ICL, WindowMatch, window_width
from apps.benchmark.peers.neutral import NeuTraL, deterministic_contrastive_loss
from apps.benchmark.peers.slad import SLAD, alignment_loss, column_weights, random_groups
from apps.benchmark.peers.training import LossDetector


def related_rows(n: int, seed: int) -> np.ndarray:
    """Rows (n, 6) of two hidden causes."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ np.random.default_rng(0).normal(size=(2, 6)) + 0.05 * rng.normal(size=(n, 6))


@pytest.fixture(scope="module", params=[ICL, NeuTraL, SLAD])
def fitted(request: pytest.FixtureRequest) -> LossDetector:
    return request.param(seed=0, epochs=1, least_steps=150).fit(related_rows(200, 1))


def test_broken_rows_are_stranger(fitted: LossDetector) -> None:
    normal, broken = related_rows(100, 2), 3 * related_rows(100, 3)
    broken = np.random.default_rng(4).permuted(broken, axis=0)  # each column by itself: what belongs together is parted
    scores = fitted.decision_function(np.r_[normal, broken])
    assert np.isfinite(scores).all()
    assert roc_auc_score(np.repeat([0, 1], 100), scores) > 0.7


def test_rows_do_not_see_each_other(fitted: LossDetector) -> None:
    rows = related_rows(20, 2)
    np.testing.assert_allclose(fitted.decision_function(rows)[:3], fitted.decision_function(rows[:3]), rtol=1e-4)


def test_a_seed_gives_the_same_scores_and_leaves_the_global_generator(fitted: LossDetector) -> None:
    state = torch.random.get_rng_state()
    again = type(fitted)(seed=0, epochs=1, least_steps=150).fit(related_rows(200, 1))
    rows = related_rows(20, 2)
    np.testing.assert_array_equal(again.decision_function(rows), fitted.decision_function(rows))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_deterministic_contrastive_loss_equals_the_double_loop() -> None:
    z = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = deterministic_contrastive_loss(z, 0.5)
    for i in range(3):
        def h(a: int, b: int, row: torch.Tensor = z[i]) -> float:
            return math.exp(float(row[a] @ row[b] / row[a].norm() / row[b].norm()) / 0.5)
        slow = sum(-math.log(h(k, 0) / (h(k, 0) + sum(h(k, m) for m in range(1, 4) if m != k))) for k in range(1, 4))
        assert float(found[i]) == pytest.approx(slow)


def test_windows_and_complements_make_up_the_row() -> None:
    match = WindowMatch(7, 3)
    assert match.window.tolist()[1] == [1, 2, 3]
    assert match.complement.tolist()[1] == [0, 4, 5, 6]
    assert len(match.window) == 5


def test_window_width_follows_the_columns() -> None:
    assert [window_width(n) for n in (3, 40, 41, 160, 161, 1_555)] == [2, 2, 10, 10, 11, 1_405]


def test_icl_needs_three_columns() -> None:
    with pytest.raises(InputError, match="three columns"):
        ICL().fit(np.zeros((20, 2)))


def test_alignment_loss_equals_its_definition() -> None:
    p, q = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.3, 0.3, 0.4]])
    m = (p + q) / 2
    slow = sum((m * (m.log() - side.softmax(dim=1).log())).sum() for side in (p, q))
    assert float(alignment_loss(p, q)) == pytest.approx(float(slow), rel=1e-5)
    assert torch.isfinite(alignment_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]]))).all()


def test_scales_are_the_weights_of_the_projected_columns() -> None:
    weights = torch.linspace(0.1, 1, 12)
    projections, scales = random_groups(weights, torch.Generator().manual_seed(0))
    assert projections.shape == (20, 10, 12, 128)
    taken = (projections != 0).any(dim=-1).float()
    torch.testing.assert_close(scales, taken @ weights / 128)


def test_a_constant_column_weighs_nothing() -> None:
    rows = torch.tensor(related_rows(50, 0), dtype=torch.float32)
    rows[:, 2] = 0
    weights = column_weights(rows)
    assert weights[2] == 0
    assert weights.max() == 1
    assert torch.equal(column_weights(torch.zeros(5, 60)), torch.ones(60))
