"""The text of the query that sums up histories: over generated names only, and the same for DuckDB and Spark.

Each entity takes two steps: measures straight from its windows, then the statistics made of them. That way no step
carries the measures of the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MICROSECONDS_A_DAY = 86_400_000_000
IN_ORDER = "ORDER BY micros, key NULLS FIRST, row"
QUANTILES = {"median": 0.5, "q1": 0.25, "q3": 0.75}


@dataclass(frozen=True)
class Frame:
    """A window of earlier records: its name in SQL, its name for readers, order and bounds, and its quantiles."""

    code: str
    name: str
    bounds: str
    quantiles: tuple[str, ...] = ("median",)


PAST = Frame("past", "past", f"{IN_ORDER} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING", tuple(QUANTILES))


def last_rows(rows: int) -> Frame:
    return Frame("rows", f"{rows} rows", f"{IN_ORDER} ROWS BETWEEN {rows} PRECEDING AND 1 PRECEDING", tuple(QUANTILES))


def last_days(days: int) -> Frame:
    bounds = f"ORDER BY micros RANGE BETWEEN {days * MICROSECONDS_A_DAY} PRECEDING AND 1 PRECEDING"
    return Frame(f"d{days}", f"{days} day{'s' * (days > 1)}", bounds)


def history_query(table: str, entities: Sequence[str], amounts: Sequence[str], pairs: Iterable[tuple[str, str]],
                  frames: Sequence[Frame], first_row: int, outputs: Iterable[str]) -> str:
    """The whole query; `outputs` are the names of the columns that it gives beside `row`."""
    pairs = list(pairs)
    firsts = [_first_amount(e, a) for e in entities for a in amounts]
    clock = [f"{function}(hour * (pi() / 12)) AS hour_{function}" for function in ("sin", "cos")]
    steps = [
        _step("paired", [*clock, *firsts, *(_pair_count(*pair) for pair in pairs)], table),
        _step("deviating", [f"{a} - {e}_{a}_first AS {e}_{a}_off" for e in entities for a in amounts], "paired"),
    ]
    previous = "deviating"
    for e in entities:
        steps.append(_step(f"measured_{e}", _measures(e, amounts, frames), previous, _windows(e, frames)))
        made = _named(e, entity_statistics(e))
        for frame in frames:
            if frame is not PAST:
                made.append(f"{e}_{frame.code}_n AS {e}_count_{frame.code}")
            for a in amounts:
                made += _named(f"{e}_{a}", amount_statistics(e, a, frame), frame)
        steps.append(_step(f"finished_{e}", made, f"measured_{e}"))
        previous = f"finished_{e}"
    selected = _lines(["row", *outputs])
    return f"WITH {', '.join(steps)}\nSELECT {selected}\nFROM {previous} WHERE row >= {first_row} ORDER BY row"


def entity_statistics(e: str) -> dict[str, str]:
    """SQL, over the measures, of what is told of an entity's past apart from amounts."""
    n = f"{e}_past_n"
    return {
        "count": n,
        "since": f"{e}_last / 1e6",
        "age": f"{e}_start / 1e6",
        "hour_sin": f"CASE WHEN {n} > 0 THEN {e}_past_sin / {n} END",
        "hour_cos": f"CASE WHEN {n} > 0 THEN {e}_past_cos / {n} END",
    }


def amount_statistics(e: str, a: str, frame: Frame) -> dict[str, str]:
    """SQL, over the measures, of the statistics of an amount in a window.

    The variance is the mean square of the amounts less the square of their mean, both counted from zero or from the
    entity's first amount, whichever is nearer: digits are lost only where the mean is thousands of spreads away from
    both. What rounding leaves of it where all amounts are equal is cut off.
    """
    m = f"{e}_{a}_{frame.code}"
    n = f"{m}_n"
    from_zero, from_first = (f"({m}_{sort}_whole + {m}_{sort}_part) / {n} - ({m}_{sort} / {n}) * ({m}_{sort} / {n})"
                             for sort in ("sum", "off"))
    variance = f"CASE WHEN abs({m}_off) < abs({m}_sum) THEN {from_first} ELSE {from_zero} END"
    return {
        "n": n,
        "sum": f"coalesce({m}_sum, 0e0)",
        "mean": f"CASE WHEN {n} > 0 THEN {m}_sum / {n} END",
        "spread": f"CASE WHEN {m}_min = {m}_max THEN 0e0 WHEN {n} > 0 THEN sqrt(greatest({variance}, 0e0)) END",
        "max": f"{m}_max",
        **{quantile: f"{m}_{quantile}" for quantile in frame.quantiles},
    }


def _measures(e: str, amounts: Sequence[str], frames: Sequence[Frame]) -> list[str]:
    made = [
        f"micros - lag(micros) OVER {e}_order AS {e}_last",
        f"micros - min(micros) OVER {e}_past AS {e}_start",
        *(f"inexact(sum(exact(hour_{function})) OVER {e}_past) AS {e}_past_{function}" for function in ("sin", "cos")),
    ]
    for frame in frames:
        over = f"OVER {e}_{frame.code}"
        made.append(f"count(*) {over} AS {e}_{frame.code}_n")
        for a in amounts:
            m = f"{e}_{a}_{frame.code}"
            made += [
                f"count({a}) {over} AS {m}_n",
                *_sums(a, over, f"{m}_sum"),
                *_sums(f"{e}_{a}_off", over, f"{m}_off"),
                f"min({a}) {over} AS {m}_min",
                f"max({a}) {over} AS {m}_max",
                *(f"percentile({a}, {QUANTILES[name]}) {over} AS {m}_{name}" for name in frame.quantiles),
            ]
    return made


def _sums(value: str, over: str, name: str) -> list[str]:
    """Of the value, and of its square in two parts, since no 128 bits hold both ends of it."""
    parts = (f"inexact_{part}(sum(exact_{part}({value} * {value})) {over}) AS {name}_{part}"
             for part in ("whole", "part"))
    return [f"inexact(sum(exact({value})) {over}) AS {name}", *parts]


def _windows(e: str, frames: Sequence[Frame]) -> str:
    named = [f"{e}_{frame.code} AS ({partition_of(e)} {frame.bounds})" for frame in frames]
    return "WINDOW " + _lines([f"{e}_order AS ({partition_of(e)} {IN_ORDER})", *named])


def partition_of(e: str) -> str:
    """Records by entity; a record without the entity stands alone."""
    return f"PARTITION BY {e}, CASE WHEN {e} IS NULL THEN row END"


def _first_amount(e: str, a: str) -> str:
    """The entity's first amount that is not missing: no later record's history reads another one."""
    return (f"first_value({a}) OVER ({partition_of(e)} ORDER BY "
            f"CASE WHEN {a} IS NULL THEN 1 ELSE 0 END, micros, key NULLS FIRST, row) AS {e}_{a}_first")


def _pair_count(left: str, right: str) -> str:
    alone = f"CASE WHEN {left} IS NULL OR {right} IS NULL THEN row END"
    return (f"CASE WHEN {left} IS NOT NULL AND {right} IS NOT NULL THEN count(*) OVER "
            f"(PARTITION BY {left}, {right}, {alone} {PAST.bounds}) END AS {left}_{right}_count_past")


def _named(subject: str, statistics: dict[str, str], frame: Frame = PAST) -> list[str]:
    return [f"{text} AS {subject}_{statistic}_{frame.code}" for statistic, text in statistics.items()]


def _step(name: str, made: Sequence[str], source: str, windows: str = "") -> str:
    return f"{name} AS (SELECT {_lines(['*', *made])}\nFROM {source} {windows})"


def _lines(parts: Sequence[str]) -> str:
    return ",\n  ".join(parts)
