"""Plain data (dicts, lists, scalars) with a part of it replaced by something else."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3.5, -0.0, 1e308, 1e-320, 2**31, 2**53 + 1, 2**63, -2**63 - 1, 10**30, "", " ",
    "x", "é",
    "\U0001f600", "a\nb", "numeric", "vector", "ignore", "$array", "/scorer", "nan", "9" * 300, "x" * 2_000, "[]",
    "{}", "null",
    "fixed_size_list<item: float>[2]", "timestamp[us, tz=Europe/Berlin]", "timestamp[us, tz=Nowhere/Else]", "int64",
    "../x",
)


def odd_value(rng: np.random.Generator) -> Any:
    """A scalar, or a small list or dict of them."""
    draw = rng.random()
    scalar = SCALARS[rng.integers(len(SCALARS))]
    if draw < 0.75:
        return scalar
    if draw < 0.85:
        return [SCALARS[i] for i in rng.integers(len(SCALARS), size=rng.integers(4))]
    if draw < 0.95:
        return {str(SCALARS[i]): scalar for i in rng.integers(len(SCALARS), size=rng.integers(4))}
    deep: Any = scalar
    for _ in range(int(rng.choice([20, 200]))):
        deep = [deep] if draw < 0.975 else {"x": deep}
    return deep


def changed(data: Any, rng: np.random.Generator) -> Any:
    """A copy in which one to three places are replaced, left out, doubled, renamed or exchanged."""
    data = copy.deepcopy(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        places = list(_places(data))
        if not places:
            return odd_value(rng)
        holder, key = places[rng.integers(len(places))]
        what = rng.integers(7)
        if what <= 3:
            holder[key] = odd_value(rng)
        elif what == 4:
            del holder[key]
        elif what == 5 and isinstance(holder, dict):
            holder[str(SCALARS[rng.integers(len(SCALARS))])] = holder.pop(key)
        else:
            other, its = places[rng.integers(len(places))]
            holder[key] = copy.deepcopy(other[its])
    return data


def _places(data: Any) -> Any:
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield data, key
        yield from _places(value)
