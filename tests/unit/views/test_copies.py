import pytest
import torch

from anomaly_cl.errors import UsageError
from anomaly_cl.views.copies import (
    ALL_COPIES,
    Between,
    Beyond,
    FewCells,
    Levels,
    Noise,
    Scattered,
    Spliced,
    draw_copies,
)

COLUMN_OF = torch.tensor([0, 1, 2, 3, 3, 3, 4])  # numbers, a category of three outputs, a constant


@pytest.fixture
def bank():
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(60, 2, generator=generator)
    counts = torch.randint(0, 4, (60, 1), generator=generator).float()
    category = torch.nn.functional.one_hot(torch.randint(0, 3, (60,), generator=generator), 3).float()
    return torch.cat([numbers, counts, category, torch.ones(60, 1)], dim=1)


def _draw(bank, kind, n=200, seed=1):
    return draw_copies(bank, COLUMN_OF, n, torch.Generator().manual_seed(seed), (kind,))


@pytest.mark.parametrize("kind", ALL_COPIES, ids=lambda kind: type(kind).__name__)
def test_copies_differ_from_their_parents_and_respect_kinds(bank, kind):
    made = _draw(bank, kind)
    assert len(made.rows)
    for parent in bank[made.parents].unbind(dim=1):
        assert (made.rows != parent).any(dim=1).all()
    category = made.rows[:, 3:6]
    assert torch.isin(category, torch.tensor([0.0, 1.0])).all()
    assert (category.sum(dim=1) == 1).all()
    assert (made.rows[:, 6] == 1).all()
    inside = (made.rows[:, 2] > 0) & (made.rows[:, 2] < 3)
    assert torch.isin(made.rows[inside, 2], torch.tensor([1.0, 2.0])).all()


@pytest.mark.parametrize("kind", ALL_COPIES, ids=lambda kind: type(kind).__name__)
def test_the_generator_decides(bank, kind):
    torch.testing.assert_close(_draw(bank, kind).rows, _draw(bank, kind).rows, rtol=0, atol=0)
    assert not torch.equal(_draw(bank, kind).rows[:5], _draw(bank, kind, seed=2).rows[:5])


def test_between_lies_on_the_way_from_one_parent_to_the_other(bank):
    made = _draw(bank, Between(0.3, 0.7))
    one, other = bank[made.parents].unbind(dim=1)
    apart = (other - one)[:, :2]
    share = ((made.rows - one)[:, :2] * apart).sum(dim=1) / apart.square().sum(dim=1).clamp(min=1e-12)
    usable = apart.norm(dim=1) > 0
    assert ((share[usable] > 0.29) & (share[usable] < 0.71)).all()
    torch.testing.assert_close(made.rows[:, :2], one[:, :2] + share.unsqueeze(1) * apart, rtol=1e-3, atol=1e-4)


def test_beyond_lies_on_the_far_side(bank):
    made = _draw(bank, Beyond())
    assert made.rows[:, :2].std() > 1.2 * bank[:, :2].std()


def test_few_cells_change_at_most_so_many_columns_on_average(bank):
    made = _draw(bank, FewCells(1), n=500)
    changed = made.rows != bank[made.parents[:, 0]]
    columns = torch.stack([changed[:, c == COLUMN_OF].any(dim=1) for c in range(5)], dim=1).sum(dim=1)
    assert columns.float().mean() < 2


def test_spliced_cells_are_those_of_either_parent(bank):
    made = _draw(bank, Spliced())
    one, other = bank[made.parents].unbind(dim=1)
    assert ((made.rows == one) | (made.rows == other)).all()


def test_scattered_cells_may_leave_the_range_and_noise_comes_at_many_scales(bank):
    scattered = _draw(bank, Scattered(), n=600).rows[:, 0]
    assert scattered.max() > bank[:, 0].max()
    noise = _draw(bank, Noise(), n=600)
    moved = (noise.rows - bank[noise.parents[:, 0]])[:, :2].abs()
    assert moved[moved > 0].min() < 0.05
    assert moved.max() > 2


def test_a_column_of_many_values_has_no_levels(bank):
    assert set(Levels(bank, COLUMN_OF).of_column) == {2}


def test_all_kinds_share_the_copies_evenly(bank):
    made = draw_copies(bank, COLUMN_OF, 600, torch.Generator().manual_seed(0))
    assert 400 < len(made.rows) <= 600
    assert made.parents.shape == (len(made.rows), 2)


def test_rows_that_are_all_alike_have_no_copies():
    assert not len(draw_copies(torch.ones(9, 3), torch.arange(3), 60, torch.Generator().manual_seed(0)).rows)


def test_a_copy_of_no_cells_cannot_be_meant():
    with pytest.raises(UsageError):
        FewCells(0)
