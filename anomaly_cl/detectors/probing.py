"""Measuring what a detector's recipe finds: probes learn from some normal rows, and meet others and synthetic ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from anomaly_cl.detectors.ensemble import EMBEDDING, METRICS
from anomaly_cl.detectors.report import (
    AS_SET,
    FEW_ROWS,
    FUSED,
    PLAIN,
    STEADY,
    DetectorReport,
    Found,
    Stability,
    Trained,
)
from anomaly_cl.detectors.row_scorer import EXACT, NO_PRETRAINING, Recipe, RowScorer
from anomaly_cl.detectors.synthetic import KINDS, synthetic_rows
from anomaly_cl.errors import InputError, ModelError, UsageError
from anomaly_cl.features.table_encoder import SPACES, TableEncoder
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.agreement import rank_correlation, top_overlap
from anomaly_cl.table.split import CrossFit

FEWEST_ROWS = 40
FEWEST_ANOMALIES = 10  # of a kind; fewer are not measured
HELD_OUT_SHARE, MOST_HELD_OUT = 0.25, 500
DRAWN_SHARE, MOST_FITTED = 0.8, 2_000  # of the other rows, by each probe: stability is over rows and seeds
TOP_ROWS = 20  # or a hundredth of the rows, if that is more
NORMAL = "normal"
PLAIN_HEADS = tuple(f"knn_{space}" for space in SPACES)
LEARNED = tuple(f"knn_{space}" for space in (EMBEDDING, *METRICS))  # heads that change with the training


def _silent(step: str) -> None:
    """Nobody watches."""


def report(
    table: pa.Table, schema: Schema, recipe: Recipe, *, seeds: int, anomalies: int, random_state: int,
    on_step: Callable[[str], None] = _silent,
) -> DetectorReport:
    """The report of a recipe on normal rows that conform to the schema; see `TabularDetector.report`.

    Raises InputError for fewer than 40 rows, and UsageError for fewer than one seed or ten anomalies.
    """
    _check(table, seeds, anomalies)
    splitting, making, varying, *probing = np.random.SeedSequence(random_state).spawn(3 + seeds)
    order = np.random.default_rng(splitting).permutation(table.num_rows)
    n_held_out = min(int(table.num_rows * HELD_OUT_SHARE), MOST_HELD_OUT)
    held_out, rest = table.take(np.sort(order[:n_held_out])), order[n_held_out:]
    n_fitted = min(int(len(rest) * DRAWN_SHARE), MOST_FITTED)
    parts = {NORMAL: held_out} | _anomalies(held_out, table.take(rest[:MOST_FITTED]), schema, anomalies, making)
    recipe = replace(recipe.unwatched(), search=EXACT)  # plain distances are told apart from learned ones
    scores = []
    for number, sequence in enumerate(probing, 1):
        on_step(f"probe {number} of {seeds}")
        probe = _probe(table, rest, n_fitted, schema, recipe, sequence)
        scores.append({name: _scores(probe, part) for name, part in parts.items()})

    def varied(settings: TrainingSettings) -> RowScorer:
        return _probe(table, rest, n_fitted, schema, replace(recipe, training=settings), varying)

    sensitivity, why_not = _sensitivity(parts, recipe, len(schema.learned), varied, on_step)
    made, stability = {kind: parts[kind].num_rows for kind in parts if kind != NORMAL}, _stability(scores)
    notes = (_few_rows(n_held_out), _left_out(made), _unstable(stability), _sensitive(sensitivity) or why_not)
    return DetectorReport(n_fitted, n_held_out, made, seeds, _learnability(scores), stability, sensitivity,
                          tuple(filter(None, notes)))


def _check(table: pa.Table, seeds: int, anomalies: int) -> None:
    if table.num_rows < FEWEST_ROWS:
        raise InputError(f"a report needs at least {FEWEST_ROWS} normal rows", f"there are {table.num_rows}",
                         "give more rows")
    if seeds < 1 or anomalies < FEWEST_ANOMALIES:
        raise UsageError(f"a report needs a seed, and {FEWEST_ANOMALIES} anomalies of each kind",
                         f"found {seeds=}, {anomalies=}", "raise them")


def _anomalies(
    held_out: pa.Table, bank: pa.Table, schema: Schema, n_rows: int, sequence: np.random.SeedSequence
) -> dict[str, pa.Table]:
    """So many synthetic rows of each kind that can be made, a few less where some came out as they were."""
    rng, encoder = np.random.default_rng(sequence), TableEncoder(schema).fit(bank)
    made = {}
    for kind in KINDS:
        picked = rng.choice(held_out.num_rows, n_rows, replace=n_rows > held_out.num_rows)
        rows = synthetic_rows(kind, held_out.take(picked), bank, encoder, int(rng.integers(2**31)))
        if rows.num_rows >= FEWEST_ANOMALIES:
            made[kind] = rows
    return made


def _probe(
    table: pa.Table, positions: np.ndarray, n_rows: int, schema: Schema, recipe: Recipe,
    sequence: np.random.SeedSequence,
) -> RowScorer:
    """A scorer that learned from so many of these rows, drawn anew for each sequence, without calibration rows."""
    rng = np.random.default_rng(sequence)
    drawn = np.sort(rng.choice(positions, n_rows, replace=False))
    return RowScorer().fit(table.take(drawn), schema, CrossFit().roles(n_rows, rng)[0], recipe, rng)


def _scores(probe: RowScorer, rows: pa.Table) -> dict[str, np.ndarray]:
    """Fused score, mean surprise of the plain heads, and surprise of each head {name: (rows,)}."""
    encoded = probe.encoder_.transform(rows)
    surprises = probe.ensemble_.surprises(probe.spaces(encoded))
    plain = np.mean([surprises[head] for head in PLAIN_HEADS], axis=0)
    return {FUSED: probe.score_encoded(encoded), PLAIN: plain} | surprises


def _auc(normal: np.ndarray, strange: np.ndarray) -> float:
    return float(roc_auc_score(np.repeat([0, 1], [len(normal), len(strange)]), np.concatenate([normal, strange])))


def _learnability(scores: list[dict[str, dict[str, np.ndarray]]]) -> tuple[Found, ...]:
    found = []
    for kind in (kind for kind in scores[0] if kind != NORMAL):
        for head in dict.fromkeys(head for part in scores for head in part[NORMAL]):
            areas = [_auc(part[NORMAL][head], part[kind][head]) for part in scores if head in part[NORMAL]]
            found.append(Found(kind, head, float(np.mean(areas)), float(np.std(areas))))
    return tuple(found)


def _stability(scores: list[dict[str, dict[str, np.ndarray]]]) -> Stability | None:
    fused = [np.concatenate([part[FUSED] for part in by_part.values()]) for by_part in scores]
    if len(fused) < 2:
        return None
    top = max(TOP_ROWS, len(fused[0]) // 100)
    pairs = list(combinations(fused, 2))
    agreed = [rank_correlation(*pair) for pair in pairs]
    return Stability(float(np.mean(agreed)), min(agreed), top,
                     float(np.mean([top_overlap(a, b, top) for a, b in pairs])))


def _sensitivity(
    parts: Mapping[str, pa.Table], recipe: Recipe, n_columns: int, varied: Callable[[TrainingSettings], RowScorer],
    on_step: Callable[[str], None],
) -> tuple[tuple[Trained, ...], str]:
    """A line for each variant of the training, the recipe's own first; or none, and why."""
    if recipe.pretraining == NO_PRETRAINING:
        return (), "Without pretraining nothing hangs on views."
    from anomaly_cl.pretraining.fit import METHODS  # Lightning takes seconds to import
    from anomaly_cl.pretraining.variants import shortened, variants

    kind = METHODS[recipe.pretraining]
    others = variants(kind, recipe.training, n_columns)
    if not others:
        return (), f"Pretraining {recipe.pretraining!r} has nothing that could be altered here."
    lines: list[Trained] = []
    first: tuple[np.ndarray | None, np.ndarray] | None = None
    for number, (name, settings) in enumerate({AS_SET: recipe.training, **others}.items(), 1):
        on_step(f"training {number} of {len(others) + 1}: {name}")
        try:
            probe = varied(shortened(settings, kind))
        except ModelError:
            lines.append(Trained(name, None, None, None))
            continue
        scores = {part: _scores(probe, rows) for part, rows in parts.items()}
        fused = np.concatenate([of_part[FUSED] for of_part in scores.values()])
        learned = {part: found for part in parts if (found := _learned(scores[part])) is not None}
        both = np.concatenate(list(learned.values())) if learned else None, fused
        first = both if name == AS_SET else first
        areas = {part: _auc(learned[NORMAL], found) for part, found in learned.items() if part != NORMAL} or None
        agreed = [_agreement(a, b) for a, b in zip(first or (None, None), both, strict=True)]
        lines.append(Trained(name, agreed[0], agreed[1], areas))
    return tuple(lines), ""


def _learned(scores: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Mean surprise (rows,) of the heads that measure in what the training made; None if there are none."""
    heads = [scores[head] for head in LEARNED if head in scores]
    return np.mean(heads, axis=0) if heads else None


def _agreement(a: np.ndarray | None, b: np.ndarray | None) -> float | None:
    return None if a is None or b is None else rank_correlation(a, b)


def _few_rows(n_held_out: int) -> str:
    return f"Only {n_held_out} rows were held out: the figures are rough." if n_held_out < FEW_ROWS else ""


def _unstable(stability: Stability | None) -> str:
    if stability is None:
        return "Stability over seeds needs two of them or more."
    agreed = stability.rank_correlation
    return f"The order of the rows hangs on the seed and on which rows were learned from: from one to the next its " \
        f"rank correlation is {agreed:.2f}." if agreed < STEADY else ""


def _sensitive(trained: tuple[Trained, ...]) -> str:
    moved = {line.variant: line.fused_rank_correlation for line in trained if line.fused_rank_correlation is not None}
    least = min(moved, key=moved.__getitem__, default="")
    return f"The order of the rows hangs on the training: with the variant {least!r} its rank correlation with that " \
        f"of the settings is {moved[least]:.2f}." if least and moved[least] < STEADY else ""


def _left_out(made: Mapping[str, int]) -> str:
    lacking = [kind for kind in KINDS if kind not in made]
    return f"Of some kinds hardly any differ from normal rows, so they are not measured: {', '.join(lacking)}." \
        if lacking else ""
