"""What the benchmark of events leaves behind: results.csv, events.md and a plot, events.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from apps.benchmark.events.history import HistoryCost
from apps.benchmark.events.plot import week_plot
from apps.benchmark.events.runs import EventJob, EventResult, read_results
from apps.benchmark.models import OURS
from apps.benchmark.provenance import machine, measured, mixed_programs, programs, seeds
from apps.benchmark.report import markdown, number

MEASURES = {"auc_roc": "AUC-ROC", "auc_pr": "AP", "card_precision": "CP@100", "recall_1": "recall 1",
            "recall_2": "recall 2", "recall_3": "recall 3", "auc_pr_13": "AP without 2"}
COSTS = {"fit_seconds": "fit s", "score_seconds": "score s", "peak_megabytes": "peak MB"}
PER_WEEK = ("auc_pr", "card_precision")
GROWTH = (("KNN-AMT5", "KNN-27"), (f"{OURS}-customer-amount-only", OURS))  # few columns, and many
VERSIONS = ("anomaly_cl", "pyod", "scikit-learn", "numpy", "duckdb", "lightgbm")
ABOUT = ("AP: average precision. CP@100: Card Precision at 100 cards a day. Recall of each kind of fraud at 100 alerts "
         f"a day. Seconds of {OURS} include the histories; the other runs read, as far as they can, what a run before "
         "has left, peers the columns that were computed once for all. Peak: of the process that fits and scores.")


def write_report(jobs: Sequence[EventJob], out: Path, cost: HistoryCost | None) -> Path:
    """Report on those of the jobs that have a result; the file of the report."""
    frame = results_frame(list(read_results(jobs)))
    frame.to_csv(out / "results.csv", index=False, float_format="%.6g")
    week_plot(by_week(frame, "auc_pr")).write_html(out / "events.html", include_plotlyjs="directory")
    parts = ["# Benchmark of events", _provenance(frame, cost), "## Means", ABOUT, _means_text(frame)]
    for measure in PER_WEEK:
        parts += [f"## {MEASURES[measure]} by the start of the training week", _weeks_text(frame, measure)]
    parts += [*_growth_text(frame), *_failures(frame)]
    (out / "events.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return out / "events.md"


def results_frame(results: Sequence[EventResult]) -> pd.DataFrame:
    """One line a result, in their order, the measures as columns; NaN where the run failed."""
    lines = []
    for result in results:
        line = asdict(result)
        judged = line.pop("judged") or {}
        recall = judged.pop("recall", {})
        lines.append(line | judged | {f"recall_{kind}": value for kind, value in recall.items()})
    frame = pd.DataFrame(lines)
    return frame.reindex(columns=list(dict.fromkeys([*frame, *MEASURES, *COSTS])))


def by_week(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean over seeds (models, weeks); NaN where a model has no result."""
    table = frame.pivot_table(index="model", columns="week", values=measure, aggfunc="mean")
    return table.reindex(index=frame["model"].unique(), columns=sorted(frame["week"].unique()))


def means(frame: pd.DataFrame) -> pd.DataFrame:
    """One line a model, the highest AP first, those that lack a week last: means over weeks, and how many these are."""
    lines = pd.DataFrame({measure: by_week(frame, measure).mean(axis=1) for measure in (*MEASURES, *COSTS)})
    lines["weeks"] = by_week(frame, "auc_pr").notna().sum(axis=1)
    return lines.sort_values(["weeks", "auc_pr"], ascending=False)


def growth(frame: pd.DataFrame) -> pd.DataFrame:
    """What more columns cost: AP with few and with many, over the weeks that have both, and the loss in percent."""
    table, lines = by_week(frame, "auc_pr"), []
    for few, many in GROWTH:
        if few in table.index and many in table.index:
            pair = table.loc[[few, many]].dropna(axis=1)
            before, after = pair.mean(axis=1)
            lines.append({"few": few, "many": many, "weeks": pair.shape[1], "AP few": before, "AP many": after,
                          "loss %": 100 * (1 - after / before)})
    return pd.DataFrame(lines)


def _means_text(frame: pd.DataFrame) -> str:
    rows = ([str(name), *(number(line[measure], 3) for measure in MEASURES),
             *(number(line[each], 1) for each in COSTS), str(int(line["weeks"]))]
            for name, line in means(frame).iterrows())
    return markdown(["model", *MEASURES.values(), *COSTS.values(), "weeks"], rows)


def _weeks_text(frame: pd.DataFrame, measure: str) -> str:
    table = by_week(frame, measure)
    return markdown(["model", *map(str, table)],
                    ([str(name), *(number(value, 3) for value in line)] for name, line in table.iterrows()))


def _growth_text(frame: pd.DataFrame) -> list[str]:
    lines = growth(frame)
    if lines.empty:
        return []
    rows = ([line["few"], line["many"], str(line["weeks"]), number(line["AP few"], 3), number(line["AP many"], 3),
             number(line["loss %"], 1)] for line in lines.to_dict("records"))
    return ["## What more columns cost", markdown(list(map(str, lines)), rows)]


def _provenance(frame: pd.DataFrame, cost: HistoryCost | None) -> str:
    lines = [
        f"{measured(frame)}; {seeds(frame)}; each run in a process of its own, one thread, two for histories",
        programs(name for name in VERSIONS if name != "lightgbm" or find_spec(name)),
        f"{machine()}; load average before a run: median {frame['load'].median():.1f}, at most "
        f"{frame['load'].max():.1f}",
        *([cost.in_words()] if cost else []), *mixed_programs(frame),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _failures(frame: pd.DataFrame) -> list[str]:
    failed = frame[frame["error"] != ""]
    if failed.empty:
        return []
    rows = ([line["model"], line["week"], str(line["seed"]), " ".join(line["error"].split())[:200]]
            for line in failed.to_dict("records"))
    return ["## Failed runs", markdown(["model", "week", "seed", "error"], rows)]
