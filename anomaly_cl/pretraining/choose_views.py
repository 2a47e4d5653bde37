"""Choosing views without labels: which of them make an encoder that tells held-out rows from synthetic anomalies?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.errors import ModelError
from anomaly_cl.views.negatives import DependencyNegative, LocalNegative, Negative, strange_copies

JUDGES: tuple[Negative, ...] = (LocalNegative(), DependencyNegative())
NEIGHBOURS = 5
MOST_BANK, MOST_JUDGED = 2_000, 500
FEWEST_JUDGED = 50  # held-out rows; fewer tell too little
MARGIN = 0.01  # of AUC-ROC, by which others must be better than the default


@dataclass(frozen=True)
class ViewChoice:
    """Name of the chosen views, and what each of them gains over raw distances in AUC-ROC; None where it collapsed."""

    name: str
    gains: dict[str, float | None]


def choose_views(
    train: Callable[[str], Encoder], names: Sequence[str], rows: np.ndarray, held_out: np.ndarray,
    column_of: np.ndarray, seed: int,
) -> ViewChoice:
    """Train an encoder by each of the named views (the default first) and choose the one that separates best.

    Judged is how well kNN distances among normal rows (n, width) tell held-out ones (m, width) from their local and
    their dependency-breaking synthetic copies, against the same distances without an encoder. Others than the default
    are only taken if they are better by 0.01, and it is kept untried if fewer than 50 rows are held out. A training
    that collapses rules its views out; ModelError if all of them do.
    """
    if len(held_out) < FEWEST_JUDGED:
        return ViewChoice(names[0], {})
    bank, judged = _evenly_spaced(rows, MOST_BANK), _evenly_spaced(held_out, MOST_JUDGED)
    strange = [strange_copies(kind, judged, bank, column_of, seed + i) for i, kind in enumerate(JUDGES)]
    raw = separation(bank, judged, strange)
    gains: dict[str, float | None] = {}
    for name in names:
        try:
            encoder = train(name)
        except ModelError as error:
            gains[name], collapsed = None, error
            continue
        embedded = [embed(encoder, part) for part in (bank, judged, *strange)]
        gains[name] = separation(embedded[0], embedded[1], embedded[2:]) - raw
    known = {name: gain for name, gain in gains.items() if gain is not None}
    if not known:
        raise collapsed
    best = max(known, key=known.__getitem__)
    default = known.get(names[0])
    return ViewChoice(names[0] if default is not None and known[best] <= default + MARGIN else best, gains)


def separation(bank: np.ndarray, normal: np.ndarray, strange: Sequence[np.ndarray]) -> float:
    """Mean AUC-ROC of kNN distances in the bank (n, d): normal rows (m, d) against each kind of strange ones (m, d)."""
    near = _distances(normal, bank)
    return float(np.mean([
        roc_auc_score(np.repeat([0, 1], [len(near), len(rows)]), np.concatenate([near, _distances(rows, bank)]))
        for rows in strange
    ]))


def _distances(rows: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Mean Euclidean distance (n,) to the five nearest rows of the bank."""
    apart = torch.cdist(torch.from_numpy(rows), torch.from_numpy(bank))
    return apart.topk(min(NEIGHBOURS, len(bank)), dim=1, largest=False).values.mean(dim=1).numpy()


def _evenly_spaced(rows: np.ndarray, most: int) -> np.ndarray:
    picked = rows[np.arange(most) * (len(rows) - 1) // (most - 1)] if len(rows) > most else rows
    return np.asarray(picked, np.float32)
