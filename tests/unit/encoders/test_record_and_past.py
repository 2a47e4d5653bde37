import json

import numpy as np
import pytest
import torch

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.pasts import PRIOR, EntityHistory, PastEncoder, RecordAndPast
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.errors import UsageError

N, D, K = 300, 3, 5


def history(seed=0):
    """Records whose pasts have 0 to K records each, any of the others."""
    rng = np.random.default_rng(seed)
    past = rng.integers(0, N, (N, K))
    past[np.arange(K) >= rng.integers(0, K + 1, (N, 1))] = -1
    return EntityHistory(rng.normal(size=(N, D)), past)


def moved(encoder):
    """An encoder whose every layer matters."""
    generator = torch.Generator().manual_seed(1)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return encoder.eval()


def places(rows):
    return rows.reshape(len(rows), K, 1 + D)


def test_rows_hold_the_record_and_each_of_its_past_records():
    known = history()
    rows = known.rows(np.arange(N))
    for row, numbers in enumerate(rows):
        np.testing.assert_allclose(numbers[:D], known.columns[row], rtol=1e-6)
        for place, of_place in enumerate(places(numbers[None, D:])[0]):
            position = known.past[row, place]
            expected = [0] * (1 + D) if position < 0 else [1, *known.columns[position]]
            np.testing.assert_allclose(of_place, expected, rtol=1e-6)


def test_an_untrained_past_is_the_mean_and_spread_of_its_records_and_of_three_average_ones():
    known = history()
    found = PastEncoder(D, K)(torch.from_numpy(known.pasts(known.past))).detach().numpy()
    for row in range(N):
        held = [known.columns[position] for position in known.past[row] if position >= 0]
        mean = sum(held, start=np.zeros(D)) / (len(held) + PRIOR)
        square = sum(((record - mean) ** 2 for record in held), start=PRIOR * np.ones(D)) / (len(held) + PRIOR)
        np.testing.assert_allclose(found[row], [*mean, *np.sqrt(square)], rtol=1e-4, atol=1e-5)


def test_an_empty_past_is_that_of_the_average_entity():
    nothing = torch.zeros(1, K * (1 + D))
    torch.testing.assert_close(PastEncoder(D, K)(nothing)[0], torch.tensor([0.0] * D + [1.0] * D))
    assert torch.isfinite(moved(PastEncoder(D, K))(nothing)).all()


def test_what_stands_in_an_empty_place_never_matters():
    encoder, known = moved(PastEncoder(D, K)), history()
    pasts = known.pasts(known.past)
    other = places(pasts.copy())
    other[..., 1:][other[..., 0] == 0] = np.nan
    np.testing.assert_array_equal(embed(encoder, other.reshape(N, -1)), embed(encoder, pasts))


def test_the_order_of_the_past_never_matters():
    encoder, pasts = moved(PastEncoder(D, K)), history().pasts(history().past)
    shuffled = places(pasts)[:, np.random.default_rng(0).permutation(K)].reshape(N, -1)
    np.testing.assert_allclose(embed(encoder, shuffled), embed(encoder, pasts), rtol=1e-4, atol=1e-4)


def test_the_size_of_the_set_does_not_matter_where_it_is_not_filled_but_for_its_share():
    encoder, rows = moved(PastEncoder(D, K)), history().pasts(history().past)
    wide = PastEncoder(D, 2 * K)
    wide.load_state_dict(encoder.state_dict())
    padded = np.concatenate([rows, np.zeros_like(rows)], axis=1)
    torch.testing.assert_close(wide.pooled(torch.from_numpy(padded)), encoder.pooled(torch.from_numpy(rows)))


@pytest.mark.parametrize("change", ["record", "past"])
def test_no_tower_sees_what_another_reads(change):
    encoder = moved(RecordAndPast([0, 1, 0], K))
    rows = torch.from_numpy(history().rows(np.arange(N)))
    other = rows.clone()
    other[:, [1] if change == "record" else range(D, rows.shape[1])] += 1
    before, after = encoder(rows), encoder(other)
    same = [0, 1, *range(3, 3 + 2 * D)] if change == "record" else [0, 1, 2]
    moved_columns = [2] if change == "record" else list(range(3, 3 + 2 * D))
    assert torch.equal(before[:, same], after[:, same])
    assert (before[:, moved_columns] != after[:, moved_columns]).any(dim=1).all()


def test_each_part_is_projected_beside_the_past():
    encoder = moved(RecordAndPast([0, 1, 0], K, temperature=0.5, n_projected=4))
    embeddings = encoder(torch.from_numpy(history().rows(np.arange(9))))
    projections = encoder.projections(embeddings).unflatten(1, (2, 2, 4))
    torch.testing.assert_close(projections.square().sum(dim=-1), torch.full((9, 2, 2), 2.0))
    parts, past = (embeddings[:, :2], embeddings[:, 2:3]), embeddings[:, 3:]
    for number, part in enumerate(parts):
        alone = encoder.projections.matched[number](torch.cat([part, past], dim=1))
        torch.testing.assert_close(projections[:, number].flatten(1), alone)


@pytest.mark.parametrize("chunk", [1, 7, 200])
def test_chunks_and_order_change_no_bit(chunk):
    encoder, rows = moved(RecordAndPast([0, 1, 2], K)), history().rows(np.arange(N))
    whole = embed(encoder, rows)
    parts = [embed(encoder, rows[start : start + chunk]) for start in range(0, N, chunk)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(3).permutation(N)
    np.testing.assert_array_equal(embed(encoder, rows[order]), whole[order])


def test_an_encoder_survives_its_state():
    encoder, rows = moved(RecordAndPast([0, 0, 1], K, width=8, depth=0)), history().rows(np.arange(N))
    state = encoder_state(encoder)
    assert json.loads(json.dumps(state["settings"])) == state["settings"]
    again = encoder_from_state(state)
    np.testing.assert_array_equal(embed(again, rows), embed(encoder, rows))
    np.testing.assert_array_equal(embed(again.projections, embed(again, rows)),
                                  embed(encoder.projections, embed(encoder, rows)))


def test_shapes_and_parts_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="same records"):
        EntityHistory(np.ones((4, 2)), np.zeros((3, 2), int))
    with pytest.raises(UsageError, match="numbered from 0"):
        RecordAndPast([0, 2], K)
    with pytest.raises(UsageError, match="set encoder"):
        PastEncoder(D, 0)
