"""Encoders as plain data and back, every array checked by name, shape and content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.encoders.pasts import RecordAndPast
from anomaly_cl.encoders.series import DilatedTCN, KernelResidual
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.encoders.towers import MatchedParts, TwoTowers
from anomaly_cl.encoders.windows import TwoHalves
from anomaly_cl.errors import AnomalyCLError, ModelError

ENCODERS: dict[str, type[Encoder]] = {
    "ResidualMLP": ResidualMLP, "TwoTowers": TwoTowers, "MatchedParts": MatchedParts, "SpaceMetrics": SpaceMetrics,
    "RecordAndPast": RecordAndPast, "KernelResidual": KernelResidual, "DilatedTCN": DilatedTCN,
    "TwoHalves": TwoHalves,
}
RETRAIN = "train the model again, or restore it from a copy"


def encoder_state(encoder: Encoder) -> dict[str, Any]:
    """Class name, settings, and weights (NumPy arrays by parameter name) of an encoder of the table ENCODERS."""
    weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in encoder.state_dict().items()}
    return {"encoder": type(encoder).__name__, "settings": dict(encoder.settings), "weights": weights}


def encoder_from_state(state: Mapping[str, Any]) -> Encoder:
    """The encoder that `encoder_state` described, on the CPU in evaluation mode.

    Raises ModelError if its class is unknown, or an array is missing, left over, of another shape or type, or not
    finite.
    """
    encoder = _built(state)
    weights, expected = state["weights"], encoder.state_dict()
    missing, left_over = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
    if missing or left_over:
        raise ModelError("an encoder's state holds its own arrays and no others",
                         f"missing {missing}, left over {left_over}", RETRAIN)
    for name, tensor in expected.items():
        _check(name, weights[name], tuple(tensor.shape))
    encoder.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    return encoder.eval()


def matched_parts_from_state(state: Mapping[str, Any]) -> MatchedParts:
    """The same of projections of two towers; raises ModelError if the state is of another class."""
    encoder = encoder_from_state(state)
    if not isinstance(encoder, MatchedParts):
        raise ModelError("both parts of a record are compared by MatchedParts", f"found {type(encoder).__name__}",
                         RETRAIN)
    return encoder


def _built(state: Mapping[str, Any]) -> Encoder:
    lacking = sorted({"encoder", "settings", "weights"} - set(state))
    if lacking or state["encoder"] not in ENCODERS:
        raise ModelError(f"an encoder's state has a class among {sorted(ENCODERS)}, settings and weights",
                         f"lacking {lacking}" if lacking else f"found {state['encoder']!r}", RETRAIN)
    try:
        with torch.random.fork_rng(devices=[]):  # weights are drawn here only to be overwritten
            return ENCODERS[state["encoder"]](**state["settings"])
    except (TypeError, AnomalyCLError) as error:
        raise ModelError("an encoder's settings build it", f"{state['settings']}: {error}", RETRAIN) from error


def _check(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32:
        raise ModelError(f"encoder array {name!r} must be float32 of shape {shape}",
                         f"found {array.dtype} of shape {array.shape}", RETRAIN)
    n_bad = int((~np.isfinite(array)).sum())
    if n_bad:
        raise ModelError(f"encoder array {name!r} must be finite", f"{n_bad} values are not", RETRAIN)
