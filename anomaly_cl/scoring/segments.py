"""Which calibration rows a row of a segment is compared with: Mondrian categories (Vovk et al. 2005, section 4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError, UsageError

POOLED, WHOLE = "(small segments)", "(all rows)"


@dataclass(frozen=True)
class Segments:
    """The categories that come of the calibration rows' segments.

    A segment of at least `smallest` rows, the row to be judged counted in, is a category of its own. All other rows,
    those of small, unseen or missing segments, form one category together. Both are settled by the segments alone,
    in a way that treats the judged row like the calibration rows; so p-values are super-uniform within each category
    (a segment one row short of `smallest` is therefore compared with itself, yet stays in the pool for the others).
    If even the pool is short of `smallest` rows, its rows are compared with all rows: right for rows at large, with
    no promise for these few.

    `codes` (n,) int32 give each calibration row's place in `labels`, sorted; -1 where the segment is missing.
    """

    labels: tuple[str, ...]
    codes: np.ndarray
    smallest: int

    @classmethod
    def of(cls, segments: ArrayLike, n_rows: int, smallest: int) -> Segments:
        """From the calibration rows' segments (n_rows,), texts or None; raises InputError or UsageError."""
        if smallest < 1:
            raise UsageError("the smallest segment has 1 row or more", f"it is {smallest!r}", "raise smallest_segment")
        values = segment_values(segments, n_rows)
        labels = tuple(sorted({value for value in values if value is not None}))
        position: dict[str | None, int] = {label: i for i, label in enumerate(labels)} | {None: -1}
        return cls(labels, np.array([position[value] for value in values], np.int32), smallest)

    @property
    def counts(self) -> np.ndarray:
        """Calibration rows (labels,) of each label."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels))

    @property
    def own(self) -> np.ndarray:
        """Mask (labels,) of the labels that are categories of their own."""
        return self.counts + 1 >= self.smallest

    def members(self) -> dict[str, np.ndarray]:
        """Masks (n,) of the calibration rows of each category, by its name."""
        names = self.compared_with(self.labels)
        members = {name: self.codes == i for i, name in enumerate(names) if self.own[i]}
        if self._other == POOLED:
            members[POOLED] = self._pool
        return members

    def compared_with(self, values: Iterable[str | None]) -> list[str]:
        """The name of the category of each row: its segment, `POOLED` or `WHOLE`."""
        known = {label: label for label, own in zip(self.labels, self.own, strict=True) if own}
        other = self._other
        return [other if value is None else known.get(value, other) for value in values]

    def summary(self) -> list[dict[str, Any]]:
        """For each label, most rows first, and last for missing and unseen ones (None): rows, and compared with."""
        counted = sorted(zip(self.counts.tolist(), self.labels, strict=True), key=lambda line: -line[0])
        rows: list[tuple[int, str | None]] = [*counted, (int((self.codes < 0).sum()), None)]
        names = self.compared_with(label for _, label in rows)
        return [{"segment": label, "rows": n, "compared_with": name}
                for (n, label), name in zip(rows, names, strict=True)]

    @property
    def _pool(self) -> np.ndarray:
        small = np.append(self.counts < self.smallest, True)  # the last place is that of code -1
        return small[self.codes]

    @property
    def _other(self) -> str:
        return POOLED if self._pool.sum() + 1 >= self.smallest else WHOLE

    def to_state(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "codes": self.codes, "smallest": self.smallest}


def segment_values(segments: ArrayLike, n_rows: int) -> list[str | None]:
    """Segments (n_rows,) as texts, None where missing (None or NaN); raises InputError for anything else."""
    values = np.asarray(segments, dtype=object)
    if values.shape != (n_rows,):
        raise InputError("each score has one segment", f"{n_rows} scores, segments of shape {values.shape}",
                         "give the segment column of the same rows")
    texts = [None if value is None or value != value else value for value in values.tolist()]
    if strange := [value for value in texts if not (value is None or isinstance(value, str))]:
        raise InputError("a segment is a text, or None where it is missing", f"found {strange[0]!r}",
                         "give texts, for example by str()")
    return texts
