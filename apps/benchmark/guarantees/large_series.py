"""Memory and time that a long series of many channels takes, from an array and from a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.errors import InputError
from apps.benchmark.events.memory import peak_megabytes
from apps.benchmark.workers import run_tasks

FILE = "series-memory.csv"
PERIOD = 144  # steps: a day of readings every ten minutes
STEP_US = 600_000_000
NOISE = 0.3
CHUNK = 100_000  # steps made at once
ARRAY, COMMAND = "array", "anomaly-cl score"
FIT, MODEL, INPUT, SCORED = "fit", "model", "series.parquet", "scored.parquet"


@dataclass(frozen=True)
class LargeTask:
    """What a process of its own does: `FIT` a model, or score new steps by it, as an `ARRAY` or by the `COMMAND`."""

    way: str
    folder: Path
    normal_steps: int
    new_steps: int
    channels: int
    seed: int = 0


def readings(steps: int, channels: int, seed: int) -> Iterator[np.ndarray]:
    """A wave with noise in each channel, (up to CHUNK, channels) at a time."""
    phases = np.random.default_rng(0).random(channels)  # of the machine, the same for all seeds
    rng = np.random.default_rng([seed, 1])
    for first in range(0, steps, CHUNK):
        at = np.arange(first, min(first + CHUNK, steps))
        yield np.sin(2 * np.pi * (at[:, None] / PERIOD + phases)) + NOISE * rng.standard_normal((len(at), channels))


def write_readings(path: Path, steps: int, channels: int, seed: int) -> None:
    """A Parquet file with a time and the channels."""
    schema = pa.schema([("at", pa.timestamp("us")), *((f"c{number}", pa.float64()) for number in range(channels))])
    first = 0
    with pq.ParquetWriter(path, schema) as writer:
        for part in readings(steps, channels, seed):
            times = pa.array((first + np.arange(len(part))) * STEP_US, pa.timestamp("us"))
            writer.write_table(pa.table([times, *(pa.array(column) for column in part.T)], schema=schema))
            first += len(part)


def done(task: LargeTask) -> dict[str, Any]:
    """A line: seconds of the work, and the most memory that the process took, its start and the data included."""
    way = {FIT: _fit, ARRAY: _score_array, COMMAND: _score_file}[task.way]
    seconds = way(task)
    steps = task.normal_steps if task.way == FIT else task.new_steps
    about = {name: value for name, value in asdict(task).items() if name != "folder"}
    return about | {"seconds": seconds, "steps a second": steps / seconds, "peak_megabytes": peak_megabytes()}


def measure(
    normal_steps: int, new_steps: int, channels: int, out: Path, say: Callable[[str], None]
) -> pd.DataFrame:
    """Fit, and score in both ways, each in a process of its own of one thread; the lines are kept in `FILE`."""
    lines = []
    with TemporaryDirectory(prefix="anomaly_cl-") as folder:
        write_readings(Path(folder) / INPUT, new_steps, channels, 1)
        for way in (FIT, ARRAY, COMMAND):
            task = LargeTask(way, Path(folder), normal_steps, new_steps, channels)
            for _, line in run_tasks(_told, [task], 1, lambda _, reason: reason):
                if isinstance(line, str):
                    raise InputError("each way of scoring ends", f"{way}: {line}", "give fewer steps or channels")
                say(f"{way}: {line['seconds']:.0f} s, {line['peak_megabytes']:,.0f} MB")
                lines.append(line)
    out.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(lines)
    frame.to_csv(out / FILE, index=False)
    return frame


def _told(task: LargeTask) -> dict[str, Any] | str:
    try:
        return done(task)
    except Exception as error:  # told by the parent, in its words
        return f"{type(error).__name__}: {error}"


def _fit(task: LargeTask) -> float:
    from anomaly_cl.detectors.series import SeriesDetector

    write_readings(task.folder / "normal.parquet", task.normal_steps, task.channels, 0)
    start = time.perf_counter()
    SeriesDetector(time="at").fit(task.folder / "normal.parquet").save(task.folder / MODEL)
    return time.perf_counter() - start


def _score_array(task: LargeTask) -> float:
    from anomaly_cl.detectors.loading import load

    values = np.empty((task.new_steps, task.channels))
    for number, part in enumerate(readings(task.new_steps, task.channels, 1)):
        values[number * CHUNK:number * CHUNK + len(part)] = part
    detector: Any = load(task.folder / MODEL)
    start = time.perf_counter()
    detector.decision_function(values)
    return time.perf_counter() - start


def _score_file(task: LargeTask) -> float:
    from anomaly_cl.cli.app import app

    start = time.perf_counter()
    with redirect_stdout(StringIO()):
        app(["score", str(task.folder / MODEL), str(task.folder / INPUT), "--out", str(task.folder / SCORED)],
            standalone_mode=False)
    return time.perf_counter() - start
