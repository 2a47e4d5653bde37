"""The command `speed`: simulated rows, measurements in processes of their own, and the report."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from apps.benchmark.models import source_digest
from apps.benchmark.speed.contenders import Ours
from apps.benchmark.speed.data import Rows
from apps.benchmark.speed.plan import REFERENCE, Asked, Run
from apps.benchmark.speed.report import write_report
from apps.benchmark.speed.watched import Watched, on_cores, watch

FILE = "speed.jsonl"
COMMAND = "from anomaly_cl.cli import main; main()"


@dataclass(frozen=True)
class Place:
    """Folders of the results and of the simulated rows, and how alerts are cut (None: by default)."""

    out: Path
    data: Path
    policy: str | None = None

    def model(self, run: Run) -> Path:
        return self.out / "models" / f"{run.contender.name.removeprefix('ours, ')}-{run.columns}"

    @property
    def scored(self) -> Path:
        return self.out / "scored" / "scored.parquet"

    @property
    def result(self) -> Path:
        return self.out / "result.json"


def measure_speed(asked: Asked, place: Place, cores: int, say: Callable[[str], None]) -> Path:
    """Do the runs that the results lack, one process at a time, and tell of each; the path of the report."""
    place.out.mkdir(parents=True, exist_ok=True)
    file = place.out / FILE
    done = {(line["part"], line["contender"], line["rows"], line["columns"], line["repeat"]) for line in read(file)
            if not line["error"]}
    planned = list(asked.runs())
    say(f"{len(planned)} runs, {sum(run.key in done for run in planned)} of them done before")
    about = {"date": date.today().isoformat(), "code": source_digest("anomaly_cl")[:12], "cores": cores,
             "policy": place.policy or "alpha=0.01"}
    try:
        with on_cores(cores):
            for number, run in enumerate(planned, 1):
                if run.key in done and (run.part != "model" or place.model(run).exists()):
                    continue
                line = about | _line(run, place)
                with file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(line) + "\n")
                say(f"[{number}/{len(planned)}] {in_words(line)}")
    finally:  # a run that is stopped has a report of what it did
        report = write_report(place.out, read(file)) if file.exists() else file
    return report


def read(file: Path) -> list[dict[str, Any]]:
    """The results so far: of each measurement the last."""
    lines = [json.loads(text) for text in file.read_text("utf-8").splitlines()] if file.exists() else []
    return list({(line["part"], line["contender"], line["rows"], line["columns"], line["repeat"]): line
                 for line in lines}.values())


def in_words(line: dict[str, Any]) -> str:
    """One measurement, as it is told while the benchmark runs."""
    told = line["error"] or (f"{line['rate']:,.0f} rows/s ({line['done']:,} rows in {line['seconds']:.2f} s, "
                             f"{line['cpu']:.2f} s of computing), peak {line['peak']:,.0f} MB")
    return (f"{line['part']}, {line['contender']}, {line['rows']:,} rows, {line['columns']} columns: {told}; "
            f"load average before {line['load']:.1f}")


def _line(run: Run, place: Place) -> dict[str, Any]:
    """What one measurement found; `seconds` are those of the work alone, for commands those of the whole process."""
    arguments = _arguments(run, place)  # rows are simulated here, outside of what is measured
    place.result.unlink(missing_ok=True)
    load = os.getloadavg()[0]
    watched = watch(arguments)
    line: dict[str, Any] = {
        "part": run.part, "contender": run.contender.name, "rows": run.rows, "columns": run.columns,
        "repeat": run.repeat, "load": load, "error": "", "peak": watched.peak, "peak_private": watched.peak_private,
        "process_seconds": watched.seconds, "curve": watched.curve}
    if watched.exit_code:
        last = (watched.said.strip().splitlines() or ["nothing was said"])[-1]
        return line | {"error": f"exit code {watched.exit_code}: {last}"}
    return line | _work(run, place, watched)


def _work(run: Run, place: Place, watched: Watched) -> dict[str, Any]:
    if run.part == "command":
        found: dict[str, Any] = {"work_seconds": watched.seconds, "work_cpu": watched.cpu, "scored": run.rows}
    else:
        found = json.loads(place.result.read_text("utf-8"))
    done = found.get("scored", run.rows)
    return {"done": done, "seconds": found["work_seconds"], "cpu": found["work_cpu"],
            "rate": done / found["work_seconds"],
            **{name: found[name] for name in ("load_seconds", "alerts", "bank") if name in found}}


def _arguments(run: Run, place: Place) -> list[str]:
    """The command line of a measurement; its input is there."""
    normal = run.part in ("model", "fit")
    file = Rows(run.rows, run.columns, normal=normal).file(place.data)
    if run.part == "command":
        policy = [] if place.policy is None else ["--alerts-at", place.policy]
        return [sys.executable, "-c", COMMAND, "score", str(place.model(run)), str(file),
                "--out", str(_emptied(place.scored)), *policy]
    task: dict[str, Any] = {"file": str(file), "result": str(place.result)}
    if isinstance(run.contender, Ours):
        if normal:
            task |= {"task": "fit_ours", "settings": run.contender.settings,
                     "model": str(place.model(run)) if run.part == "model" else None}
        else:
            task |= {"task": "score_ours", "model": str(place.model(run)), "out": str(_emptied(place.scored)),
                     "policy": place.policy}
    elif normal:
        task |= {"task": "fit_peer", "peer": run.contender.name}
    else:
        reference = Rows(REFERENCE, run.columns, normal=True).file(place.data)
        task |= {"task": "score_peer", "peer": run.contender.name, "reference": str(reference),
                 "most_rows": run.contender.most_rows}
    return [sys.executable, "-m", "apps.benchmark.speed.task", json.dumps(task)]


def _emptied(scored: Path) -> Path:
    """The name of a file in a folder that is empty: what an earlier run left takes neither disk nor time."""
    shutil.rmtree(scored.parent, ignore_errors=True)
    scored.parent.mkdir(parents=True)
    return scored
