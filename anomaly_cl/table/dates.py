"""Dates and times written as text: ISO 8601, and the other forms that exports use, rewritten to ISO and cast.

The wall clock is what is read: a zone or an offset behind it ("Z", "+02:00") is cut off, because the hour of day at
the place of the record is what describes it. `parse_instants` reads it, for what needs instants.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.table.casting import cast_each, mask_of, null_where

MICROSECONDS = pa.timestamp("us")
_MONTHS = pa.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_CLOCK = (r"(?:(?:T|,? +)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
          r" ?(?P<half>(?i:am|pm))? ?(?:(?i:z|utc|gmt)|[+-]\d\d(?::?\d\d)?)?)?$")
_OFFSET = (r":\d\d(?:[.,]\d+)?(?: ?(?i:am|pm))? ?"
           r"(?:(?i:z|utc|gmt)|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?)$")
_DAY, _MONTH, _YEAR = r"(?P<day>\d{1,2})", r"(?P<month>\d{1,2})", r"(?P<year>\d{4}|\d{2})"
_NAMED = r"(?P<month>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))[a-z]*\.?"
_ANY_ORDER = (
    rf"^(?P<year>\d{{4}})[-/.]{_MONTH}[-/.]{_DAY}{_CLOCK}",
    rf"^(?:[A-Z][a-z]+,? )?{_DAY}[- ]{_NAMED}[- ,]+{_YEAR}{_CLOCK}",
    rf"^(?:[A-Z][a-z]+,? )?{_NAMED} {_DAY},? (?P<year>\d{{4}}){_CLOCK}",
)
_FORMS = {
    None: _ANY_ORDER,
    "dmy": (*_ANY_ORDER, rf"^{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}{_CLOCK}"),
    "mdy": (*_ANY_ORDER, rf"^{_MONTH}[-/.]{_DAY}[-/.]{_YEAR}{_CLOCK}"),
}


def parse_datetimes(words: pa.Array, order: str | None = None) -> tuple[pa.Array, np.ndarray]:
    """Trimmed text as timestamp[us], null where it names no day that exists, and a mask of those cells.

    `order` ("dmy" or "mdy") admits dates such as 3/4/2018; two-digit years are 1969 to 2068, as in POSIX strptime.

    >>> values, bad = parse_datetimes(pa.array(["2018-07-25T01:02:03+02:00", "25/7/18 1:02 PM", "31/2/2018"]), "dmy")
    >>> [str(value) for value in values], bad.tolist()
    (['2018-07-25 01:02:03', '2018-07-25 13:02:00', 'None'], [False, False, True])
    """
    try:
        return words.cast(MICROSECONDS), np.zeros(len(words), dtype=bool)
    except pa.ArrowInvalid:
        iso = pc.coalesce(*(_iso(words, form) for form in _FORMS[order]))
    values, impossible = cast_each(iso, MICROSECONDS)
    return values, impossible | (mask_of(words.is_valid()) & mask_of(iso.is_null()))


def parse_instants(words: pa.Array, order: str | None, zone: str) -> tuple[pa.Array, np.ndarray]:
    """The same as timestamp[us, zone]: instants, by the offset of each text, or by the wall clock of the zone.

    Where a clock shows a time twice the earlier is meant, and where it leaps over one the end of the leap.

    >>> values, bad = parse_instants(pa.array(["2018-07-25T01:02:03+02:00", "2018-07-25 01:02"]), None, "UTC")
    >>> [str(value) for value in values]
    ['2018-07-24 23:02:03+00:00', '2018-07-25 01:02:00+00:00']
    """
    wall, bad = parse_datetimes(words, order)
    offset = _offsets(words)
    said = pc.subtract(wall.cast(pa.int64()), offset).cast(pa.timestamp("us", zone))
    return pc.coalesce(said, in_zone(null_where(offset.is_valid(), wall), zone)), bad


def has_offsets(words: pa.Array) -> bool:
    """Whether any of the texts ends in an offset from UTC, behind a clock."""
    return _offsets(words).null_count < len(words)


def in_zone(wall: pa.Array, zone: str) -> pa.Array:
    """Instants timestamp[us, zone] of the wall clock of a zone."""
    return pc.assume_timezone(wall, zone, ambiguous="earliest", nonexistent="latest")


def _offsets(words: pa.Array) -> pa.Array:
    """Microseconds (rows,) from UTC to the wall clock of texts; null where they do not say."""
    found = pc.extract_regex(words, _OFFSET)
    hours, minutes = (pc.struct_field(found, name) for name in ("hours", "minutes"))
    hours, minutes = (pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64()) for text in (hours, minutes))
    sign = pc.if_else(pc.equal(pc.struct_field(found, "sign"), "-"), -1, 1)
    total = pc.multiply(sign, pc.add(pc.multiply(hours, 3_600_000_000), pc.multiply(minutes, 60_000_000)))
    return pc.if_else(found.is_valid(), total, pa.scalar(None, pa.int64()))


def _iso(words: pa.Array, form: str) -> pa.Array:
    """Cells of this form rewritten as YYYY-MM-DDTHH:MM:SS.ffffff; null elsewhere."""
    found = pc.extract_regex(words, form)
    part = {field.name: pc.struct_field(found, field.name) for field in found.type}
    year = pc.if_else(
        pc.equal(pc.utf8_length(part["year"]), 2),
        pc.binary_join_element_wise(pc.if_else(pc.less(part["year"], "69"), "20", "19"), part["year"], ""),
        part["year"],
    )
    named = pc.index_in(pc.utf8_lower(part["month"]), _MONTHS)
    month = pc.coalesce(pc.cast(pc.add(named, 1), pa.string()), part["month"])
    fraction = pc.utf8_rpad(pc.utf8_slice_codeunits(part["fraction"], 0, 6), 6, "0")
    month, day, hour, minute, second = (
        pc.utf8_lpad(text, 2, "0")
        for text in (month, part["day"], _hour(part["hour"], part["half"]), part["minute"], part["second"])
    )
    date = pc.binary_join_element_wise(year, month, day, "-")
    clock = pc.binary_join_element_wise(hour, minute, second, ":")
    return pc.binary_join_element_wise(date, "T", clock, ".", fraction, "")


def _hour(hour: pa.Array, half: pa.Array) -> pa.Array:
    """The hour of 24: 12 AM is 0, 1 PM is 13; 13 PM stays no hour of the clock."""
    number = pc.cast(pc.if_else(pc.equal(hour, ""), "0", hour), pa.int64())
    afternoon = pc.equal(pc.utf8_lower(half), "pm")
    number = pc.case_when(
        pc.make_struct(pc.equal(half, ""), pc.or_(pc.less(number, 1), pc.greater(number, 12)), pc.equal(number, 12)),
        number, 99, pc.if_else(afternoon, 12, 0), pc.if_else(afternoon, pc.add(number, 12), number),
    )
    return pc.cast(number, pa.string())
