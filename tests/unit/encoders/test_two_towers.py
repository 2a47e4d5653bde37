import json

import numpy as np
import pytest
import torch

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.encoders.towers import TwoTowers
from anomaly_cl.errors import UsageError


def moved(encoder):
    for tower in (encoder.tower_a, encoder.tower_b):
        torch.nn.init.normal_(tower.last.weight)
    return encoder.eval()


def rows_of(n):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(0))


def test_an_untrained_encoder_only_orders_the_inputs_by_tower():
    rows = rows_of(7)
    torch.testing.assert_close(TwoTowers(5, [3, 0])(rows), rows[:, [3, 0, 1, 2, 4]])


def test_a_tower_does_not_see_the_inputs_of_the_other():
    encoder, rows = moved(TwoTowers(5, [0, 3])), rows_of(7)
    other = rows.clone()
    other[:, [1, 2, 4]] += 1
    before, after = encoder.towers(rows), encoder.towers(other)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    assert torch.equal(encoder(rows), torch.cat(before, dim=1))


@pytest.mark.parametrize(("n_outputs", "widths"), [(None, (2, 3)), (7, (3, 4)), (2, (1, 1))])
def test_outputs_are_shared_out_and_survive_the_state(n_outputs, widths):
    encoder = moved(TwoTowers(5, [0, 3], n_outputs, width=16, depth=1, projection_seed=3))
    assert tuple(part.shape[1] for part in encoder.towers(rows_of(2))) == widths
    assert encoder.n_outputs == sum(widths)
    state = encoder_state(encoder)
    assert json.loads(json.dumps(state["settings"])) == state["settings"]
    rows = rows_of(30).numpy()
    np.testing.assert_array_equal(embed(encoder_from_state(state), rows), embed(encoder, rows))


@pytest.mark.parametrize("part_a", [[], [0, 1, 2, 3, 4], [5], [-1], [0, 0]])
def test_parts_that_do_not_share_the_inputs_are_refused(part_a):
    with pytest.raises(UsageError, match="tower"):
        TwoTowers(5, part_a)


def test_an_embedding_too_narrow_for_two_towers_is_refused():
    with pytest.raises(UsageError, match="output"):
        TwoTowers(5, [0], n_outputs=1)
