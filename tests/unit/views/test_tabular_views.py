import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.errors import UsageError
from anomaly_cl.views.tabular import Compose, DropColumns, GaussianNoise, MaskCells, MixNeighbour, ResampleCells

ALL = [
    GaussianNoise(0.3), ResampleCells(0.5), MaskCells(0.5), DropColumns(0.5), MixNeighbour(0.5),
    Compose((ResampleCells(0.5), GaussianNoise(0.1))), Compose(),
]
COLUMN_OF = torch.tensor([0, 1, 1, 1, 2, 2, 3])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def labelled_rows(n, column_of):
    """Rows whose every value tells its row (integer part) and its output (fraction, never 0)."""
    width = len(column_of)
    return torch.arange(n, dtype=torch.float64).unsqueeze(1) + (torch.arange(width) + 1) / (width + 1)


@pytest.mark.parametrize("view", ALL, ids=str)
@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_a_view_keeps_shape_and_type_and_never_its_input(view, n):
    rows = torch.randn(n, 7, generator=generator(3))
    before = rows.clone()
    altered = view(rows, COLUMN_OF, generator())
    assert altered.shape == rows.shape
    assert altered.dtype == rows.dtype
    altered.fill_(99)
    assert torch.equal(rows, before)


@pytest.mark.parametrize("view", ALL, ids=str)
def test_a_view_follows_its_generator_and_nothing_else(view):
    rows = torch.randn(50, 7, generator=generator(3))
    before = torch.get_rng_state()
    first = view(rows, COLUMN_OF, generator(1))
    assert torch.equal(first, view(rows, COLUMN_OF, generator(1)))
    assert torch.equal(before, torch.get_rng_state())
    if view != Compose():
        assert not torch.equal(first, view(rows, COLUMN_OF, generator(2)))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 30), st.lists(st.integers(0, 4), min_size=1, max_size=9), st.floats(0, 1), st.integers(0, 99))
def test_all_outputs_of_a_column_come_from_one_donor_row(n, columns, rate, seed):
    column_of = torch.tensor(columns)
    rows = labelled_rows(n, column_of)
    altered = ResampleCells(rate)(rows, column_of, generator(seed))
    donors = altered.floor()
    for column in set(columns):
        of_column = donors[:, column_of == column]
        assert (of_column == of_column[:, :1]).all()
    torch.testing.assert_close(altered - donors, (rows - rows.floor()))  # a value never changes its output


def test_a_donor_is_another_row_and_every_other_row_may_be_it():
    column_of = torch.arange(200)
    altered = ResampleCells(1.0)(labelled_rows(5, column_of), column_of, generator())
    for row, donors in enumerate(altered.floor()):
        assert set(donors.tolist()) == set(range(5)) - {row}


def test_columns_of_a_row_have_their_own_donors():
    column_of = torch.arange(10)
    donors = ResampleCells(1.0)(labelled_rows(50, column_of), column_of, generator()).floor()
    assert (donors != donors[:, :1]).any(dim=1).all()


@pytest.mark.parametrize("view", [ResampleCells(0.3), MaskCells(0.3)])
def test_the_rate_is_the_share_of_altered_cells(view):
    rows = labelled_rows(4000, COLUMN_OF)
    altered = view(rows, COLUMN_OF, generator()) != rows
    assert altered.double().mean(dim=0).tolist() == pytest.approx([0.3] * 7, abs=0.03)


@pytest.mark.parametrize("kind", [ResampleCells, MaskCells])
def test_rates_of_none_and_all(kind):
    rows = labelled_rows(20, COLUMN_OF)
    assert torch.equal(kind(0)(rows, COLUMN_OF, generator()), rows)
    assert (kind(1)(rows, COLUMN_OF, generator()) != rows).all()


def test_a_row_alone_has_no_donor():
    rows = labelled_rows(1, COLUMN_OF)
    assert torch.equal(ResampleCells(1)(rows, COLUMN_OF, generator()), rows)


def test_masked_columns_are_zero_as_a_whole():
    altered = MaskCells(0.5)(labelled_rows(50, COLUMN_OF) + 1, COLUMN_OF, generator()) == 0
    for column in range(4):
        of_column = altered[:, column == COLUMN_OF]
        assert (of_column == of_column[:, :1]).all()
    assert altered.any()


def test_dropped_columns_are_the_same_in_all_rows_and_one_is_kept():
    for seed in range(30):
        dropped = DropColumns(0.9)(labelled_rows(50, COLUMN_OF) + 1, COLUMN_OF, generator(seed)) == 0
        assert (dropped == dropped[:1]).all()
        assert not dropped.all()
        assert len({dropped[0, i].item() for i in (1, 2, 3)}) == len({dropped[0, i].item() for i in (4, 5)}) == 1
    assert torch.equal(DropColumns(0)(labelled_rows(5, COLUMN_OF), COLUMN_OF, generator()), labelled_rows(5, COLUMN_OF))


def test_a_mixed_row_lies_between_itself_and_a_near_row():
    rows, column_of = torch.randn(60, 4, generator=generator(3), dtype=torch.float64), torch.arange(4)
    mixed = MixNeighbour(0.5, neighbours=3)(rows, column_of, generator())
    for i, row in enumerate(mixed):
        near = sorted(range(60), key=lambda j, i=i: float((rows[j] - rows[i]).norm()))[1:4]
        shares = [((row - rows[i]) / (rows[j] - rows[i])).tolist() for j in near]
        assert any(max(share) - min(share) < 1e-6 and 0 <= share[0] <= 0.5 for share in shares)


def test_mixing_takes_columns_of_several_outputs_whole():
    rows = labelled_rows(40, COLUMN_OF)
    mixed = MixNeighbour(1.0)(rows, COLUMN_OF, generator())
    for block in ([1, 2, 3], [4, 5]):
        known = {tuple(values) for values in rows[:, block].tolist()}
        assert {tuple(values) for values in mixed[:, block].tolist()} <= known
    assert torch.equal(MixNeighbour(0)(rows, COLUMN_OF, generator()), rows)


@pytest.mark.parametrize("wrong", [{"strength": -0.1}, {"strength": 1.1}, {"strength": math.nan}, {"neighbours": 0}])
def test_a_mix_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(UsageError, match="neighbour"):
        MixNeighbour(**wrong)


def test_noise_has_its_scale():
    added = GaussianNoise(0.3)(torch.zeros(5000, 7), COLUMN_OF, generator())
    assert float(added.std()) == pytest.approx(0.3, rel=0.03)
    assert float(added.mean()) == pytest.approx(0, abs=0.01)


def test_composed_views_act_one_after_the_other_on_one_generator():
    rows = torch.randn(20, 7, generator=generator(3))
    one, two = ResampleCells(0.5), GaussianNoise(0.1)
    running = generator(1)
    expected = two(one(rows, COLUMN_OF, running), COLUMN_OF, running)
    assert torch.equal(Compose((one, two))(rows, COLUMN_OF, generator(1)), expected)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
@pytest.mark.parametrize("kind", [ResampleCells, MaskCells, DropColumns])
def test_rates_outside_0_to_1_are_refused(kind, value):
    with pytest.raises(UsageError, match="share"):
        kind(value)


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_a_scale_that_cannot_be_meant_is_refused(value):
    with pytest.raises(UsageError, match="scale"):
        GaussianNoise(value)
