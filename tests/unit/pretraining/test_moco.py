import numpy as np
import pytest
import torch

from anomaly_cl.pretraining.batches import Batch
from anomaly_cl.pretraining.moco import MoCo, MoCoSettings
from anomaly_cl.pretraining.settings import TrainingSettings

COLUMN_OF = torch.arange(4)
SMALL = TrainingSettings(encoder_width=16, encoder_depth=1, method=MoCoSettings(queue_size=20, momentum=0.9))


def rows_of(n, seed=0):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def module():
    torch.manual_seed(0)
    module = MoCo.from_settings(COLUMN_OF, SMALL, seed=0)
    module.prepare(rows_of(50), torch.Generator().manual_seed(1))
    return module


def step(module, rows, seed=0):
    module.contrastive_loss(rows, torch.Generator().manual_seed(seed)).backward()
    with torch.no_grad():
        for parameter in [*module.encoder.parameters(), *module.head.parameters()]:
            parameter.add_(0.1)
    module.on_train_batch_end(None, Batch(rows, torch.arange(len(rows))), 0)


def test_the_key_network_follows_slowly_and_learns_nothing_itself(module):
    before = [parameter.clone() for parameter in module.key_network.parameters()]
    step(module, rows_of(8, 1))
    for old, slow in zip(before, module.key_network.parameters(), strict=True):
        torch.testing.assert_close(slow, old + 0.01)
        assert slow.grad is None


def test_the_newest_keys_push_out_the_oldest(module):
    rows, queue = rows_of(50), module.queue.clone()
    step(module, rows[:8])
    assert module.queue.shape == (20, module.queue.shape[1])
    assert torch.equal(module.queue[8:], queue[:12])
    assert torch.equal(module.queue_rows[:8], rows[:8])
    torch.testing.assert_close(module.queue.norm(dim=1), torch.ones(20))


def test_the_queue_holds_no_more_rows_than_there_are():
    module = MoCo.from_settings(COLUMN_OF, SMALL, seed=0)
    module.prepare(rows_of(9), torch.Generator().manual_seed(1))
    assert len(module.queue) == len(module.queue_rows) == 9
    assert len(np.unique(module.queue_rows.numpy(), axis=0)) == 9


def test_looking_at_held_out_rows_leaves_the_queue_alone(module):
    queue = module.queue.clone()
    module.contrastive_loss(rows_of(8, 1), torch.Generator())
    assert torch.equal(module.queue, queue)


def test_keys_of_the_rows_of_the_batch_are_no_negatives(module):
    rows = rows_of(50)[:8]
    loss = module.contrastive_loss(rows, torch.Generator().manual_seed(0))
    module.queue = torch.cat([module.queue, torch.nn.functional.normalize(rows_of(1, 5) @ torch.ones(4, 64))])
    module.queue_rows = torch.cat([module.queue_rows, rows[:1]])
    other = module.contrastive_loss(rows[:1], torch.Generator().manual_seed(0))
    assert torch.isfinite(loss)
    module.queue, module.queue_rows = module.queue[:-1], module.queue_rows[:-1]
    torch.testing.assert_close(module.contrastive_loss(rows[:1], torch.Generator().manual_seed(0)), other)
