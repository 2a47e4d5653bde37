import numpy as np
import pytest
import torch

from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.errors import UsageError
from anomaly_cl.pretraining.fit import TrainingSettings, embed, pretrain
from anomaly_cl.pretraining.neighbours import Neighbours, NeighboursSettings


def rows_on_a_line(n, seed=0):
    """Two columns that follow a third, and one of noise, in three spaces that are all the same."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 1))
    rows = np.hstack([hidden, -hidden, hidden, rng.normal(size=(n, 1))]) + 0.05 * rng.normal(size=(n, 4))
    return np.tile(rows, 3).astype(np.float32)


ROWS, HELD_OUT = rows_on_a_line(400), rows_on_a_line(60, 1)
COLUMN_OF = np.tile(np.arange(4), 3)


@pytest.fixture(scope="module")
def trained():
    settings = TrainingSettings(max_steps=120, steps_per_epoch=40)
    return pretrain("neighbours", ROWS, HELD_OUT, COLUMN_OF, seed=0, settings=settings)


def _module(rows=ROWS, **own):
    settings = TrainingSettings(method=NeighboursSettings(**own))
    module = Neighbours.from_settings(torch.tensor(COLUMN_OF), settings, 0)
    module.prepare(torch.tensor(rows), torch.Generator().manual_seed(0))
    return module


def test_the_metrics_leave_raw_geometry_for_one_where_broken_dependencies_are_farther(trained):
    new, rng = rows_on_a_line(200, 2), np.random.default_rng(3)
    broken = new.copy()
    broken[:, [1, 5, 9]] = rng.permutation(new[:, 1])[:, None]

    def farther(bank, normal, strange):
        distance = [np.sort(np.linalg.norm(part[:, None] - bank, axis=2), axis=1)[:, :3].mean(axis=1)
                    for part in (normal, strange)]
        return float(np.median(np.log(distance[1])) - np.median(np.log(distance[0])))

    learned = farther(*(embed(trained.encoder, part) for part in (ROWS, new, broken)))
    assert learned > 1.1 * farther(ROWS, new, broken)


def test_the_encoder_is_the_mean_of_the_later_weights_and_no_epoch_is_chosen(trained):
    assert isinstance(trained.encoder, SpaceMetrics)
    assert trained.best_epoch is None
    assert len(trained.history) == 3
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]


def test_a_row_is_left_out_of_its_own_neighbours():
    module, generator = _module(), torch.Generator().manual_seed(1)
    rows, positions = torch.tensor(ROWS[:64]), torch.arange(64)
    as_bank = module._ratio_loss(rows, positions, generator)
    as_strangers = module._ratio_loss(rows, None, torch.Generator().manual_seed(1))
    assert as_strangers < as_bank  # a row that meets itself is near


def test_a_small_bank_is_drawn_anew_each_step():
    module, generator = _module(bank_rows=50), torch.Generator().manual_seed(1)
    rows = torch.tensor(HELD_OUT)
    assert module._ratio_loss(rows, None, generator) != module._ratio_loss(rows, None, generator)


def test_few_rows_hold_the_metrics_near_raw_geometry():
    def moved(n, prior):
        settings = TrainingSettings(max_steps=30, method=NeighboursSettings(prior=prior))
        rows = ROWS[:n]
        return np.abs(embed(pretrain("neighbours", rows, HELD_OUT, COLUMN_OF, seed=0, settings=settings).encoder,
                            HELD_OUT) - HELD_OUT).mean()

    assert moved(30, 360.0) < 0.5 * moved(30, 0.0)


def test_wide_rows_take_fewer_steps_and_copies():
    settings = TrainingSettings(method=NeighboursSettings(wide=2))
    assert Neighbours.steps_for(settings, 12) == 60
    assert Neighbours.steps_for(TrainingSettings(), 12) == 120
    assert sum(len(made.rows) for made in _module(wide=2).copies) < sum(len(made.rows) for made in _module().copies)


def test_widths_that_are_not_of_three_spaces_are_refused():
    with pytest.raises(UsageError, match="spaces"):
        pretrain("neighbours", ROWS[:, :4], HELD_OUT[:, :4], COLUMN_OF[:4], seed=0)
