"""What the benchmark of series leaves behind: results.csv as it runs, series.md and per_series.csv in the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anomaly_cl.errors import InputError
from apps.benchmark.intervals import RESAMPLES
from apps.benchmark.models import OURS
from apps.benchmark.provenance import machine, measured, mixed_programs, programs, seeds
from apps.benchmark.report import markdown, number
from apps.benchmark.series.runs import KEY, MEASURES, RESULTS, SeriesJob, read_results
from apps.benchmark.series.summary import by_series, differences, means

VERSIONS = ("anomaly_cl", "pyod", "scikit-learn", "numpy", "torch")
PUBLISHED = "published: "
ABOUT = ("Means over series of the mean over seeds, the first columns VUS-PR. even, odd: halves by the position in the "
         "sorted names of the folder. spread: standard deviation over seeds of the mean over all. s: median of fit and "
         "score of one series. KMeansAD, Sub-PCA, TimeSeriesOD-KNN, MatrixProfile and SpectralResidual learn from the "
         "series that they score, -prefix and all others from its normal prefix.")
INCOMPLETE = "\\* lacks series: its means are over the others, and not to be compared with the rest."


def read_published(file: Path) -> pd.DataFrame:
    """VUS-PR (series, methods) of a CSV file with columns series, family and one a method; InputError for another."""
    if not file.is_file():
        raise InputError("published figures are a CSV file", f"there is no {file}", "correct the path")
    frame = pd.read_csv(file)
    if "series" not in frame or frame["series"].duplicated().any():
        raise InputError("published figures have a column series, each of them once", f"{file} has not", "correct it")
    figures = frame.set_index("series").drop(columns="family", errors="ignore")
    if text := [str(name) for name in figures if not pd.api.types.is_numeric_dtype(figures[name])]:
        raise InputError("published figures are numbers", f"{file} has others in {text}", "correct it")
    return figures.add_prefix(PUBLISHED)


def write_report(jobs: Sequence[SeriesJob], folder: Sequence[str], published: pd.DataFrame | None, out: Path) -> Path:
    """Report on those of the jobs that have a result; the file of the report, or the folder where none has."""
    asked = pd.MultiIndex.from_tuples([job.key for job in jobs])
    frame = read_results(out / RESULTS)
    frame = frame[pd.MultiIndex.from_frame(frame[KEY]).isin(asked)]
    if frame.empty:
        return out
    order = {name: number for number, name in enumerate(dict.fromkeys(job.name for job in jobs))}
    frame = frame.sort_values("model", key=lambda names: names.map(order), kind="stable")
    per_series(frame, published).to_csv(out / "per_series.csv", float_format="%.6g")
    parts = ["# Benchmark of series", _provenance(frame), "## Means", ABOUT, _means_text(frame, folder, published),
             *_differences_text(frame, published), *_failures(frame)]
    (out / "series.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return out / "series.md"


def per_series(frame: pd.DataFrame, published: pd.DataFrame | None) -> pd.DataFrame:
    """One line a series: family, and columns <model> <measure>, means over seeds; published figures at the end."""
    tables = [by_series(frame, measure).add_suffix(f" {measure}") for measure in MEASURES]
    lines = pd.concat([frame.groupby("series")["family"].first(), *tables], axis=1)
    return lines if published is None else lines.join(published)


def _means_text(frame: pd.DataFrame, folder: Sequence[str], published: pd.DataFrame | None) -> str:
    lines = means(frame, folder, published)
    numbers = [name for name in map(str, lines) if name not in ("seconds", "failed", "series", "complete")]
    titles = {"all": "VUS-PR", "auc_pr": "AUC-PR", "auc_roc": "AUC-ROC"}
    rows = ([_mark(str(name)) + ("" if line["complete"] else " *"), *(number(line[each], 3) for each in numbers),
             number(line["seconds"], 2), f"{line['series']:.0f}", number(line["failed"], 0)]
            for name, line in lines.iterrows())
    table = markdown(["model", *(titles.get(each, each) for each in numbers), "s", "series", "failed runs"], rows)
    return "\n\n".join([table] + ([] if lines["complete"].all() else [INCOMPLETE]))


def _differences_text(frame: pd.DataFrame, published: pd.DataFrame | None) -> list[str]:
    lines = differences(frame, published)
    if lines.empty:
        return []
    rows = ([line["model"], f"{line['mean']:+.3f}", f"{line['low']:+.3f} to {line['high']:+.3f}",
             f"{line['wins']}/{line['losses']}", str(line["series"])] for line in lines.to_dict("records"))
    return [f"## {OURS} less each, VUS-PR",
            f"95 % interval: paired bootstrap, {RESAMPLES:,} times, over the series that both have.\n\n"
            + markdown(["model", "mean difference", "95 % interval", "wins/losses", "series"], rows)]


def _provenance(frame: pd.DataFrame) -> str:
    lines = [f"{measured(frame)}; {frame['series'].nunique()} series, {seeds(frame)}, one thread a run",
             programs(VERSIONS), machine(), *mixed_programs(frame)]
    return "\n".join(f"- {line}" for line in lines)


def _failures(frame: pd.DataFrame) -> list[str]:
    failed = frame[frame["error"] != ""]
    if failed.empty:
        return []
    kinds = failed.assign(error=failed["error"].str.slice(0, 200)).groupby(["model", "error"], sort=False)["series"]
    lines = kinds.agg(["size", "first"]).reset_index().to_dict("records")
    rows = ([line["model"], line["error"], f"{line['size']}, as {line['first']}"] for line in lines)
    return ["## Failed runs", markdown(["model", "error", "runs"], rows)]


def _mark(name: str) -> str:
    return f"**{name}**" if name == OURS else name
