"""What each method says of the planted rows of each data set, a line a row, kept as it is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from anomaly_cl.detectors.tabular import TabularDetector
from apps.benchmark.data import one_class_split, read_set, set_number
from apps.benchmark.explanations.measures import deletion_areas, hit_first, hit_share, nearest_normal, ranked
from apps.benchmark.explanations.methods import SHAP, Method, Scene
from apps.benchmark.explanations.planting import Normals, Planted, plant_all
from apps.benchmark.guarantees.runs import measure_undone
from apps.benchmark.models import source_digest

FILE = "explanations.csv"
KEY = ["data", "seed", "model"]
FEW = 1  # rows of each kind and count that SHAP, which is slow, explains


class Case(NamedTuple):
    """A scene, the rows planted in it, and the normal rows that are nearest to these."""

    scene: Scene
    planted: Planted
    nearest: np.ndarray


@lru_cache(maxsize=1)
def case(file: Path, seed: int) -> Case:
    """A detector of default settings, fitted to normal rows of a data set, and rows planted among the others."""
    X, y = read_set(file)
    split = one_class_split(y, seed)
    normals = Normals(X[split.train], X[split.test][y[split.test] == 0])
    detector = TabularDetector(random_state=seed).fit(normals.learned)

    def p_value(rows: np.ndarray) -> np.ndarray:
        return detector.calibration_.p_value(detector.decision_function(rows))

    planted = plant_all(p_value, normals, [seed, set_number(file.stem)])
    return Case(Scene(detector, normals.learned, seed), planted, nearest_normal(planted.rows, normals.learned))


def explained(name: str, method: Method, made: Case) -> list[dict[str, Any]]:
    """A line for each row that the method explains: what was planted, the measures, and CPU seconds a row."""
    planted = made.planted
    which = np.flatnonzero(planted.places < FEW) if name == SHAP else np.arange(len(planted.rows))
    rows, mask = planted.rows[which], planted.mask[which]
    start = time.process_time()
    contributions = method(made.scene, rows)
    seconds = (time.process_time() - start) / len(rows)
    order = ranked(contributions)
    areas = deletion_areas(made.scene.detector.decision_function, rows, order, made.nearest[which])
    about = {"code": source_digest("anomaly_cl"), "date": date.today().isoformat(), "seconds": seconds}
    lines = []
    for i, first, share, area in zip(which, hit_first(order, mask), hit_share(order, mask), areas, strict=True):
        kind, count = str(planted.kinds[i]), int(planted.counts[i])
        noticed, tried = planted.found[kind, count]
        lines.append({"kind": kind, "columns": count, "place": int(planted.places[i]), "hit1": first, "hit3": share,
                      "area": area, "noticed": noticed, "tried": tried, **about})
    return lines


def measure(
    files: Sequence[Path], seeds: Sequence[int], methods: dict[str, Method], out: Path, say: Callable[[str], None],
    shap_seeds: int = 1,
) -> pd.DataFrame:
    """The lines of each data set, seed and method, kept in `FILE`; what is in it is not measured again.

    SHAP explains with the first seeds only, as many as `shap_seeds`.
    """
    by_name = {file.stem: file for file in files}

    def lines(key: tuple[Any, ...]) -> list[dict[str, Any]]:
        data, seed, name = key
        found = explained(name, methods[name], case(by_name[data], seed))
        means = pd.DataFrame(found)[["hit1", "hit3", "area", "seconds"]].mean()
        say(f"{data} seed {seed} {name}: {len(found)} rows, hit@1 {means['hit1']:.3f}  hit@3 {means['hit3']:.3f}  "
            f"deletion {means['area']:.3f}  {100 * means['seconds']:.1f} s per 100 rows")
        return [dict(zip(KEY, key, strict=True)) | line for line in found]

    wanted = [(data, seed, name) for seed in seeds for data in by_name for name in methods
              if name != SHAP or seed in seeds[:shap_seeds]]
    wanted.sort(key=lambda key: key[2] == SHAP)  # the slow one last, so that the others are there early
    return measure_undone(out / FILE, KEY, wanted, lines)
