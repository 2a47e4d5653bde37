import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.pretraining.batches import ShuffledBatches, training_loader, validation_loader
from anomaly_cl.pretraining.pairs import Pairs


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 50), st.integers(2, 20), st.integers(1, 15))
def test_batches_are_full_in_number_and_size_and_hold_no_row_twice(n_rows, batch_size, steps):
    batches = list(ShuffledBatches(n_rows, batch_size, steps, seed=0))
    assert len(batches) == steps
    assert all(len(batch) == len(set(batch.tolist())) == min(batch_size, n_rows) for batch in batches)


def test_a_pass_shows_every_row_once():
    passed = torch.cat(list(ShuffledBatches(60, 20, 3, seed=0)))
    assert sorted(passed.tolist()) == list(range(60))


def test_epochs_differ_and_seeds_repeat_them():
    one, two, other = (ShuffledBatches(60, 20, 3, seed) for seed in (1, 1, 2))
    first, second = list(one), list(one)
    assert not torch.equal(torch.cat(first), torch.cat(second))
    assert torch.equal(torch.cat(first + second), torch.cat(list(two) + list(two)))
    assert not torch.equal(torch.cat(first), torch.cat(list(other)))


def test_loaders_yield_the_rows_of_their_batches():
    rows = torch.arange(30.0).unsqueeze(1).expand(30, 4)
    order = list(ShuffledBatches(30, 8, 5, seed=3))
    for batch, index in zip(training_loader(rows, 8, 5, seed=3), order, strict=True):
        assert torch.equal(batch.rows, rows[index])
        assert batch.pairs is None


def test_pairs_come_along_with_the_very_same_batches_of_rows():
    rows = torch.arange(30.0).unsqueeze(1).expand(30, 4)
    pairs = Pairs(range(6), range(10, 16), [True, False] * 3)
    batches = list(training_loader(rows, 8, 5, seed=3, pairs=pairs))
    for batch, alone in zip(batches, training_loader(rows, 8, 5, seed=3), strict=True):
        assert torch.equal(batch.rows, alone.rows)
        left, right, same = batch.pairs
        assert sorted(left[:, 0].tolist()) == list(range(6))  # fewer than a batch: all of them each time
        assert torch.equal(right, left + 10)
        assert torch.equal(same, left[:, 0] % 2 == 0)


def test_more_pairs_than_a_batch_take_turns():
    pairs = Pairs(range(20), range(1, 21), [1] * 20)
    batches = list(training_loader(torch.arange(30.0).unsqueeze(1), 5, 4, seed=3, pairs=pairs))
    assert sorted(torch.cat([batch.pairs.left for batch in batches])[:, 0].tolist()) == list(range(20))


@pytest.mark.parametrize("n", [1, 8, 9, 17, 100])
def test_validation_shows_every_row_once_in_batches_of_nearly_equal_size(n):
    rows = torch.arange(float(n)).unsqueeze(1)
    batches = [batch.rows for batch in validation_loader(rows, 8)]
    assert torch.equal(torch.cat(batches), rows)
    assert max(map(len, batches)) <= 8
    assert min(map(len, batches)) >= min(n, 8) // 2
