"""Results of runs on series as tables of numbers: means by family and half, spread over seeds, gains of ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apps.benchmark.intervals import paired_bootstrap
from apps.benchmark.models import OURS
from apps.benchmark.series.protocol import family

FEWEST_COMPARED = 2  # series below which a difference says nothing


def by_series(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean over seeds (series by name, models in the order of their runs); NaN where a model has no result."""
    table = frame.pivot_table(index="series", columns="model", values=measure, aggfunc="mean")
    return table.reindex(index=sorted(frame["series"].unique()), columns=frame["model"].unique())


def parts_of(names: Sequence[str], folder: Sequence[str]) -> dict[str, np.ndarray]:
    """Which of these series {part: (series,) bool} are in each family, in all, and in each half of the folder.

    The halves are the even and the odd positions, from 0, in the sorted names of the whole folder.
    """
    families = np.array([family(name) for name in names])
    position = {name: number for number, name in enumerate(sorted(folder))}
    odd = np.array([position[name] % 2 == 1 for name in names], bool)
    return {**{each: families == each for each in sorted(set(families.tolist()))},
            "all": np.ones(len(names), bool), "even": ~odd, "odd": odd}


def means(frame: pd.DataFrame, folder: Sequence[str], published: pd.DataFrame | None) -> pd.DataFrame:
    """One line a model, measured and published, the best VUS-PR first, those that lack a series last.

    Columns: mean VUS-PR of each part, AUC-PR, AUC-ROC, spread over seeds, median seconds, number of series, failed
    runs, and whether there are all.
    """
    table = by_series(frame, "vus_pr")
    both = table if published is None else table.join(published)
    lines = pd.DataFrame({part: both[chosen].mean() for part, chosen in parts_of(list(table.index), folder).items()})
    for measure in ("auc_pr", "auc_roc"):
        lines[measure] = by_series(frame, measure).mean()
    lines["spread"] = seed_spread(frame)
    runs = frame.groupby("model")
    lines["seconds"] = runs["seconds"].median()
    lines["failed"] = runs["error"].agg(lambda errors: int((errors != "").sum()))
    lines["series"] = both.notna().sum()
    lines["complete"] = (lines["series"] == len(table)) & ~(lines["failed"] > 0)
    return lines.sort_values(["complete", "all"], ascending=False)


def seed_spread(frame: pd.DataFrame) -> pd.Series:
    """Standard deviation over seeds (models,) of the mean VUS-PR over series, of models with two seeds or more."""
    return frame.groupby(["model", "seed"])["vus_pr"].mean().groupby("model").std()


def differences(frame: pd.DataFrame, published: pd.DataFrame | None) -> pd.DataFrame:
    """One line a model beside ours: mean VUS-PR of ours less its own over the series of both, and its 95 % interval.

    No lines where ours has no result.
    """
    table = by_series(frame, "vus_pr")
    both = table if published is None else table.join(published)
    lines = []
    for name in both.columns.drop(OURS, errors="ignore") if OURS in both else ():
        pair = both[[OURS, name]].dropna()
        if len(pair) >= FEWEST_COMPARED:
            found = paired_bootstrap(pair[OURS], pair[name])
            lines.append({"model": name, **found._asdict(), "wins": int((pair[OURS] > pair[name]).sum()),
                          "losses": int((pair[OURS] < pair[name]).sum()), "series": len(pair)})
    return pd.DataFrame(lines, columns=["model", "mean", "low", "high", "wins", "losses", "series"])
