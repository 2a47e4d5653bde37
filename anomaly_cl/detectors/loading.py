"""Model folders become detectors again, of the kind that was saved."""

from __future__ import annotations

from pathlib import Path

from anomaly_cl.detectors import artifact, events, series, tabular
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import ModelError

Detector = TabularDetector | EventDetector | SeriesDetector
_KINDS: dict[str, type[TabularDetector] | type[EventDetector] | type[SeriesDetector]] = {
    tabular.KIND: TabularDetector, events.KIND: EventDetector, series.KIND: SeriesDetector}


def load(folder: str | Path) -> Detector:
    """Read a model folder that `save` or `anomaly-cl fit` wrote: a TabularDetector, an EventDetector or a
    SeriesDetector.

    Raises ModelError, naming the file at fault, if the folder is incomplete, altered, too new, or of an unknown kind.
    """
    state, tables = artifact.load_model(folder)
    kind = state.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ModelError(f"models are of the kinds {', '.join(_KINDS)}", f"{folder} is of kind {kind!r}",
                         "upgrade anomaly_cl, or train the model again")
    return _KINDS[kind].from_model(state, tables, folder)
