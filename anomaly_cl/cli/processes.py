"""Training in several processes, which Lightning starts: each runs the whole command, and only the first is heard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anomaly_cl.cli.screen import errors, output


def distributed_options(strategy: str | None, devices: str | None, nodes: int | None) -> dict[str, Any]:
    """The Trainer's options for what was given; devices are a number, "auto", or numbers such as "0,2"."""
    count: int | str | None = devices
    if devices is not None and devices.removeprefix("-").isdigit():
        count = int(devices)
    given = {"strategy": strategy, "devices": count, "num_nodes": nodes}
    return {name: value for name, value in given.items() if value is not None}


@contextmanager
def first_process_writes(out: Path, options: dict[str, Any]) -> Iterator[Path]:
    """Where this process writes: the first to `out`, the others to a folder that is gone in the end, saying nothing.

    All make the same model: Lightning keeps their weights equal, and the rest of `fit` is the same in each.
    """
    if not options:
        yield out
        return
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    if getattr(rank_zero_only, "rank", 0) == 0:
        yield out
        return
    output.quiet = errors.quiet = True
    with TemporaryDirectory(prefix="anomaly_cl-") as folder:
        yield Path(folder, out.name)
