"""Series as a screen shows them: thinned, whole or around a span of alerted steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from anomaly_cl.alerts.identity import entity_text
from anomaly_cl.alerts.json_values import json_value
from anomaly_cl.alerts.models import Signal
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.series_scorer import over_channels
from anomaly_cl.detectors.series_table import surprise_matrix
from anomaly_cl.features.records import numbered

WHOLE = 2_000  # points of a whole series
AROUND = 1_500  # points around a span
SIDE = 1.5  # windows on each side of a span
CHANNELS = 12  # of the steps around a span: those that made it strange, the strongest first
DIGITS = 6  # significant ones
PIECE = 65_536


@dataclass(frozen=True)
class Bins:
    """Steps (n,) in runs of about equal length: where each begins, and after which of them a long gap follows."""

    starts: np.ndarray
    gap_after: np.ndarray

    @classmethod
    def of(cls, moved: np.ndarray, longest_gap: int, most: int) -> Bins:
        """At most so many bins and gaps together, given how many steps (n - 1,) each step lies behind the last."""
        n, gaps = len(moved) + 1, np.flatnonzero(moved > longest_gap + 1)
        n_bins = min(n, max(most // 2, most - len(gaps)))
        starts = np.unique(np.arange(n_bins) * n // n_bins)
        gap_after = np.zeros(len(starts), bool)
        gap_after[np.searchsorted(starts, gaps, side="right") - 1] = True
        gap_after[-1] = False  # nothing follows: the gap is within the last one
        return cls(starts, gap_after)

    def drawn(self, values: np.ndarray) -> list[float | None]:
        """A number a bin (bins,), and None after each that a long gap follows, so that no line is drawn over it."""
        return _with_gaps([None if np.isnan(value) else float(f"{value:.{DIGITS}g}") for value in values.tolist()],
                          self.gap_after)

    def times(self, times: pa.ChunkedArray) -> list[Any]:
        """The time of each bin's first step, None at gaps; given the times of all steps."""
        return _with_gaps(json_value(times.take(pa.array(self.starts)).to_pylist()), self.gap_after)

    def low(self, values: np.ndarray) -> list[float | None]:
        """The least of each bin's values (n,)."""
        return self.drawn(np.fmin.reduceat(values, self.starts))

    def high(self, values: np.ndarray) -> list[float | None]:
        """The greatest of each bin's values (n,)."""
        return self.drawn(np.fmax.reduceat(values, self.starts))

    def strangest(self, score: np.ndarray) -> np.ndarray:
        """The step (bins,) of each bin with the greatest score (n,), the first of equal ones."""
        ends = np.append(self.starts[1:], len(score))
        return np.array([start + int(np.argmax(score[start:end]))
                         for start, end in zip(self.starts, ends, strict=True)], np.int64)


def _with_gaps(values: list[Any], gap_after: np.ndarray) -> list[Any]:
    if not gap_after.any():
        return values
    return [each for value, gap in zip(values, gap_after.tolist(), strict=True)
            for each in ([value, None] if gap else [value])]


class StepSignals:
    """Scored steps by entity and time, ready to be drawn.

    A long gap is one that the model does not score over.
    """

    def __init__(self, detector: SeriesDetector, rows: pa.Table):
        series = detector.series_schema_
        self.detector, self.series, self.rows = detector, series, rows
        self.micros = self._micros(rows.column(series.time)).to_numpy()
        if series.entity is None:
            self.names, codes = [""], np.zeros(rows.num_rows, np.int64)
        else:
            values, codes = numbered(rows.column(series.entity))
            self.names = [str(entity_text(value)) for value in values.to_pylist()]
        self.order = np.lexsort((self.micros, codes))
        self.bounds = np.searchsorted(codes[self.order], np.arange(len(self.names) + 1))

    def whole(self, entities: Sequence[str], run_id: str) -> Iterator[Signal]:
        """The whole series of these entities: low and high of each channel, and the largest score, of each bin."""
        for name in entities:
            steps = self._steps(name)
            bins, channels = self._bins(steps, WHOLE), {}
            for channel in self.series.channels:
                values = _floats(self.rows.column(channel).take(pa.array(steps)))
                channels[channel] = {"low": bins.low(values), "high": bins.high(values)}
            times = self.rows.column(self.series.time).take(pa.array(steps))
            points = {"time": bins.times(times), "channels": channels, "surprise": bins.high(self._score(steps))}
            yield Signal(run_id=run_id, entity=name, points=points)

    def around(self, entity: str, span: Any) -> dict[str, Any]:
        """The steps around a span, a line of `SeriesDetector.spans`: values and surprise of its strongest channels.

        Of a long stretch the strangest step of each bin is kept.
        """
        start, end = self._micros(pa.array([span["start"], span["end"]], self.rows.schema.field(self.series.time).type)
                                  ).to_pylist()
        side = round(SIDE * self.detector.scorer_.plan_.length) * self.detector.grid_.step_us
        steps = self._steps(entity)
        first, last = np.searchsorted(self.micros[steps], [start - side, end + side + 1])
        steps = steps[first:last]
        surprise = surprise_matrix(self.rows.take(pa.array(steps)), self.series.channels)
        bins = self._bins(steps, AROUND)
        kept = bins.strangest(over_channels(surprise))
        part, shown = self.rows.take(pa.array(steps[kept])), list(span["channels"])[:CHANNELS]
        return {
            "time": _with_gaps(json_value(part.column(self.series.time).to_pylist()), bins.gap_after),
            "channels": {name: bins.drawn(_floats(part.column(name))) for name in shown},
            "surprise": {name: bins.drawn(surprise[kept, self.series.channels.index(name)]) for name in shown},
        }

    def _micros(self, times: pa.Array | pa.ChunkedArray) -> Any:
        zone = getattr(times.type, "tz", None)
        return times.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())

    def _score(self, steps: np.ndarray) -> np.ndarray:
        """Scores (n,) of rows by position, in pieces: all of them together have as many numbers as the series."""
        return np.concatenate([
            over_channels(surprise_matrix(self.rows.take(pa.array(steps[start:start + PIECE])), self.series.channels))
            for start in range(0, len(steps), PIECE)])

    def _steps(self, entity: str) -> np.ndarray:
        """Positions of an entity's rows, by time."""
        code = self.names.index(entity)
        return self.order[self.bounds[code]:self.bounds[code + 1]]

    def _bins(self, steps: np.ndarray, most: int) -> Bins:
        moved = np.rint(np.diff(self.micros[steps]) / self.detector.grid_.step_us)
        return Bins.of(moved, self.detector.grid_.longest_gap, most)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
