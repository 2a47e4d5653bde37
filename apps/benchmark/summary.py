"""Results of many runs as tables of numbers: means over sets, halves of the sets, what failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd

from anomaly_cl.errors import InputError
from apps.benchmark.data import set_number
from apps.benchmark.results import Result

AREAS = {"auc_roc": "AUC-ROC", "auc_pr": "AUC-PR"}


def results_frame(results: Iterable[Result]) -> pd.DataFrame:
    """One line a result, sets in order of their numbers; raises InputError if there is none."""
    frame = pd.DataFrame([asdict(result) for result in results])
    if frame.empty:
        raise InputError("a report needs results", "found none", "run the benchmark first")
    numeric = ["share", *AREAS, "fit_seconds", "score_seconds"]
    frame[numeric] = frame[numeric].astype(float)
    frame["number"] = frame["data"].map(set_number)
    frame["seconds"] = frame["fit_seconds"] + frame["score_seconds"]
    return frame.sort_values(["number", "data", "model", "share", "seed"], ignore_index=True)


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """The results on the one-class split."""
    return frame[frame["share"].isna()]


def by_set(frame: pd.DataFrame, area: str) -> pd.DataFrame:
    """Mean over seeds (sets, models); NaN where a model has no result without an error."""
    done = frame[frame["error"] == ""]
    table = done.pivot_table(index="data", columns="model", values=area, aggfunc="mean")
    return table.reindex(index=frame["data"].unique(), columns=frame["model"].unique())


def means(frame: pd.DataFrame) -> pd.DataFrame:
    """One line a model, the best first, those that lack a run last: means over all sets and halves, seconds, counts."""
    areas = {area: by_set(frame, area) for area in AREAS}
    tables = next(iter(areas.values()))
    odd = np.array([set_number(name) % 2 == 1 for name in tables.index])
    lines = pd.DataFrame(index=tables.columns)
    for half, chosen in {"": np.ones(len(odd), bool), " odd": odd, " even": ~odd}.items():
        for area, name in AREAS.items():
            lines[name + half] = areas[area][chosen].mean()
    runs = frame.groupby("model")
    lines["median s"], lines["max s"] = runs["seconds"].median(), runs["seconds"].max()
    lines["sets"] = tables.notna().sum()
    lines["runs"], lines["failed"] = runs.size(), runs["error"].agg(lambda errors: int((errors != "").sum()))
    expected = frame[["data", "seed"]].drop_duplicates().shape[0]
    lines["complete"] = lines["runs"] - lines["failed"] == expected
    return lines.sort_values(["complete", "AUC-ROC"], ascending=False)


def unclean_means(frame: pd.DataFrame) -> pd.DataFrame:
    """One line a model: means over sets at each share of anomalies among the training rows."""
    unclean = frame[frame["share"].notna()]
    parts = {}
    for share, rows in unclean.groupby("share"):
        for area, name in AREAS.items():
            parts[f"{name} at {100 * float(str(share)):g} %"] = by_set(rows, area).mean()
    return pd.DataFrame(parts)
