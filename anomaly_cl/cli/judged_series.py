"""A scored file of series judged by its labels: found spans against true ones, and volumes under the curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.batch.outputs import ABOUT_SERIES
from anomaly_cl.cli.labelled_rows import Codes, LabelledRows
from anomaly_cl.errors import InputError
from anomaly_cl.scoring.range_evaluation import vus
from anomaly_cl.scoring.spans import Span, span_quality
from anomaly_cl.table.raw import reading


class FoundSpans(NamedTuple):
    """A file of spans, and how it places steps in time; see `batch.spans.series_facts`."""

    lines: pa.Table
    about: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """The columns of a scored file that name a step."""
        return [name for name in (self.about["entity"], self.about["time"]) if name is not None]


@dataclass(frozen=True)
class SpanFigures:
    """Spans found against spans of labels. Shares and volumes are None where there is nothing to take them of.

    precision is the share of found spans that meet a true one, recall the share of true spans that a found one meets.
    vus_pr and vus_roc are means over the entities that have both labels, with a window's length as the largest buffer.
    """

    spans_found: int
    spans_true: int
    precision: float | None
    recall: float | None
    recall_by_kind: dict[str, float]
    vus_pr: float | None
    vus_roc: float | None
    entities: int
    spans_without_label: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def pairs(self) -> dict[str, Any]:
        """Names and values for people."""
        told = {name: "-" if value is None else value for name, value in asdict(self).items()}
        left_out = ["recall_by_kind", *([] if self.spans_without_label else ["spans_without_label"])]
        return {name: value for name, value in told.items() if name not in left_out}


@dataclass(frozen=True)
class _Steps:
    """Labelled steps in order of entity and time, (steps,) each: entity numbers, instants in microseconds, labels,
    scores, kinds ("" where there is none), and whether a step is the first of an entity or after a long gap.
    """

    entity: np.ndarray
    instant: np.ndarray
    label: np.ndarray
    score: np.ndarray
    kind: np.ndarray
    first: np.ndarray


def read_spans(path: Path) -> FoundSpans:
    """A file of spans that `anomaly-cl score` wrote; raises InputError for another file."""
    with reading(str(path), "a file of spans"):
        lines = pq.read_table(path)
    about = (lines.schema.metadata or {}).get(ABOUT_SERIES)
    if about is None:
        raise InputError("spans are in the file that `anomaly-cl score` writes beside a scored file of series",
                         f"{path} is another", "give that file")
    return FoundSpans(lines, json.loads(about))


def judge_series(rows: LabelledRows, found: FoundSpans, kind: str | None = None) -> SpanFigures:
    """Found spans and scores against the labels of steps, by kind where a column names it."""
    name = found.about["entity"]
    entities = Codes(np.zeros(len(rows.labels), np.int64), [None]) if name is None else rows.codes(name)
    steps = _steps(rows, entities.numbers, found.about, kind)
    spans = [span for span in _placed(found, entities.values, steps) if span is not None]
    true = _true_spans(steps)
    kinds = [steps.kind[span.start] for span in true]
    quality = span_quality(spans, true, kinds)
    volumes = np.array([
        vus(steps.label[part], steps.score[part], found.about["window"])
        for part in (steps.entity == number for number in np.unique(steps.entity))
        if 0 < steps.label[part].sum() < part.sum()
    ])
    pr, roc = volumes.mean(axis=0).tolist() if len(volumes) else (None, None)
    return SpanFigures(len(spans), len(true), _or_none(quality.precision), _or_none(quality.recall),
                       quality.recall_by_kind if kind else {}, pr, roc, len(np.unique(steps.entity)),
                       found.lines.num_rows - len(spans))


def _steps(rows: LabelledRows, entity: np.ndarray, about: dict[str, Any], kind: str | None) -> _Steps:
    instant = rows.instants(about["time"])
    order = np.lexsort((instant, entity))
    entity, instant, label = entity[order], instant[order], rows.labels[order] == 1
    named = np.full(len(order), "", object)
    if kind is not None:
        codes = rows.codes(kind)
        named = np.array([*map(str, codes.values), ""], object)[codes.numbers][order]
    gap = np.diff(instant, prepend=instant[:1]) > (about["longest_gap"] + 1.5) * about["step_us"]
    first = gap | (np.diff(entity, prepend=-1) != 0)
    return _Steps(entity, instant, label, rows.scores[order], named, first)


def _true_spans(steps: _Steps) -> list[Span]:
    """Runs of anomalous steps of one entity and kind, as positions."""
    begins = steps.label & (steps.first | ~np.roll(steps.label, 1) | (steps.kind != np.roll(steps.kind, 1)))
    begins[:1] = steps.label[:1]
    after = np.append(begins[1:] | ~steps.label[1:] | steps.first[1:], True)
    starts, ends = np.flatnonzero(begins), np.flatnonzero(steps.label & after)
    return [Span(int(start), int(end), int(start)) for start, end in zip(starts, ends, strict=True)]


def _placed(found: FoundSpans, names: Sequence[Any], steps: _Steps) -> Sequence[Span | None]:
    """Found spans as positions among the labelled steps of entities with these names; None for one without any."""
    starts, ends = (_micros(found.lines.column(name)) for name in ("start", "end"))
    column, number_of = found.about["entity"], {name: number for number, name in enumerate(names)}
    of = [None] * len(starts) if column is None else found.lines.column(column).to_pylist()
    entities = [number_of.get(name, -1) for name in of]
    spans: list[Span | None] = []
    for entity, start, end in zip(entities, starts, ends, strict=True):
        low, high = np.searchsorted(steps.entity, [entity, entity + 1])
        first = low + int(np.searchsorted(steps.instant[low:high], start, side="left"))
        last = low + int(np.searchsorted(steps.instant[low:high], end, side="right")) - 1
        spans.append(Span(first, last, first) if first <= last else None)
    return spans


def _micros(times: pa.ChunkedArray) -> np.ndarray:
    kind = pa.timestamp("us", times.type.tz)
    return times.cast(kind).cast(pa.int64()).to_numpy()


def _or_none(share: float) -> float | None:
    return None if np.isnan(share) else share
