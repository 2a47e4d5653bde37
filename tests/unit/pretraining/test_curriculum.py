import doctest

import pytest
import torch

from anomaly_cl.errors import UsageError
from anomaly_cl.losses.triplet import batch_hard
from anomaly_cl.pretraining import curriculum
from anomaly_cl.pretraining.curriculum import Curriculum, at_reach
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.pretraining.triplet import Triplet, TripletSettings
from anomaly_cl.views.negatives import ClusterNegative, mixed_negatives

ROWS = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
COLUMN_OF = torch.tensor([0, 1, 2, 2])


def test_the_examples_hold():
    assert doctest.testmod(curriculum).failed == 0


def test_numbers_move_to_the_reach_and_categories_keep_their_value():
    negatives = ROWS + torch.tensor([1.0, -2.0, 3.0, 4.0])
    moved = at_reach(negatives, ROWS, COLUMN_OF, 0.5)
    torch.testing.assert_close(moved - ROWS, torch.tensor([0.5, -1.0, 3.0, 4.0]).expand(64, 4))
    torch.testing.assert_close(at_reach(negatives, ROWS, COLUMN_OF, 1.0), negatives)


def module(curriculum):
    made = Triplet.from_settings(COLUMN_OF, TrainingSettings(method=TripletSettings(curriculum=curriculum)), 0)
    made.prepare(ROWS, torch.Generator().manual_seed(1))
    return made


def test_training_goes_from_far_to_near_and_validation_stays_at_the_end(monkeypatch):
    plain = mixed_negatives((ClusterNegative(rate=1.0),), ROWS, module(None).bank, COLUMN_OF,
                            torch.Generator().manual_seed(2))
    made = module(Curriculum(start=3, end=0.5, steps=10))
    for step, training, reach in ((0, True, 3.0), (4, True, 2.0), (10, True, 0.5), (99, True, 0.5), (0, False, 0.5)):
        monkeypatch.setattr(Triplet, "global_step", step)
        made.train(training)
        found = made._against_synthetic(ROWS, torch.Generator().manual_seed(2)).negative
        torch.testing.assert_close(found, at_reach(plain, ROWS, COLUMN_OF, reach))


@pytest.mark.parametrize("wrong", [
    lambda: Curriculum(start=0), lambda: Curriculum(end=float("inf")), lambda: Curriculum(steps=0),
    lambda: Curriculum(start=float("nan")), lambda: TripletSettings(mining=batch_hard, curriculum=Curriculum()),
])
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
