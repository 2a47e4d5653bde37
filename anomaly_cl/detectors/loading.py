"""Model folders become detectors again, of the kind that was saved."""

from __future__ import annotations

from pathlib import Path

from anomaly_cl.detectors import artifact, events, tabular
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import ModelError

Detector = TabularDetector | EventDetector
_KINDS: dict[str, type[TabularDetector] | type[EventDetector]] = {
    tabular.KIND: TabularDetector, events.KIND: EventDetector}


def load(folder: str | Path) -> Detector:
    """Read a model folder that `save` or `anomaly-cl fit` wrote: a TabularDetector or an EventDetector.

    Raises ModelError, naming the file at fault, if the folder is incomplete, altered, too new, or of an unknown kind.
    """
    state, tables = artifact.load_model(folder)
    kind = state.get("kind")
    if kind not in _KINDS:
        raise ModelError(f"models are of the kinds {', '.join(_KINDS)}", f"{folder} is of kind {kind!r}",
                         "upgrade anomaly_cl, or train the model again")
    try:
        return _KINDS[kind].from_state(state, tables)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ModelError("a model's state must be complete", f"{folder}: {error!r}", artifact.RETRAIN) from error
