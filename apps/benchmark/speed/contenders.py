"""Who is measured: our detector with some settings, and detectors of PyOD."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from anomaly_cl.errors import UsageError

# settings of TabularDetector by the name that --model gives them
SETTINGS: dict[str, dict[str, Any]] = {"default": {}, "fast": {"search": "fast"}}
GIVEN = "given"


@dataclass(frozen=True)
class Ours:
    """Our detector: files in, files out."""

    name: str
    settings: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Peer:
    """A detector of PyOD: arrays in memory in, scores out. At most `most_rows` are scored, and `most_fitted` fitted."""

    name: str
    path: str
    settings: dict[str, Any] = field(hash=False)
    most_rows: int
    most_fitted: int

    def make(self) -> Any:
        module, name = self.path.rsplit(".", 1)
        return getattr(import_module(f"pyod.models.{module}"), name)(**self.settings)


PEERS = {peer.name: peer for peer in (
    Peer("IForest", "iforest.IForest", {"n_estimators": 200, "random_state": 0}, 1_000_000, 1_000_000),
    Peer("IForest, n_jobs=2", "iforest.IForest", {"n_estimators": 200, "random_state": 0, "n_jobs": 2}, 1_000_000, 0),
    Peer("ECOD", "ecod.ECOD", {}, 1_000_000, 1_000_000),
    Peer("KNN", "knn.KNN", {}, 20_000, 20_000),
    Peer("KNN, n_jobs=2", "knn.KNN", {"n_jobs": 2}, 20_000, 0),
)}


def ours(names: Sequence[str] | None, given: str | None) -> list[Ours]:
    """The settings of these names, and those given as JSON; all names if there is neither.

    Raises UsageError for an unknown name, and for settings that TabularDetector does not have.
    """
    from anomaly_cl.detectors.tabular import TabularDetector

    known = dict(SETTINGS)
    if given is not None:
        try:
            known[GIVEN] = dict(json.loads(given))
        except (ValueError, TypeError) as error:
            raise UsageError("--settings is a JSON object", f"{given!r}: {error}",
                             'write for example \'{"pretraining": "none"}\'') from error
    chosen = [*(names or ()), *([GIVEN] if given is not None else [])] or list(known)
    if unknown := sorted(set(chosen) - set(known)):
        raise UsageError(f"settings are among {list(known)}", f"found {unknown}", "correct the names")
    possible = TabularDetector().get_params(deep=False)
    for name in chosen:
        if unknown := sorted(set(known[name]) - set(possible)):
            raise UsageError(f"settings of the detector are among {sorted(possible)}", f"{name!r} has {unknown}",
                             "correct them")
    return [Ours(f"ours, {name}", known[name]) for name in chosen]


def peers(names: Sequence[str] | None) -> list[Peer]:
    """The peers of these names, all without; raises UsageError for an unknown one."""
    if unknown := sorted(set(names or ()) - set(PEERS)):
        raise UsageError(f"peers are among {list(PEERS)}", f"found {unknown}", "correct the names")
    return [peer for name, peer in PEERS.items() if not names or name in names]
