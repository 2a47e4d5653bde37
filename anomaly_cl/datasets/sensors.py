"""Readings of simulated machines: several channels that follow one load, with anomalies of named kinds among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from scipy.signal import lfilter

from anomaly_cl.datasets.population import Floats, Ints
from anomaly_cl.datasets.sensor_anomalies import CELL, KINDS, SENSOR_ANOMALIES, Span, plan_anomalies
from anomaly_cl.datasets.stream import instant, share, stream, whole_number

# Name with unit, usual value, one standard unit of movement, decimals of a reading, direction under load.
CHANNELS = (
    ("bearing_temperature_c", 62.0, 3.0, 2, 1),
    ("vibration_mm_s", 3.2, .25, 3, 1),
    ("motor_current_a", 41.0, 3.5, 2, 1),
    ("oil_pressure_bar", 5.1, .22, 3, -1),
    ("speed_rpm", 1480.0, 18.0, 1, -1),
    ("coolant_flow_l_min", 118.0, 5.0, 2, 1),
    ("power_kw", 27.0, 2.2, 2, 1),
    ("humidity_percent", 44.0, 3.0, 2, -1),
)
_LOAD_MEMORY = .98  # autocorrelation of what the load does beside its routine
_LOAD_WANDER = .35
_NOISE = .2  # measuring noise, beside the channel's own wander of .5
_WANDER = .5
_BLOCK_VALUES = 2**20  # readings held at a time, whatever the number of machines and channels (but for one cell)
_ALL = slice(None)


def simulate_sensors(
    rows: int, seed: int, *, machines: int = 4, channels: int = 6, anomaly_share: float = .02,
    autocorrelation: float = .9, step_seconds: int = 300, start: object = "2026-01-01", batch_rows: int = 65_536,
) -> pa.RecordBatchReader:
    """Exactly `rows` readings, one row a machine and step, ordered by time and machine, as record batches.

    Columns: `measured_at`, the entity `machine`, one column a channel (unit in its name), and for evaluation
    `is_anomaly` (0/1) with `anomaly_kind` (one of SENSOR_ANOMALIES) and `anomaly_channel`, null where normal. Channels
    follow the machine's load (shifts, weekends), the time of day, and a wander of their own with `autocorrelation`
    from one step to the next. About `anomaly_share` of the rows are anomalous; with 0, the same seed gives the same
    readings without anomalies.

    Made block by block while it is read. The same arguments give the same bytes on every machine; `batch_rows` changes
    only where batches are cut. Raises UsageError for arguments that cannot be meant.
    """
    rows, seed, machines, channels, step_seconds, batch_rows = (
        whole_number(name, value, least) for name, value, least in (
            ("rows", rows, 1), ("seed", seed, 0), ("machines", machines, 1), ("channels", channels, 1),
            ("step_seconds", step_seconds, 1), ("batch_rows", batch_rows, 1),
        )
    )
    anomaly_share = share("anomaly_share", anomaly_share, .1)
    memory = share("autocorrelation", autocorrelation, .999)
    for_plant, for_plan, for_blocks = np.random.SeedSequence(seed).spawn(3)
    plant = _build(machines, channels, memory, step_seconds, instant("start", start), _generator(for_plant))
    steps = -(-rows // machines)
    plan = plan_anomalies(steps, machines, channels, anomaly_share, _generator(for_plan))
    return stream(plant.schema, _blocks(plant, plan, steps, for_blocks), rows, batch_rows)


def sensors_table(
    rows: int, seed: int, *, machines: int = 4, channels: int = 6, anomaly_share: float = .02,
    autocorrelation: float = .9, step_seconds: int = 300, start: object = "2026-01-01",
) -> pa.Table:
    """The rows of `simulate_sensors` in one table."""
    return simulate_sensors(
        rows, seed, machines=machines, channels=channels, anomaly_share=anomaly_share,
        autocorrelation=autocorrelation, step_seconds=step_seconds, start=start,
    ).read_all()


@dataclass(frozen=True)
class _Plant:
    """Constants of machines (m,) and of their channels (m, c); `decimals` (c,)."""

    start: np.datetime64
    step_seconds: int
    memory: float
    names: tuple[str, ...]
    decimals: Ints
    late: Floats
    base: Floats
    unit: Floats
    to_load: Floats
    to_day: Floats
    warmest: Floats

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([
            ("measured_at", pa.timestamp("s")), ("machine", pa.string()),
            *((name, pa.float64()) for name in self.names),
            ("is_anomaly", pa.int8()), ("anomaly_kind", pa.string()), ("anomaly_channel", pa.string()),
        ])

    @property
    def machines(self) -> pa.Array:
        return pa.array([f"machine-{number + 1:02d}" for number in range(len(self.late))])

    def shifts(self, step: Ints, m: slice = _ALL) -> Floats:
        """Planned load of machines, 0..1: two shifts on weekdays, little at weekends; (steps, m)."""
        hour = self._hours(step)[:, None] - self.late[m]
        working = 1 / (1 + np.exp(-2 * (hour % 24 - 6))) - 1 / (1 + np.exp(-2 * (hour % 24 - 22)))
        return np.where(hour // 24 % 7 < 5, working, .25 * working)

    def daytime(self, step: Ints, m: slice = _ALL, c: slice = _ALL) -> Floats:
        """What channels show because of the time of day, in units; (steps, m, c)."""
        hour = self._hours(step)[:, None, None]
        return self.to_day[m, c] * np.cos(2 * np.pi * (hour - self.warmest[m, c]) / 24)

    def routine(self, step: Ints, m: int, c: int) -> Floats:
        """What one channel shows because of the clock alone, in its unit of measure; (steps,)."""
        row, column = slice(m, m + 1), slice(c, c + 1)
        planned = self.to_load[m, c] * self.shifts(step, row)[:, 0]
        return self.unit[m, c] * (planned + self.daytime(step, row, column)[:, 0, 0])

    def _hours(self, step: Ints) -> Floats:
        """Hours since a Monday at midnight."""
        seconds = (self.start - np.datetime64("2018-01-01T00:00:00")).astype(np.int64)
        return (seconds + step * self.step_seconds) / 3600


def _build(
    machines: int, channels: int, memory: float, step_seconds: int, start: np.datetime64, rng: np.random.Generator
) -> _Plant:
    chosen = [CHANNELS[c % len(CHANNELS)] for c in range(channels)]
    rounds = [c // len(CHANNELS) for c in range(channels)]
    size = (machines, channels)
    return _Plant(
        start=start, step_seconds=step_seconds, memory=memory,
        names=tuple(f"{kind[0]}_{turn + 1}" if turn else kind[0] for kind, turn in zip(chosen, rounds, strict=True)),
        decimals=np.array([kind[3] for kind in chosen]),
        late=rng.normal(0, .5, machines),
        base=np.array([kind[1] for kind in chosen]) * rng.normal(1, .03, size),
        unit=np.array([kind[2] for kind in chosen]) * rng.lognormal(0, .1, size),
        to_load=np.array([kind[4] for kind in chosen]) * rng.uniform(.8, 1.8, channels) * rng.normal(1, .05, size),
        to_day=rng.uniform(.3, 1.0, channels) * rng.normal(1, .05, size),
        warmest=rng.uniform(12, 18, channels) + rng.normal(0, .2, size),
    )


def _blocks(plant: _Plant, plan: np.ndarray, steps: int, seed: np.random.SeedSequence) -> Iterator[pa.RecordBatch]:
    machines, channels = plant.base.shape
    cells = max(_BLOCK_VALUES // (machines * channels * CELL), 1)
    start_rng = _generator(seed.spawn(1)[0])
    load_state: Floats = start_rng.standard_normal((machines,)) * _LOAD_MEMORY
    own_state: Floats = start_rng.standard_normal((machines, channels)) * plant.memory
    for first in range(0, steps, cells * CELL):
        for_load, for_own, for_noise, for_anomalies = (_generator(child) for child in seed.spawn(4))
        step = np.arange(first, min(first + cells * CELL, steps))
        wander, load_state = _autoregressive(for_load, len(step), load_state, _LOAD_MEMORY)
        own, own_state = _autoregressive(for_own, len(step), own_state, plant.memory)
        load = plant.to_load * (plant.shifts(step) + _LOAD_WANDER * wander)[..., None]
        noise = _NOISE * for_noise.standard_normal((len(step), machines, channels))
        clean = plant.base + plant.unit * (load + plant.daytime(step) + _WANDER * own + noise)
        here = plan[np.searchsorted(plan["cell"], first // CELL):np.searchsorted(plan["cell"], first // CELL + cells)]
        yield _batch(plant, step, *_inject(plant, here, step, clean, plant.unit * load, for_anomalies))


def _autoregressive(
    rng: np.random.Generator, steps: int, state: Floats, memory: float
) -> tuple[Floats, Floats]:
    """First-order autoregression of variance 1 along axis 0, continued from `state`; the new state beside it."""
    shocks = np.sqrt(1 - memory**2) * rng.standard_normal((steps, *state.shape))
    path, after = lfilter([1.0], [1.0, -memory], shocks, axis=0, zi=state[None])
    return path, after[0]


def _inject(
    plant: _Plant, plan: np.ndarray, step: Ints, clean: Floats, load: Floats, rng: np.random.Generator
) -> tuple[Floats, Ints, Ints]:
    """Readings with the anomalies in them, and for each step and machine kind and channel (-1 where normal)."""
    values = clean.copy()
    kind, channel = np.full((2, *clean.shape[:2]), -1)
    alter = [function for _, function in KINDS.values()]
    for one in plan:
        m, c = int(one["machine"]), int(one["channel"])
        begin = int(one["cell"]) * CELL + int(one["first"]) - int(step[0])
        rows = slice(begin, begin + int(one["length"]))
        span = Span(
            clean=clean[rows, m, c],
            before=float(clean[max(begin - 1, 0), m, c]),
            noise=float(plant.unit[m, c] * np.hypot(_WANDER, _NOISE)),
            load=load[rows, m, c],
            load_spread=float(plant.unit[m, c] * abs(plant.to_load[m, c]) * .5),
            routine=partial(_later, plant, step[rows], m, c),
            steps_a_day=86_400 / plant.step_seconds,
        )
        values[rows, m, c] = alter[one["kind"]](span, rng)
        kind[rows, m], channel[rows, m] = one["kind"], c
    return values, kind, channel


def _later(plant: _Plant, step: Ints, m: int, c: int, steps: int) -> Floats:
    return plant.routine(step + steps, m, c)


def _batch(plant: _Plant, step: Ints, values: Floats, kind: Ints, channel: Ints) -> pa.RecordBatch:
    machines = len(plant.late)
    seconds = (step * plant.step_seconds).astype("timedelta64[s]")
    kind, channel = kind.ravel(), channel.ravel()
    normal = kind < 0
    columns = [
        pa.array((plant.start + seconds).repeat(machines)),
        plant.machines.take(pa.array(np.tile(np.arange(machines), len(step)))),
        # Readings have the decimals of a real sensor; this also hides last-bit differences between processors.
        *(pa.array(np.round(values[..., c].ravel(), decimals)) for c, decimals in enumerate(plant.decimals)),
        pa.array((~normal).astype(np.int8)),
        pa.array(SENSOR_ANOMALIES).take(pa.array(kind, mask=normal)),
        pa.array(plant.names).take(pa.array(channel, mask=normal)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=plant.schema)


def _generator(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))
