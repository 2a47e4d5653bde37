"""The encoder of a detector for other runtimes, and what leads from its embeddings to scores again."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cl.detectors.fitted import judged, read_rows
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.row_scorer import INPUT_SPACE, RowScorer
from anomaly_cl.detectors.scored import Scores, segment_texts
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.encoders.metrics import SpaceMetrics
from anomaly_cl.errors import UsageError
from anomaly_cl.features.table_encoder import SPACES, EncodedRows


def export_onnx(detector: Detector, path: str | Path) -> dict[str, str]:
    """Write the encoder of a detector of rows as an ONNX file; return the metadata that the file carries.

    The model takes `rows` float32 (n, width), which `encoder_input` makes, and gives `embedding` float32 (n, d).
    Metadata: `model_id`, `version` of anomaly_cl, and `spaces` and `inputs` as JSON: what each input column is.
    Raises UsageError for another kind of detector, one without an encoder, or where onnx is not installed.
    """
    from anomaly_cl.encoders.onnx_graph import onnx_model

    scorer = _scorer(detector)
    names = np.array(scorer.encoder_.learned_names_)[scorer.encoder_.column_of_]
    spaces = SPACES if isinstance(scorer.network_, SpaceMetrics) else (INPUT_SPACE,)
    metadata = {
        "model_id": detector.model_id_, "version": version("anomaly_cl"), "spaces": json.dumps(spaces),
        "inputs": json.dumps([f"{space}: {name}" for space in spaces for name in names], ensure_ascii=False),
    }
    Path(path).write_bytes(onnx_model(scorer.network_, metadata).SerializeToString())  # type: ignore[arg-type]
    return metadata


def encoder_input(detector: Detector, rows: Any) -> np.ndarray:
    """What the exported encoder takes, float32 (n, width), for rows in any form that `score` takes."""
    scorer = _scorer(detector)
    return scorer.network_input(scorer.encoder_.transform(read_rows(rows, detector.schema_)))


def scores_of_embeddings(detector: Detector, rows: Any, embeddings: np.ndarray) -> Scores:
    """Scores of rows with their embeddings (n, d) by the exported encoder: heads, fusion and calibration as ever."""
    scorer = _scorer(detector)
    table = read_rows(rows, detector.schema_)
    expected = (table.num_rows, scorer.network_.n_outputs)  # type: ignore[union-attr]
    if np.shape(embeddings) != expected:
        raise UsageError(f"embeddings of these rows have shape {expected}", f"found {np.shape(embeddings)}",
                         "give one line for each row, in order")
    encoded = scorer.encoder_.transform(table)  # whole, as the embeddings are
    score = _WithEmbeddings(scorer, np.asarray(embeddings, np.float32)).score_encoded(encoded)
    return judged(score, detector.calibration_, segment_texts(table, detector.schema_))


class _WithEmbeddings(RowScorer):
    """A fitted scorer that takes embeddings as they are given."""

    def __init__(self, fitted: RowScorer, embeddings: np.ndarray):
        vars(self).update(vars(fitted))
        self._embeddings = embeddings

    def embed(self, encoded: EncodedRows) -> np.ndarray:
        return self._embeddings


def _scorer(detector: Detector) -> RowScorer:
    if not isinstance(detector, TabularDetector):
        raise UsageError("encoders of models that judge rows by themselves are exported",
                         "this one judges records or series", "use the detector itself")
    if detector.scorer_.network_ is None:
        raise UsageError("only a pretrained encoder can be exported", "this model measures raw distances",
                         "fit with a pretraining other than none")
    return detector.scorer_
