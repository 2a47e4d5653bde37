"""What a benchmark leaves behind: results.csv, table.md, per_set.md and two plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from apps.benchmark.models import OURS
from apps.benchmark.plots import critical_difference_plot, is_ablation, per_set_plot
from apps.benchmark.provenance import machine, measured, mixed_programs, programs, seeds
from apps.benchmark.ranks import Friedman, compare, critical_difference, friedman, holm
from apps.benchmark.results import read_results
from apps.benchmark.summary import AREAS, by_set, clean, means, results_frame, unclean_means
from apps.benchmark.svg import write_svg

VERSIONS = ("anomaly_cl", "pyod", "scikit-learn", "numpy", "scipy", "torch", "pytorch-lightning")
FEWEST_RANKED = 2  # sets, and models, below which ranks say nothing


def write_report(out: Path) -> None:
    """Read all results of the folder and write the report beside them; raises InputError if there is none."""
    frame = results_frame(read_results(out))
    frame.assign(warnings=frame["warnings"].map("; ".join)).drop(columns="number").to_csv(
        out / "results.csv", index=False, float_format="%.6g")
    parts = ["# Tabular benchmark", _provenance(frame)]
    on_clean = clean(frame)
    if len(on_clean):
        roc = by_set(on_clean, "auc_roc")
        parts += ["## Models", _means_text(on_clean), *_versus_ours(roc), *_ranking(roc, out)]
        (out / "per_set.md").write_text(_per_set(on_clean), encoding="utf-8")
        _write_plot(per_set_plot(roc), out / "per_set")
    if frame["share"].notna().any():
        parts += ["## Anomalies left among the training rows", _unclean_text(frame)]
    parts += failures(frame)
    (out / "table.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column left, the others right.

    >>> print(markdown(["model", "area"], [["KNN", "87.1"]]))
    | model | area |
    | :-- | --: |
    | KNN | 87.1 |
    """
    rule = [":--"] + ["--:"] * (len(header) - 1)
    escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in (header, rule, *rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


def _provenance(frame: pd.DataFrame) -> str:
    lines = [f"{measured(frame)}; {frame['data'].nunique()} data sets, {seeds(frame)}, one thread a run",
             programs(VERSIONS), machine(), *mixed_programs(frame)]
    return "\n".join(f"- {line}" for line in lines)


def _means_text(frame: pd.DataFrame) -> str:
    lines = means(frame)
    areas = [name for name in map(str, lines) if name.startswith(tuple(AREAS.values()))]
    n_sets = frame["data"].nunique()
    table = markdown(
        ["model", *areas, "median s", "max s", "sets", "failed runs"],
        ([_mark(name) + ("" if line["complete"] else " *"), *(number(line[area]) for area in areas),
          number(line["median s"]), number(line["max s"]), f"{line['sets']} of {n_sets}", str(line["failed"])]
         for name, line in zip(map(str, lines.index), lines.to_dict("records"), strict=True)),
    )
    about = ("Means over data sets of the mean over seeds, in percent; odd and even: by the number before a set's "
             "name; seconds: fit and score of one run.")
    note = "\\* lacks or failed runs: its means are over the others, and not to be compared with the rest."
    return "\n\n".join([about, table] + ([] if lines["complete"].all() else [note]))


def _versus_ours(roc: pd.DataFrame) -> list[str]:
    others = [name for name in map(str, roc.dropna(axis=1)) if name != OURS]
    if OURS not in roc.dropna(axis=1) or not others or len(roc) < FEWEST_RANKED:
        return []
    found = [compare(roc[OURS].to_numpy(), roc[name].to_numpy()) for name in others]
    adjusted = holm(np.array([one.p_value for one in found]))
    gains = roc[OURS].mean() - roc[others].mean()
    rows = ([name, f"{gains[name]:+.2f}", f"{one.wins}/{one.ties}/{one.losses}", f"{p:.2g}"]
            for name, one, p in zip(others, found, adjusted, strict=True))
    return [f"## {OURS} against each, AUC-ROC over sets",
            "p: Wilcoxon's signed-rank test, Holm's correction (Demšar 2006).\n\n"
            + markdown(["model", "mean gain", "wins/ties/losses", "p"], rows)]


def _ranking(roc: pd.DataFrame, out: Path) -> list[str]:
    ranked = roc.drop(columns=[name for name in map(str, roc) if is_ablation(name)]).dropna(axis=1)
    n_sets, n_models = ranked.shape
    if min(n_sets, n_models) < FEWEST_RANKED:
        return []
    found: Friedman = friedman(ranked.to_numpy())
    difference = critical_difference(n_sets, n_models)
    ranks = pd.Series(found.mean_ranks, ranked.columns)
    _write_plot(critical_difference_plot(ranks, difference), out / "critical_difference")
    return ["## Ranks",
            f"Friedman's test over {n_sets} sets and {n_models} models, ablations left out (Iman and Davenport's F): "
            f"{found.statistic:.2f}, p = {found.p_value:.2g}. Nemenyi's critical difference at 5 %: {difference:.2f}.",
            "![Mean ranks; a bar joins models that do not differ](critical_difference.svg)"]


def _per_set(frame: pd.DataFrame) -> str:
    parts = ["# Each data set"]
    for area, name in AREAS.items():
        table = by_set(frame, area)
        rows = ([str(data), *(_best(value, line.max()) for value in line)] for data, line in table.iterrows())
        parts += [f"## {name}, %, mean over seeds", markdown(["data", *map(str, table)], rows)]
    return "\n\n".join([*parts, "![AUC-ROC of each data set](per_set.svg)"]) + "\n"


def _unclean_text(frame: pd.DataFrame) -> str:
    lines = unclean_means(frame)
    found = frame[(frame["share"] > 0) & (frame["error"] == "")]
    actual = (100 * found["anomalies_in_training"] / found["rows"]).groupby(found["share"]).mean()
    had = ", ".join(f"{share:.2f} % at {100 * float(str(asked)):g} %" for asked, share in actual.items())
    rows = ([_mark(str(name)), *map(number, line)] for name, line in lines.iterrows())
    return ("Half of the anomalies are set aside to train, the other half is tested, at every share; "
            f"small sets have fewer anomalies than asked for (mean shares reached: {had}).\n\n"
            + markdown(["model", *lines.columns], rows))


def failures(frame: pd.DataFrame) -> list[str]:
    """A heading and a table of the runs that ended in an error, if there are any."""
    failed = frame[frame["error"] != ""]
    if failed.empty:
        return []
    rows = ([line["model"], line["data"], str(line["seed"]), " ".join(line["error"].split())[:200]]
            for _, line in failed.iterrows())
    return ["## Failed runs", markdown(["model", "data", "seed", "error"], rows)]


def _write_plot(figure: go.Figure, stem: Path) -> None:
    figure.write_html(stem.with_suffix(".html"), include_plotlyjs="directory")
    write_svg(figure, stem.with_suffix(".svg"))


def number(value: float, digits: int = 2) -> str:
    """A number with so many decimals; a dash where there is none."""
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def _best(value: float, best: float) -> str:
    return f"**{value:.2f}**" if value == best else ("failed" if np.isnan(value) else f"{value:.2f}")


def _mark(name: str) -> str:
    return f"**{name}**" if name == OURS else name
