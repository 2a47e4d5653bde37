import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.errors import UsageError
from anomaly_cl.views.cells import nearest
from anomaly_cl.views.negatives import (
    ALL_KINDS,
    ClusterNegative,
    DependencyNegative,
    LocalNegative,
    MarginalNegative,
    mixed_negatives,
    spacing,
    strange_copies,
)

COLUMN_OF = torch.tensor([0, 1, 1, 1, 2, 2, 3, 4])
NUMBERS, BLOCKS = [0, 6, 7], [[1, 2, 3], [4, 5]]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows_of(n, seed=0, width=8):
    return torch.randn(n, width, generator=generator(seed))


@pytest.mark.parametrize("kind", ALL_KINDS, ids=str)
@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_a_negative_keeps_shape_and_type_and_never_its_input(kind, n):
    rows, bank = rows_of(n).double(), rows_of(30, 1).double()
    before = rows.clone(), bank.clone()
    altered = kind(rows, bank, COLUMN_OF, generator())
    assert altered.shape == rows.shape
    assert altered.dtype == rows.dtype
    altered.fill_(99)
    assert torch.equal(rows, before[0])
    assert torch.equal(bank, before[1])


@pytest.mark.parametrize("kind", ALL_KINDS, ids=str)
def test_a_negative_follows_its_generator_and_nothing_else(kind):
    rows, bank = rows_of(50), rows_of(30, 1)
    before = torch.get_rng_state()
    first = kind(rows, bank, COLUMN_OF, generator(1))
    assert torch.equal(first, kind(rows, bank, COLUMN_OF, generator(1)))
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(first, kind(rows, bank, COLUMN_OF, generator(2)))


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(ALL_KINDS), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_a_column_of_several_outputs_only_takes_values_that_a_row_has(kind, n, m, seed):
    rows, bank = rows_of(n, seed), rows_of(m, seed + 1)
    altered = kind(rows, bank, COLUMN_OF, generator(seed))
    for block in BLOCKS:
        known = {tuple(row) for row in torch.cat([rows, bank])[:, block].tolist()}
        assert {tuple(row) for row in altered[:, block].tolist()} <= known


@pytest.mark.parametrize("kind", ALL_KINDS, ids=str)
def test_every_row_is_altered_if_it_has_numbers_only(kind):
    rows, bank = rows_of(200, width=6), rows_of(50, 1, width=6)
    assert (kind(rows, bank, torch.arange(6), generator()) != rows).any(dim=1).all()


@pytest.mark.parametrize("kind", ALL_KINDS, ids=str)
def test_negatives_are_stranger_than_normal_rows(kind):
    hidden = rows_of(400, 5, width=2)
    normal = hidden @ rows_of(2, 6, width=8) + 0.05 * rows_of(400, 7)
    rows, bank = normal[:100], normal[100:]
    altered = kind(rows, bank, torch.arange(8), generator())
    assert spacing(altered, bank).median() > 2 * spacing(rows, bank).median()


@pytest.mark.parametrize("kind", ALL_KINDS, ids=str)
def test_tables_of_one_column_and_of_equal_rows_are_survived(kind):
    for column_of in (torch.zeros(1, dtype=torch.long), torch.zeros(3, dtype=torch.long)):
        rows = torch.ones(9, len(column_of))
        assert torch.isfinite(kind(rows, rows, column_of, generator())).all()


def test_a_local_negative_moves_by_a_multiple_of_the_local_spacing():
    bank = torch.cat([rows_of(60, width=3), 100 + 20 * rows_of(60, 1, width=3)])
    moved = (LocalNegative(1.5, 2.5)(bank, bank, torch.arange(3), generator()) - bank).norm(dim=1)
    slow = [sorted(math.dist(row, other) for other in bank.tolist())[4] for row in bank.tolist()]
    multiple = moved / torch.tensor(slow)
    assert float(multiple.min()) >= 1.49
    assert float(multiple.max()) <= 2.51
    assert moved[60:].min() > moved[:60].median()


def test_columns_take_part_by_the_rate_and_one_at_least():
    rows = rows_of(2000, width=8)
    for kind in (LocalNegative(rate=0.25), MarginalNegative(rate=0.25), DependencyNegative(rate=0.25)):
        altered = kind(rows, rows_of(3000, 1), torch.arange(8), generator()) != rows
        assert altered.any(dim=1).all()
        alone = 0.75**8 / 8  # no column was chosen but the one that must be
        assert altered.double().mean(dim=0).tolist() == pytest.approx([0.25 + alone] * 8, abs=0.04)


def test_a_marginal_negative_fills_the_widened_range_evenly():
    bank = torch.tensor([[0.0, -1.0], [10.0, 1.0]])
    altered = MarginalNegative(rate=1, beyond=0.5)(torch.zeros(4000, 2), bank, torch.arange(2), generator())
    for column, (low, high) in enumerate([(-5, 15), (-2, 2)]):
        counts = torch.histc(altered[:, column], bins=4, min=low, max=high)
        assert counts.sum() == 4000
        assert counts.tolist() == pytest.approx([1000] * 4, rel=0.1)


def test_a_dependency_negative_keeps_the_marginals_and_breaks_the_dependence():
    hidden = rows_of(3000, width=1)
    bank = hidden.expand(-1, 2) + 0.1 * rows_of(3000, 1, width=2)
    altered = DependencyNegative(rate=1)(bank, bank, torch.arange(2), generator())
    assert set(altered[:, 0].tolist()) <= set(bank[:, 0].tolist())
    assert abs(np.corrcoef(altered.T.numpy())[0, 1]) < 0.1
    torch.testing.assert_close(altered.mean(dim=0), bank.mean(dim=0), atol=0.1, rtol=0)


def test_a_cluster_moves_as_one():
    rows = rows_of(80, width=5)
    steps = ClusterNegative(groups=4)(rows, rows, torch.arange(5), generator()) - rows
    found = {tuple(step) for step in np.round(steps.numpy(), 4).tolist()}
    assert len(found) == 4
    one = ClusterNegative(groups=1, rate=1)(rows, rows, torch.arange(5), generator())
    torch.testing.assert_close(torch.pdist(one), torch.pdist(rows), atol=1e-4, rtol=1e-4)


def test_a_cluster_takes_one_value_in_a_column_of_several_outputs():
    rows = rows_of(80)
    altered = ClusterNegative(groups=1, rate=1)(rows, rows, COLUMN_OF, generator())
    for block in BLOCKS:
        assert len(altered[:, block].unique(dim=0)) == 1


def test_spacing_is_the_distance_to_the_fifth_nearest_and_never_zero():
    bank = rows_of(40, 1)
    rows = rows_of(10)
    slow = [sorted(math.dist(row, other) for other in bank.tolist())[4] for row in rows.tolist()]
    assert spacing(rows, bank).squeeze(1).tolist() == pytest.approx(slow, rel=1e-3)
    copies = torch.cat([bank[:1].expand(6, -1), bank])
    assert (spacing(copies, copies) > 0).all()
    assert spacing(torch.ones(7, 2), torch.ones(7, 2)).tolist() == [[1.0]] * 7


def test_nearest_equals_the_loop():
    rows, bank = rows_of(6), rows_of(9, 1)
    for row, found in zip(rows.tolist(), nearest(rows, bank, 4).tolist(), strict=True):
        assert found == sorted(range(9), key=lambda j, row=row: math.dist(row, bank[j].tolist()))[:4]
    assert nearest(rows, bank, 99).shape == (6, 9)


def test_mixed_negatives_share_the_rows_among_the_kinds():
    rows, bank = torch.zeros(10, 3), torch.ones(5, 3)
    kinds = (DependencyNegative(1), MarginalNegative(1, beyond=0))
    altered = mixed_negatives(kinds, rows, bank, torch.arange(3), generator())
    assert altered.shape == rows.shape
    assert (altered == 1).all()
    many = mixed_negatives(ALL_KINDS, rows_of(3), rows_of(9, 1), COLUMN_OF, generator())  # fewer rows than kinds
    assert many.shape == (3, 8)


@pytest.mark.parametrize("kind", ALL_KINDS, ids=str)
def test_arrays_give_what_tensors_give(kind):
    rows, bank = rows_of(20), rows_of(30, 1)
    frozen = rows.numpy().copy()
    frozen.flags.writeable = False
    made = strange_copies(kind, frozen, bank.numpy(), COLUMN_OF.numpy(), seed=3)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, kind(rows, bank, COLUMN_OF, generator(3)).numpy())


@pytest.mark.parametrize("wrong", [
    lambda: LocalNegative(0, 1), lambda: LocalNegative(3, 2), lambda: LocalNegative(rate=1.1),
    lambda: MarginalNegative(rate=-0.1), lambda: MarginalNegative(beyond=-1), lambda: MarginalNegative(beyond=math.nan),
    lambda: DependencyNegative(rate=2), lambda: ClusterNegative(groups=0), lambda: ClusterNegative(most=math.inf),
])
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
