import json

import numpy as np
import pytest
import torch

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.errors import ModelError


@pytest.fixture(params=[None, 3])
def encoder(request):
    encoder = ResidualMLP(5, request.param, width=16, depth=1, projection_seed=4)
    torch.nn.init.normal_(encoder.last.weight)
    return encoder.eval()


def test_an_encoder_survives_its_state_to_the_last_bit(encoder):
    rows = np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)
    again = encoder_from_state(encoder_state(encoder))
    assert not again.training
    np.testing.assert_array_equal(embed(again, rows), embed(encoder, rows))


def test_a_state_is_plain_data(encoder):
    state = encoder_state(encoder)
    weights = state.pop("weights")
    assert json.loads(json.dumps(state)) == state
    assert all(type(array) is np.ndarray for array in weights.values())


def test_a_state_does_not_change_with_the_encoder(encoder):
    state = encoder_state(encoder)
    before = state["weights"]["last.weight"].copy()
    with torch.no_grad():
        encoder.last.weight.add_(1)
    np.testing.assert_array_equal(state["weights"]["last.weight"], before)


def test_loading_leaves_the_global_generator_alone(encoder):
    state = encoder_state(encoder)
    before = torch.get_rng_state()
    encoder_from_state(state)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("change", "message"), [
    (lambda state: state.pop("settings"), "lacking"),
    (lambda state: state.update(encoder="Other"), "'Other'"),
    (lambda state: state["settings"].update(size=3), "size"),
    (lambda state: state["settings"].update(width=0), "width=0"),
    (lambda state: state["settings"].update(width=17), "of shape"),
    (lambda state: state["weights"].pop("first.bias"), r"missing \['first.bias'\]"),
    (lambda state: state["weights"].update(extra=np.zeros(1)), r"left over \['extra'\]"),
    (lambda state: state["weights"].update({"first.bias": np.zeros(17, np.float32)}), "first.bias"),
    (lambda state: state["weights"].update({"first.bias": np.zeros(16)}), "float64"),
    (lambda state: state["weights"].update({"first.bias": np.full(16, np.nan, np.float32)}), "16 values"),
])
def test_a_state_that_does_not_fit_is_refused(encoder, change, message):
    state = encoder_state(encoder)
    change(state)
    with pytest.raises(ModelError, match=message):
        encoder_from_state(state)
