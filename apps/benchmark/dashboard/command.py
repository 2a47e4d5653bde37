"""The command `dashboard`: the store, the measurements and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from anomaly_cl.alerts.store import open_store
from apps.benchmark.dashboard.building import built
from apps.benchmark.dashboard.pages import make_importable, page_times
from apps.benchmark.dashboard.report import write
from apps.benchmark.dashboard.timing import Statements, Took, plan, warm

FILE = "dashboard.csv"
SLOW = 1.0  # seconds, from which a statement's plan is printed


def measure_dashboard(out: Path, alerts: int, say: Callable[[str], None], *, plans: bool = False) -> Path:
    """Time pages, queries and writes on a store of so many alerts; the path of the report.

    With `plans`, how SQLite answers each slow query is said too.
    """
    file = built(out, alerts, say)
    make_importable()
    size, lines = file.stat().st_size / 1e6, []
    for line in _lines(file, alerts, say if plans else None):
        named = ", ".join(filter(None, [line["part"], line["what"], line["of"]]))
        say(f"{named}: {line['cpu']:.3f} s of computing, {line['seconds']:.3f} s on the clock")
        lines.append({"date": date.today().isoformat(), "alerts": alerts, "megabytes": size} | line)
    frame = pd.DataFrame(lines)
    frame.to_csv(out / FILE, index=False, float_format="%.4f")
    return write(out / "benchmark-dashboard.md", frame)


def _lines(file: Path, alerts: int, say: Callable[[str], None] | None) -> Iterator[dict[str, Any]]:
    from apps.benchmark.dashboard.questions import Known, of_queue, others
    from apps.benchmark.dashboard.visits import visits
    from apps.benchmark.dashboard.writes import write_times

    with open_store(file) as store:
        engine = store.engine
        known = Known.of(engine)
        for name, script, heading, parameters in visits(engine, known):
            first, second = page_times(file, script, heading, parameters)
            yield _line("page", name, "", first) | {"again_cpu": second.cpu, "again": second.wall}
        asked = [(name, what, question) for name, what, question in of_queue(engine, known)]
        asked += [(name, "", question) for name, question in others(engine, known)]
        for name, what, question in asked:
            found = warm(question)
            yield _line("query", name, what, found)
            if say is not None and found.cpu >= SLOW:
                with Statements().of(engine) as statements:
                    question()
                for statement, parameters in statements.asked:
                    say("\n".join([statement, *plan(engine, statement, parameters)]))
    for name, found in write_times(file, known, alerts):
        yield _line("write", name, "", found)


def _line(part: str, what: str, of: str, found: Took) -> dict[str, Any]:
    return {"part": part, "what": what, "of": of, "cpu": found.cpu, "seconds": found.wall}
