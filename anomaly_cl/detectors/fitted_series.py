"""What a series detector does once it is fitted: scores of steps, spans, embeddings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.explained_rows import UNUSUAL
from anomaly_cl.detectors.explaining import Judgement, require_level
from anomaly_cl.detectors.explanation import Explanation
from anomaly_cl.detectors.fitted import FittedDetector, judged, read_rows
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.detectors.series_arrays import as_channels
from anomaly_cl.detectors.series_bank import POOLED
from anomaly_cl.detectors.series_explaining import SURPRISES, step_explanations
from anomaly_cl.detectors.series_scorer import OVER_CHANNELS, SeriesScorer, over_channels
from anomaly_cl.detectors.series_table import (
    UNMEASURED,
    SeriesSchema,
    channel_reasons,
    gridded,
    step_rows,
    surprise_matrix,
)
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.series_grid import GridPlan, GridReport, fill_short
from anomaly_cl.scoring.blocks import span_p_values
from anomaly_cl.scoring.calibration import Calibration, risk
from anomaly_cl.scoring.drift_verdict import LEVEL, DriftVerdict, Verdict
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.scoring.spans import SpanRules, find_spans
from anomaly_cl.table.cells import arrow_type
from anomaly_cl.table.read import Batch

NOT_JUDGED = "unknown: neighbouring steps are alike, which the test for drift does not allow for"


TRIED_STEPS = 100


class Steps(NamedTuple):
    """Step rows, which row of the input each is, the rows that cannot be scored with the rule, and the grid's report.
    """

    rows: pa.Table
    row_numbers: np.ndarray
    rejected: tuple[tuple[int, str], ...]
    report: GridReport


class FittedSeries(FittedDetector):
    """Fitted attributes beside those of FittedDetector: `series_schema_`, `grid_` (the step and longest gap),
    `scorer_` and `span_maxima_`, the highest score of each normal block of one window's length.

    A step's score depends on the steps within one longest window of it (twice `scorer_.plan_.length`, where the scorer
    has a `double_`), and on no others. A file cut in two gets the scores of one if all the steps
    before are given as history, but for the end of the first half, which has not seen what follows.
    """

    series_schema_: SeriesSchema
    grid_: GridPlan
    scorer_: SeriesScorer  # type: ignore[assignment]
    span_maxima_: np.ndarray

    def score(self, rows: Any, policy: str | Policy | None = None, *, history: Any = None) -> pd.DataFrame:
        """One line for each row, in order: time and entity, score, p_value, p_tail, risk, alert, segment, reasons.

        `history` are the steps before, read but not scored. A row of whose step nothing can be said, as it lies in a
        long gap, has no score (NaN) and no alert. Times are instants in the zone of those of training, or wall clocks
        where these had none. Arrays (time, channels) are one series, a step a row.
        """
        table, steps = self._read_steps(rows, history)
        frame = self.scored_frame(steps.rows, policy)
        frame.index = pd.Index(steps.row_numbers)
        frame = frame.reindex(range(table.num_rows))
        for name in {self.series_schema_.time, self.series_schema_.entity}.intersection(frame.columns):
            frame[name] = table.column(name).to_pandas()
        frame["alert"] = frame["alert"].eq(True)
        frame["model_id"] = self.model_id_
        return frame.set_index(rows.index) if isinstance(rows, pd.DataFrame) else frame

    def decision_function(self, values: Any) -> np.ndarray:
        """Score (time,) float64 of an array (time, channels) or of a table's rows; higher = stranger, in nats.

        A row of a table of whose step nothing can be said has NaN.

        Raises InputError if a step of an array cannot be scored, as it lies in a long gap.
        """
        if not isinstance(values, np.ndarray):
            table = read_rows(values, self.series_schema_.base)
            steps, score = self.steps(table), np.full(table.num_rows, np.nan)
            score[steps.row_numbers] = over_channels(surprise_matrix(steps.rows, self.series_schema_.channels))
            return score
        score = self.scorer_.score(fill_short(self._own_channels(values), self.grid_.longest_gap)[0])
        if np.isnan(score).any():
            raise InputError("every step of an array must be covered by a window without long gaps",
                             f"{int(np.isnan(score).sum())} of {len(score)} are not",
                             "fill the gaps, give a longer array, or score a table")
        return score

    def steps(self, table: pa.Table, history: pa.Table | None = None) -> Steps:
        """Conforming rows as step rows, which `score_table` takes; those of the history are read but left out."""
        before = 0 if history is None else history.num_rows
        every = table if history is None else pa.concat_tables([history, table])
        grid = gridded(every, self.grid_, POOLED)
        surprise = [self.scorer_.channel_surprise(each.values, each.entity) for each in grid.stretches]
        rows, numbers = step_rows(every, self.series_schema_, grid, surprise, self.scorer_.centres_)
        rejected, told = dict(grid.report.rejected), np.zeros(every.num_rows, bool)
        told[numbers] = True
        told[list(rejected)] = True
        rejected |= dict.fromkeys(np.flatnonzero(~told).tolist(), UNMEASURED)
        if before:  # a filter copies all rows
            ours = numbers >= before
            rows, numbers = rows.filter(pa.array(ours)), numbers[ours] - before
        return Steps(rows, numbers,
                     tuple((row - before, rule) for row, rule in sorted(rejected.items()) if row >= before),
                     grid.report)

    def score_table(self, table: pa.Table | pa.RecordBatch) -> Scores:
        score = over_channels(surprise_matrix(table, self.series_schema_.channels))
        return judged(score, *self._judged_by(table))

    def explain(self, rows: Any, *, history: Any = None, level: float = UNUSUAL) -> list[Explanation | None]:
        """Why each row's step is unusual, or that it is not, by its channels: see `Explanation`; None where nothing can
        be said of the step. `rows` and `history` are those of `score`. Of a span, the step of its peak tells most.

        A counterfactual says which channels would have to show no surprise. There are no neighbours: a step by itself
        has no nearest normal rows.
        """
        table, steps = self._read_steps(rows, history)
        explained: list[Explanation | None] = [None] * table.num_rows
        for row, found in zip(steps.row_numbers.tolist(), self.explain_table(steps.rows, level=level), strict=True):
            explained[row] = found
        return explained

    def explain_table(
        self, table: pa.Table | pa.RecordBatch, *, k: int = 0, level: float = UNUSUAL
    ) -> list[Explanation]:
        """The same of step rows; k is of no use."""
        require_level(level, k)
        if not table.num_rows:
            return []
        channels, (calibration, segments) = self.series_schema_.channels, self._judged_by(table)
        surprise = surprise_matrix(table, channels)
        judgement = Judgement(
            lambda cells: over_channels(cells.matrices[SURPRISES]),
            lambda scores, rows: calibration.p_value(scores, None if segments is None else segments[rows]),
            over_channels(surprise), calibration.threshold(level, segments, table.num_rows), level)
        return step_explanations(table, channels, surprise, self.reasons(table), judgement)

    def _judged_by(self, table: pa.Table | pa.RecordBatch) -> tuple[Calibration, np.ndarray | None]:
        if self.calibration_.grouping_ is None:
            return self.calibration_, None
        entity = self.series_schema_.entity
        texts = pa.nulls(table.num_rows, pa.string()) if entity is None else _text(table.column(entity))
        return self.calibration_, np.array(texts.to_pylist(), object)

    def reasons(self, table: pa.Table | pa.RecordBatch) -> list[list[dict[str, Any]]]:
        """For each step row the channels that made it strange: column, contribution, value, typical."""
        channels = self.series_schema_.channels
        return channel_reasons(table, channels, OVER_CHANNELS, over_channels(surprise_matrix(table, channels)))

    def neighbours(self, table: pa.Table | pa.RecordBatch, k: int = 5) -> list[list[dict[str, Any]]]:
        """Nothing: a step by itself has no nearest normal rows."""
        return [[] for _ in range(table.num_rows)]

    @property
    def span_rules(self) -> SpanRules:
        """Alerts with fewer quiet steps between than a quarter of a window are one span; a single step is one too."""
        return SpanRules(max(1, self.scorer_.plan_.length // 4), 1)

    def spans(self, scored: pd.DataFrame, rules: SpanRules | None = None) -> pd.DataFrame:
        """Spans of alerted steps of what `score` gave: entity (if any), start, end, steps, peak, score, p_value, risk,
        channels (strongest first).

        start, end and peak are times; score is that of the peak, and p_value how rarely a normal block of one window's
        length reaches it; see `span_p_values`.
        """
        time, entity = self.series_schema_.time, self.series_schema_.entity
        needed = [time, "score", "alert", "reasons", *([entity] if entity else [])]
        lacking = [name for name in needed if name not in scored.columns]
        if lacking:
            raise UsageError("spans are found in what `score` gave", f"it lacks {lacking}", "give that frame")
        groups: Iterable[tuple[Any, pd.DataFrame]] = (
            scored.groupby(entity, sort=True) if entity else [(None, scored)])
        lines = [line | ({entity: name} if entity else {}) for name, part in groups
                 for line in self._spans_of(part.sort_values(time, kind="stable"), rules or self.span_rules)]
        columns = [*([entity] if entity else []), "start", "end", "steps", "peak", "score", "p_value", "risk",
                   "channels"]
        frame = pd.DataFrame(lines, columns=columns)
        if len(frame):
            frame["p_value"] = span_p_values(frame["score"], self.span_maxima_)
            frame["risk"] = risk(frame["p_value"])
        return frame

    def embed(self, rows: Any) -> pd.DataFrame:
        """One vector a window: entity (if any), start (time of its first step), embedding float32 (d,).

        The windows lie half a length apart; those with missing values are left out. The vector joins the first
        encoder's embeddings of the channels that moved in training, in their order.
        """
        table = self._array_table(rows) if isinstance(rows, np.ndarray) else read_rows(rows, self.series_schema_.base)
        grid = gridded(table, self.grid_, POOLED)
        lines: list[dict[str, Any]] = []
        for series, stretch in zip(grid.series, grid.stretches, strict=True):
            starts, vectors = self.scorer_.embed(stretch.values, stretch.entity)
            named = {} if series.entity is None else {self.series_schema_.entity: series.entity}
            lines += [named | {"start": self._instant(series.start_us + int(start) * self.grid_.step_us, table),
                               "embedding": vector} for start, vector in zip(starts, vectors, strict=True)]
        entity = self.series_schema_.entity
        return pd.DataFrame(lines, columns=[*([entity] if entity else []), "start", "embedding"])

    def drift_monitor(self) -> UnjudgedDrift:
        """A monitor that says that drift of series is not judged."""
        return UnjudgedDrift()

    def drift_of_stream(self, stream: Iterable[Batch], *, level: float = LEVEL) -> DriftVerdict:
        raise UsageError("drift is judged of rows that do not depend on each other", "these are steps of a series",
                         "compare the scores of weeks")

    def _read_steps(self, rows: Any, history: Any) -> tuple[pa.Table, Steps]:
        """Rows in any form that `score` takes, and their steps."""
        if isinstance(history, np.ndarray):
            history = self._array_table(history)
        if isinstance(rows, np.ndarray):
            rows = self._array_table(rows, 0 if history is None else len(history))
        table = read_rows(rows, self.series_schema_.base)
        return table, self.steps(table, None if history is None else read_rows(history, self.series_schema_.base))

    def _spans_of(self, part: pd.DataFrame, rules: SpanRules) -> list[dict[str, Any]]:
        """Spans of one entity, in order of time."""
        part = part[part["alert"]]  # a peak is alerted: quiet steps within a span have no reasons
        if not len(part):
            return []
        times = part[self.series_schema_.time]
        moved = np.minimum(np.diff(self._step_numbers(times)), rules.merge_gap + 1)  # more parts spans no further
        steps = np.append(0, np.cumsum(moved))
        alert, score = np.zeros(steps[-1] + 1, bool), np.full(steps[-1] + 1, part["score"].min())
        row_of = np.zeros(steps[-1] + 1, np.int64)
        alert[steps], score[steps], row_of[steps] = part["alert"], part["score"], np.arange(len(part))
        return [{"start": times.iloc[row_of[span.start]], "end": times.iloc[row_of[span.end]], "steps": len(span),
                 "peak": times.iloc[row_of[span.peak]], "score": score[span.peak],
                 "channels": _channels(part["reasons"].iloc[row_of[span.start]:row_of[span.end] + 1])}
                for span in find_spans(alert, score, rules)]

    def _step_numbers(self, times: pd.Series) -> np.ndarray:
        since = (times - times.iloc[0]).dt.total_seconds().to_numpy() * 1e6
        return np.rint(since / self.grid_.step_us).astype(np.int64)

    def require_scoring(self) -> None:
        """Score steps in which nothing happens; raises where that cannot be."""
        self.scorer_.score(np.zeros((TRIED_STEPS, len(self.series_schema_.channels))))

    def _own_channels(self, values: np.ndarray) -> np.ndarray:
        channels = as_channels(values)
        if channels.shape[1] != len(self.series_schema_.channels):
            raise UsageError(f"the detector knows {len(self.series_schema_.channels)} channels",
                             f"the array has {channels.shape[1]}", "give the channels of training, in their order")
        return channels

    def _array_table(self, values: np.ndarray, first: int = 0) -> pa.Table:
        """Rows a step apart from step `first` on."""
        channels = self._own_channels(values)
        kind = arrow_type(self.series_schema_.base[self.series_schema_.time])
        time = pa.array((first + np.arange(len(channels))) * self.grid_.step_us, kind)
        return pa.table({self.series_schema_.time: time} | {
            name: pa.array(channel, from_pandas=True)
            for name, channel in zip(self.series_schema_.channels, channels.T, strict=True)})

    def _instant(self, micros: int, table: pa.Table) -> Any:
        zone = table.schema.field(self.series_schema_.time).type.tz
        return pa.scalar(micros, pa.timestamp("us", zone)).as_py()


class UnjudgedDrift:
    """Counts rows, and says that drift of series is not judged."""

    def __init__(self) -> None:
        self.rows = 0

    def add(self, rows: pa.Table | pa.RecordBatch, scores: np.ndarray) -> None:
        self.rows += len(scores)

    def verdict(self, level: float = LEVEL) -> DriftVerdict:
        return DriftVerdict(Verdict.UNKNOWN, NOT_JUDGED, self.rows, 0, 1.0, 0.0, 0.0, (), ())


def _channels(reasons: pd.Series) -> list[str]:
    """Channels by their contributions to all steps that have reasons, strongest first."""
    total: dict[str, float] = {}
    for found in reasons:
        for reason in found if isinstance(found, list | np.ndarray) else []:
            total[reason["column"]] = total.get(reason["column"], 0.0) + reason["contribution"]
    return sorted(total, key=lambda name: -total[name])


def _text(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pc.cast(column, pa.string())
