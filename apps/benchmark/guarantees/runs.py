"""Lines of measurements kept in a CSV file as they are made, so that a run that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def measure_undone(
    file: Path, key: Sequence[str], wanted: Sequence[tuple[Any, ...]],
    line: Callable[[tuple[Any, ...]], dict[str, Any] | list[dict[str, Any]]],
) -> pd.DataFrame:
    """The lines of the wanted keys; those of keys that the file has none of are made by `line` and added to it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=[*key])
    done = set(frame[[*key]].itertuples(index=False, name=None))
    for one in wanted:
        if one in done:
            continue
        found = line(one)
        added = pd.DataFrame(found if isinstance(found, list) else [found])
        frame = added if frame.empty else pd.concat([frame, added], ignore_index=True)
        frame.to_csv(file, index=False)
    asked = pd.MultiIndex.from_frame(frame[[*key]]).isin(pd.MultiIndex.from_tuples(wanted))
    return frame[asked].reset_index(drop=True)
