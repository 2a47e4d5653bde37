"""What is counted of a column before its role is proposed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.schema import Kind
from anomaly_cl.table.kinds import Reading
from anomaly_cl.table.trend import ENOUGH_ROWS

_NEARLY = 0.99
_CODE = r"^[A-Za-z]{0,4}[-_]?\d{3,}$"  # C000123
_LONG_CODE = r"^(?:\{?[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\}?|[0-9a-fA-F]{24,})$"  # UUID, hash


@dataclass(frozen=True)
class Profile:
    """A named column with counts of its values, each computed when first asked for."""

    name: str
    reading: Reading

    @property
    def kind(self) -> Kind | None:
        return self.reading.kind

    @cached_property
    def present(self) -> pa.Array:
        return self.reading.values.drop_null()

    @cached_property
    def n_distinct(self) -> int:
        return pc.count_distinct(self.present).as_py()

    @cached_property
    def is_constant(self) -> bool:
        extremes = pc.min_max(self.present)
        return extremes["min"] == extremes["max"]

    @cached_property
    def floats(self) -> np.ndarray:
        """The values as float64, shape (n_rows,), NaN where missing."""
        return as_floats(self.reading.values)

    @cached_property
    def is_integral(self) -> bool:
        """Whether all values are whole numbers."""
        values = self.floats[~np.isnan(self.floats)]
        return self.kind is Kind.NUMERIC and bool(np.isfinite(values).all() and (values == np.floor(values)).all())

    @property
    def is_small(self) -> bool:
        """Too few rows for counts to mean much."""
        return len(self.reading.values) < ENOUGH_ROWS

    @property
    def is_unique(self) -> bool:
        """Whether no value comes twice."""
        return self.n_distinct == len(self.present)

    @property
    def is_nearly_unique(self) -> bool:
        return self.n_distinct >= _NEARLY * len(self.present)

    @property
    def share_distinct(self) -> float:
        return self.n_distinct / len(self.present)

    @cached_property
    def is_numbered(self) -> bool:
        """Whether unique whole numbers look given out rather than measured: with few gaps, or long and equally so."""
        values = np.abs(self.floats[~np.isnan(self.floats)])
        if not self.is_integral or not self.is_unique or self.is_small:
            return False
        digits = np.floor(np.log10(np.maximum(values, 1))) + 1
        return bool(np.ptp(values) < 1.5 * len(values)) or bool(digits.min() >= 7 and digits.min() == digits.max())

    @cached_property
    def is_coded(self) -> bool:
        """Whether nearly all texts are codes such as C000123."""
        return self._share_like(_CODE) > 0.9

    @cached_property
    def is_hashed(self) -> bool:
        """Whether nearly all texts are UUIDs or hashes."""
        return self._share_like(_LONG_CODE) > 0.9

    @cached_property
    def words_per_cell(self) -> float:
        return float(np.mean(pc.add(pc.count_substring_regex(self.present, r"\s+\S"), 1)))

    @cached_property
    def characters_per_cell(self) -> float:
        return float(pc.mean(pc.utf8_length(self.present)).as_py())

    def _share_like(self, pattern: str) -> float:
        return float(pc.mean(pc.cast(pc.match_substring_regex(self.present, pattern), pa.float64())).as_py())


def as_floats(values: pa.Array) -> np.ndarray:
    """Numbers, or times in microseconds, as float64 with NaN for null."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return np.array(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
