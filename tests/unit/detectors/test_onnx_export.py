"""The exported encoder leads to the same scores, p-values and alerts, from features to threshold."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from anomaly_cl import export_onnx
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.onnx_export import encoder_input, scores_of_embeddings
from anomaly_cl.detectors.row_scorer import SLICE_ROWS
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.encoders.onnx_graph import onnx_model
from anomaly_cl.encoders.series import DilatedTCN
from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.encoders.towers import TwoTowers
from anomaly_cl.errors import UsageError
from anomaly_cl.pretraining.settings import TrainingSettings
from tests.acceptance.test_command_line import run as command

onnxruntime = pytest.importorskip("onnxruntime", reason='pip install "anomaly_cl[onnx]"')
pytest.importorskip("onnx")
TRAINING = {  # short, but away from where they started
    "neighbours": TrainingSettings(max_steps=40), "simclr": TrainingSettings(max_steps=40, embedding_size=5),
    "clip": TrainingSettings(max_steps=40),
}


def frame(rows, seed):
    rng = np.random.default_rng(seed)
    level = rng.normal(size=rows)
    strange = rng.random(rows) < 0.02
    return pd.DataFrame({
        "a": level, "b": level * 2 + rng.normal(size=rows) * np.where(strange, 6, 0.1), "c": rng.exponential(size=rows),
        "kind": np.where(level > 0, "up", "down"), "place": rng.choice(["x", "y", "z"], rows),
    })


def run(path, rows):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session, session.run(["embedding"], {"rows": rows})[0]


@pytest.mark.parametrize("pretraining", TRAINING)
def test_features_to_alerts_are_the_same_through_onnxruntime(pretraining, tmp_path):
    detector = TabularDetector(pretraining, training=TRAINING[pretraining], calibration="split").fit(frame(1_500, 0))
    new = frame(3_000, 1)
    about = export_onnx(detector, tmp_path / "encoder.onnx")
    session, embeddings = run(tmp_path / "encoder.onnx", encoder_input(detector, new))
    expected = detector.embed(new)
    assert np.abs(expected - encoder_input(detector, new)[:, :expected.shape[1]]).max() > 1e-3  # it was trained
    np.testing.assert_allclose(embeddings, expected, rtol=1e-4, atol=1e-5)
    scores, scored = scores_of_embeddings(detector, new, embeddings), detector.score(new, policy="alpha=0.02")
    np.testing.assert_allclose(scores.score, scored["score"], rtol=1e-4, atol=1e-5)
    step = 1 / (detector.calibration_.n_rows_ + 1)  # of a p-value: a score may pass one of the calibration
    np.testing.assert_allclose(scores.p_value, scored["p_value"], rtol=0, atol=1.5 * step)
    assert (scores.p_value != scored["p_value"]).mean() < 0.01
    np.testing.assert_array_equal(scores.p_value <= 0.02, scored["alert"])
    assert scored["alert"].sum() > 30
    assert session.get_modelmeta().custom_metadata_map == about
    assert about["model_id"] == detector.model_id_
    assert len(json.loads(about["inputs"])) == encoder_input(detector, new).shape[1]
    with pytest.raises(UsageError, match=r"shape \(3000, "):
        scores_of_embeddings(detector, new, embeddings[1:])


def test_embeddings_of_more_rows_than_are_scored_at_once_lead_to_the_same_scores():
    detector = TabularDetector("simclr", training=TRAINING["simclr"], calibration="split").fit(frame(300, 0))
    new = frame(SLICE_ROWS + 100, 1)
    np.testing.assert_array_equal(scores_of_embeddings(detector, new, detector.embed(new)).score,
                                  detector.decision_function(new))


@pytest.mark.parametrize("encoder", [
    ResidualMLP(5), ResidualMLP(5, 3, width=8, depth=0), ResidualMLP(4, 7, limit=2.0), SpaceMetrics(12, 3, width=16),
    TwoTowers(6, [4, 1], 5), TwoTowers(3, [0])])
def test_every_encoder_of_rows_is_written_out_as_it_computes(encoder, tmp_path):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    rows = np.random.default_rng(0).normal(scale=3, size=(40, encoder.n_inputs)).astype(np.float32)
    (tmp_path / "encoder.onnx").write_bytes(onnx_model(encoder.eval(), {}).SerializeToString())
    np.testing.assert_allclose(run(tmp_path / "encoder.onnx", rows)[1], embed(encoder, rows), rtol=1e-4, atol=1e-3)
    assert run(tmp_path / "encoder.onnx", rows[:1])[1].shape == (1, encoder.n_outputs)


def test_what_has_no_encoder_of_rows_is_refused(tmp_path):
    detector = TabularDetector("none").fit(frame(200, 0))
    with pytest.raises(UsageError, match="pretraining other than none"):
        export_onnx(detector, tmp_path / "encoder.onnx")
    with pytest.raises(UsageError, match="judge rows by themselves"):
        export_onnx(EventDetector(), tmp_path / "encoder.onnx")
    with pytest.raises(UsageError, match="DilatedTCN"):
        onnx_model(DilatedTCN(16), {})
    assert not (tmp_path / "encoder.onnx").exists()


def test_the_command_writes_the_encoder_of_a_folder(tmp_path):
    detector = TabularDetector("neighbours", training=TrainingSettings(max_steps=1)).fit(frame(200, 0))
    detector.save(tmp_path / "model")
    said = command("export", tmp_path / "model", "--out", tmp_path / "encoder.onnx").stdout
    assert said == f"encoder of model {detector.model_id_} in {tmp_path / 'encoder.onnx'}\n"
    _, embeddings = run(tmp_path / "encoder.onnx", encoder_input(detector, frame(5, 1)))
    np.testing.assert_allclose(embeddings, detector.embed(frame(5, 1)), rtol=1e-4, atol=1e-5)
    assert "Example" in command("export", "--help").stdout
    command("export", tmp_path / "model", "--out", tmp_path / "no" / "encoder.onnx", code=2)
