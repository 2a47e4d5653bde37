"""What a fitted model is, as plain data: how it was trained, what it learned from, and what its scores mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import numpy as np

from anomaly_cl.detectors import events, series, tabular
from anomaly_cl.detectors.artifact import LIBRARIES
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.series_bank import POOLED
from anomaly_cl.detectors.series_heads import POINT, WEIGHTS
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.table.conform import PRIVATE

CURVE_POINTS = 60
BEYOND = 1.25  # times the largest calibration score: how far the curve goes on


def model_facts(detector: Detector) -> dict[str, Any]:
    """All of it; values of private columns are masked.

    Keys: kind, model_id, settings, versions, trained, rows, schema, heads, calibration, segments, and where there are
    such: typical, history, drift, groups, events, channels.
    """
    facts: dict[str, Any] = {
        "kind": _kind(detector), "model_id": detector.model_id_, "settings": _settings(detector),
        "versions": dict(detector.made_with_ or {name: version(name) for name in LIBRARIES}),
        "rows": dict(detector.rows_), "heads": head_facts(detector),
        "calibration": calibration_facts(detector.calibration_), "segments": detector.calibration_.segments_,
    }
    if isinstance(detector, SeriesDetector):
        schema = detector.series_schema_.base
        facts |= {"trained": trained_facts(detector), "channels": channel_facts(detector)}
    else:
        schema = detector.base_schema_ if isinstance(detector, EventDetector) else detector.schema_
        facts |= {"trained": row_facts(detector), "typical": detector.scorer_.encoder_.typical(),
                  "history": detector.scorer_.history_, "drift": _drift_facts(detector)}
        facts |= {"events": event_facts(detector)} if isinstance(detector, EventDetector) else {
            "groups": group_facts(detector)}
    return _masked(facts | {"schema": _columns(schema)}, schema)


def row_facts(detector: TabularDetector | EventDetector) -> dict[str, Any]:
    """How a model of rows or records was trained, its heads, and the rows that it learned from."""
    scorer = detector.scorer_
    untrained = f" (left untrained: {scorer.untrained_because_})" if scorer.untrained_because_ else ""
    refined = [] if scorer.refinement_ is None else list(scorer.refinement_.fusion_.weights_)
    return {"pretraining": detector.pretraining + untrained, "random_state": detector.random_state,
            "heads": ", ".join([*scorer.ensemble_.fitted_, *refined]),
            **{f"{name}_rows": rows for name, rows in detector.rows_.items()}}


def group_facts(detector: TabularDetector) -> list[dict[Any, Any]]:
    """The groups of normal behaviour, if the model has some."""
    return [] if detector.scorer_.prototypes_ is None else detector.groups().to_dict("records")


def event_facts(detector: EventDetector) -> dict[str, Any]:
    """What was learned of entities and their past; the deviations that count most come first."""
    learned = detector.deviations_
    order = sorted(learned.weights_, key=lambda name: -learned.weights_[name])
    return {
        "entities": list(learned.plan.entities),
        "deviations": {name: {"weight": learned.weights_[name], "relevance": learned.relevance_[name],
                              "novelty": learned.novelty_[name], "used": name in detector.events_.deviations}
                       for name in order},
        "recurrence": dict(detector.recurrence_.lifts_), "towers": [pattern.role for pattern in detector.patterns_],
        "reads_verdicts": detector.confirmations_ is not None, "presume_after": detector.presume_after_,
    }


def trained_facts(detector: SeriesDetector) -> dict[str, Any]:
    """How a model of series was trained, its windows and heads, and the steps that it learned from."""
    scorer, rules = detector.scorer_, detector.span_rules
    heads = dict.fromkeys(name for channel in scorer.channels_ for name in channel.curves_)
    rows = detector.rows_
    return {
        "pretraining": detector.pretraining if scorer.members_ else "none", "encoders": len(scorer.members_),
        "random_state": detector.random_state, "heads": ", ".join(heads),
        "step": str(timedelta(microseconds=detector.grid_.step_us)), "window": scorer.plan_.length,
        "longest_gap": detector.grid_.longest_gap, "spans_merge_under": rules.merge_gap,
        "steps_read": rows["read"], "entities": rows["entities"], "calibration_steps": rows["calibration"],
        "steps_of_a_cluster": rows["cluster"], "calibration_blocks": rows["blocks"],
    }


def channel_facts(detector: SeriesDetector) -> dict[str, dict[str, Any]]:
    """What is typical of each channel: centre and spread, of the median entity where there are several."""
    scorer = detector.scorer_
    return {name: {"typical": float(scorer.centres_[POOLED][j]), "spread": float(scorer.spreads_[POOLED][j]),
                   "moves": bool(scorer.live_[j])}
            for j, name in enumerate(detector.series_schema_.channels)}


def head_facts(detector: Detector) -> dict[str, float]:
    """Each head's weight in the score; of series those of one channel that moves."""
    if isinstance(detector, SeriesDetector):
        channel = next((each for each, live in zip(detector.scorer_.channels_, detector.scorer_.live_, strict=True)
                        if live), detector.scorer_.channels_[0])
        point = {POINT: WEIGHTS[POINT]} if POINT in channel.curves_ else {}
        return {head.name: float(head.weight) for head in channel.heads} | point
    refinement = detector.scorer_.refinement_
    return dict(detector.scorer_.ensemble_.fusion_.weights_) | (
        {} if refinement is None else dict(refinement.fusion_.weights_))


def calibration_facts(calibration: Calibration) -> dict[str, Any]:
    """What a score means: rows, smallest p-value, tail, and p-value and tail p-value over the scores, of all rows."""
    scores, whole = calibration.scores_, calibration.whole_
    low, high = float(scores[0]), float(scores[-1])
    points = np.linspace(low, high + (BEYOND - 1) * max(abs(high), 1e-9), CURVE_POINTS)
    return {
        "rows": calibration.n_rows_, "smallest_p_value": 1 / (calibration.most_compared_ + 1),
        "tail": calibration.tail_note_,
        "curve": {"score": points.tolist(), "p_value": whole.p_value(points).tolist(),
                  "p_tail": whole.p_tail(points).tolist()},
    }


def masked_segments(segments: list[dict[str, Any]], schema: Schema) -> list[dict[str, Any]]:
    """Lines about segments; their names are numbered where the segment is private."""
    if not any(column.private and column.role == "segment" for column in schema.columns):
        return segments
    names = {line["segment"]: f"{PRIVATE} {number}" for number, line in enumerate(segments) if line["segment"]}
    return [line | {"segment": names.get(line["segment"]),
                    "compared_with": names.get(line["compared_with"], line["compared_with"])} for line in segments]


def _kind(detector: Detector) -> str:
    if isinstance(detector, SeriesDetector):
        return series.KIND
    return events.KIND if isinstance(detector, EventDetector) else tabular.KIND


def _settings(detector: Detector) -> dict[str, Any]:
    """The settings that are plain values; others, such as heads of other libraries, have no place in a store."""
    plain = (str, int, float, bool, type(None))
    return {name: list(value) if isinstance(value, list | tuple) else value
            for name, value in detector.get_params(deep=False).items()
            if isinstance(value, plain) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))}


def _columns(schema: Schema) -> list[dict[str, Any]]:
    return [{"name": column.name, "kind": column.kind.value, "role": column.role.value, "private": column.private}
            for column in schema.columns]


def _drift_facts(detector: TabularDetector | EventDetector) -> dict[str, Any]:
    reference = detector.drift_reference_
    return {"rows": reference.n_rows_, "columns": list(reference.names_), "judged": reference.score_cells_ is not None}


def _masked(facts: dict[str, Any], schema: Schema) -> dict[str, Any]:
    private = {column.name for column in schema.columns if column.private}
    facts["segments"] = masked_segments(facts["segments"], schema)
    for of in ("typical", "channels"):
        facts |= {of: {name: _hidden(value) if name in private else value for name, value in facts[of].items()}} if (
            of in facts) else {}
    if private and facts.get("groups"):
        facts["groups"] = [_masked_group(group, private) for group in facts["groups"]]
    return facts


def _masked_group(group: Mapping[Any, Any], private: set[str]) -> dict[Any, Any]:
    """A group without what is typical of private columns, nor a description that tells of one."""
    left = {name: value for name, value in group.items() if str(name).removeprefix("typical_") not in private}
    return left | ({"description": PRIVATE} if private & set(group["differs_in"]) else {})


def _hidden(value: Any) -> Any:
    return dict.fromkeys(value, PRIVATE) if isinstance(value, dict) else PRIVATE
