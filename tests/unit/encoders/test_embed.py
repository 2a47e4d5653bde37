import numpy as np
import pytest
import torch

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import UsageError

WIDTHS = (3, 17, 64, 300)


def encoder_of(width: int, n_outputs: int | None = None) -> ResidualMLP:
    """An encoder whose every layer matters."""
    with torch.random.fork_rng():
        torch.manual_seed(width)
        encoder = ResidualMLP(width, n_outputs)
        torch.nn.init.normal_(encoder.last.weight)
    return encoder.eval()


def rows_of(n: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("chunk", "n"), [(1, 20), (7, 100), (200, 700), (1000, 1100)])
def test_chunks_give_the_same_bits(width, chunk, n, threads):
    encoder, rows = encoder_of(width), rows_of(n, width)
    parts = [embed(encoder, rows[start : start + chunk]) for start in range(0, len(rows), chunk)]
    np.testing.assert_array_equal(np.concatenate(parts), embed(encoder, rows))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_order_of_rows_does_not_matter_to_the_last_bit(width, threads):
    encoder, rows = encoder_of(width, n_outputs=64), rows_of(700, width)
    whole = embed(encoder, rows)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        np.testing.assert_array_equal(embed(encoder, rows[order]), whole[order])


@pytest.mark.parametrize("width", WIDTHS)
def test_the_number_of_threads_changes_no_bit(width):
    encoder, rows, before = encoder_of(width), rows_of(300, width), torch.get_num_threads()
    found = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        found.append(embed(encoder, rows))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_huge_neighbour_changes_no_bit(width, threads):
    encoder, rows = encoder_of(width), rows_of(20, width)
    whole = embed(encoder, rows)
    rows[7] = 1e6
    np.testing.assert_array_equal(np.delete(embed(encoder, rows), 7, axis=0), np.delete(whole, 7, axis=0))


def test_embeddings_are_those_of_the_encoder():
    encoder, rows = encoder_of(17), rows_of(700, 17)
    expected = encoder(torch.from_numpy(rows)).detach().numpy()
    found = embed(encoder, rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_no_rows_give_no_embeddings():
    assert embed(encoder_of(3, n_outputs=5), rows_of(0, 3)).shape == (0, 5)


def test_read_only_and_strided_rows_are_fine_and_stay_as_they_are():
    rows = np.asfortranarray(rows_of(30, 6))[::2]
    before = rows.copy()
    rows.flags.writeable = False
    np.testing.assert_array_equal(embed(encoder_of(6), rows), embed(encoder_of(6), before))
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("rows", [np.zeros((2, 4), np.float32), np.zeros(3, np.float32)])
def test_rows_of_another_width_are_refused(rows):
    with pytest.raises(UsageError, match=r"shape \(n, 3\)"):
        embed(encoder_of(3), rows)
