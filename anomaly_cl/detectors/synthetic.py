"""Synthetic anomalies as rows of a table, so that features, encoders and heads of all sorts see the same records."""

from __future__ import annotations

from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.errors import UsageError
from anomaly_cl.features.numeric import NumericEncoder
from anomaly_cl.features.table_encoder import EncodedRows, TableEncoder
from anomaly_cl.schema import Kind
from anomaly_cl.views.negatives import (
    ClusterNegative,
    DependencyNegative,
    LocalNegative,
    MarginalNegative,
    Negative,
    strange_copies,
)

KINDS: dict[str, Negative] = {
    "local": LocalNegative(), "marginal": MarginalNegative(), "dependency": DependencyNegative(),
    "few values": DependencyNegative(rate=0.1), "cluster": ClusterNegative(),
}
SPACE = "robust"  # where numbers move
MARK = 2.0**-30  # tells rows apart in an output of its own, exact in float32 and too small to be a distance


def synthetic_rows(kind: str, rows: pa.Table, bank: pa.Table, encoder: TableEncoder, seed: int) -> pa.Table:
    """Strange copies of normal rows, of one of KINDS (see `anomaly_cl.views.negatives`), reproducible from the seed.

    `bank` are normal rows that say what is normal, and whose values may be taken over; the encoder knows both. Numbers
    move in the robust space (whole ones stay whole), or are taken over as they are where only dependencies break.
    Values of all other kinds are taken over, missing ones too, but "marginal" draws categories evenly from those of the
    bank and one that it lacks, and leaves times, texts and vectors alone, whose usual values are no extremes. "few
    values" is "dependency" for a tenth of the columns, but at least one: hard to find, as anomalies that matter often
    are. Copies that the encoder cannot tell from their row are left out.
    """
    if kind not in KINDS:
        raise UsageError(f"kinds of synthetic anomalies are {list(KINDS)}", f"found {kind!r}", "choose one of them")
    negative = KINDS[kind]
    here, there = encoder.transform(rows), encoder.transform(bank)
    moving = [isinstance(known, NumericEncoder) and not isinstance(negative, DependencyNegative)
              for known in encoder.encoders_.values()]
    before, column_of = _marked(here, np.zeros(len(here)), encoder, moving)
    after = strange_copies(negative, before, _marked(there, 1 + np.arange(len(there)), encoder, moving)[0], column_of,
                           seed)
    rng, altered = np.random.default_rng(seed), rows
    for column, name in enumerate(encoder.learned_names_):
        last = np.flatnonzero(column_of == column)[-1]
        own, others = (_plain(table, name) for table in (rows, bank))
        if moving[column]:
            known = encoder.encoders_[name]
            assert isinstance(known, NumericEncoder)
            values = _numbers(own, others, known, before[:, last], after[:, last])
        else:
            donors = np.rint(after[:, last] / MARK).astype(int) - 1
            if not isinstance(negative, MarginalNegative):
                values = _taken(own, others, donors)
            elif encoder.schema[name].kind is Kind.CATEGORICAL:
                values = _evenly(own, others, donors >= 0, rng)
            else:
                values = own
        altered = altered.set_column(altered.schema.get_field_index(name), altered.schema.field(name), values)
    differs = (encoder.transform(altered).spaces[SPACE] != here.spaces[SPACE]).any(axis=1)
    return altered.filter(pa.array(differs))


def _marked(
    encoded: EncodedRows, marks: np.ndarray, encoder: TableEncoder, moving: list[bool]
) -> tuple[np.ndarray, np.ndarray]:
    """What negatives alter, float32 (rows, width), and the column of each output.

    A number that moves is a single output (at the median, if it is missing). Any other column is its block and the mark
    of its row, which goes with the values when they are taken over.
    """
    parts, columns = [], []
    for column, moves in enumerate(moving):
        block = encoded.spaces[SPACE][:, encoder.column_of_ == column]
        parts.append(block[:, :1] if moves else np.column_stack([block, MARK * marks]))
        columns += [column] * parts[-1].shape[1]
    return np.hstack(parts).astype(np.float32), np.array(columns)


def _plain(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()


def _numbers(
    own: pa.Array, others: pa.Array, known: NumericEncoder, before: np.ndarray, after: np.ndarray
) -> pa.Array:
    """The own numbers, moved where the robust ones differ; whole if all of the others are."""
    values = known.from_robust(after)
    present = others.drop_null().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if (present == np.rint(present)).all():
        values = np.rint(values)
    return pc.if_else(pa.array(after != before), _cast(values, own.type), own)


def _cast(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Values as numbers of this type, at its ends where they are beyond."""
    if pa.types.is_integer(kind):
        ends = np.iinfo(kind.to_pandas_dtype())
        below, above = values <= float(ends.min), values >= float(ends.max)
        whole = np.where(below | above, 0, values).astype(kind.to_pandas_dtype())
        return pa.array(np.where(above, ends.max, np.where(below, ends.min, whole)), kind)
    if pa.types.is_floating(kind):
        largest = float(np.finfo(kind.to_pandas_dtype()).max)
        values = np.clip(values, -largest, largest)
    return pa.array(values).cast(kind, safe=False)


def _taken(own: pa.Array, others: pa.Array, donors: np.ndarray) -> pa.Array:
    """The value of each row's donor among the others, or the own one where the donor is below 0."""
    return pa.concat_arrays([own, others]).take(np.where(donors < 0, np.arange(len(own)), len(own) + donors))


def _evenly(own: pa.Array, others: pa.Array, chosen: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """The own categories, those chosen replaced evenly by the others' distinct ones and, if text, one never seen."""
    pool = others.unique()
    if pa.types.is_string(own.type) or pa.types.is_large_string(own.type):
        seen = set(pool.to_pylist())
        unseen = next(text for text in map("unseen {}".format, count()) if text not in seen)
        pool = pa.concat_arrays([pool, pa.array([unseen], own.type)])
    return _taken(own, pool, np.where(chosen, rng.integers(len(pool), size=len(own)), -1))
