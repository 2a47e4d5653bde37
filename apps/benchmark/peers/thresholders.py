"""Thresholders of pythresh: each cuts scores into alerts by a rule of its own, without a rate to keep."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np

from anomaly_cl.errors import UsageError

NAMES = ("AUCP", "BOOT", "CHAU", "CLF", "CLUST", "COMB", "CPD", "DECOMP", "DSN", "EB", "FGD", "FILTER", "FWFM", "GESD",
         "HIST", "IQR", "KARCH", "MAD", "MCST", "MIXMOD", "MOLL", "MTT", "OCSVM", "QMCD", "REGR", "WIND", "YJ",
         "ZSCORE")
KNOWS_BENCHMARKS = ("META",)
"""Those that learned from the labels of public benchmarks, as their documentation says, so of those measured here."""
ON_REQUEST = (*KNOWS_BENCHMARKS, "GAMGMM", "VAE")
"""The other two take many times as long as the rest. DUMMY, a given contamination, is in neither list."""
Cut = Callable[[Any, np.ndarray, np.ndarray], np.ndarray]


def fitted(thresholder: Any, training: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Alerts, bool (rows,), among scores (rows,) by what the thresholder learned from training scores (n,).

    One that learns no threshold (its `thresh_` stays None) looks at the scores themselves, scaled as the training's.
    """
    return _alerts(lambda: thresholder.fit(training).predict(scores))


def evaluated(thresholder: Any, training: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The same, found among the scores themselves (`eval`): a row's alert depends on all others."""
    return _alerts(lambda: thresholder.eval(scores))


WAYS: dict[str, Cut] = {"fitted": fitted, "evaluated": evaluated}


def thresholders(names: Sequence[str] | None = None) -> dict[str, Callable[[], Any]]:
    """Makers {name: with default settings} of these or of all in `NAMES`; raises UsageError for an unknown name, or
    without pythresh.
    """
    if unknown := sorted(set(names or ()) - {*NAMES, *ON_REQUEST}):
        raise UsageError(f"thresholders are among {[*NAMES, *ON_REQUEST]}", f"found {unknown}", "correct the names")
    if find_spec("pythresh") is None:
        raise UsageError("thresholders are those of pythresh", "it is not installed",
                         "install it (pip install 'pythresh[extra]'), or leave them out with --no-pythresh")
    return {name: getattr(import_module(f"pythresh.thresholds.{name.lower()}"), name) for name in names or NAMES}


def _alerts(cut: Callable[[], Any]) -> np.ndarray:
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")  # such as of a threshold beyond its limits, which then is the limit
        return np.asarray(cut()).astype(bool)
