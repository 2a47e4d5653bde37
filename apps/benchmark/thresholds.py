"""What thresholds promise and keep: policies and contamination quantiles on the same simulated scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.online_fdr import lord_plus_plus, saffron
from anomaly_cl.scoring.policy import Known, Policy, ScoredRows
from anomaly_cl.scoring.thresholds import parse_policy
from apps.benchmark.report import markdown

SHARES = (0.001, 0.01, 0.05)
SHIFTS = {"easy": 5.0, "hard": 2.5}
SIZES = ((1_000, 10_000), (5_000, 10_000))  # calibration rows, rows to score
POLICIES = ("fdr=0.05", "fdr=0.1", "fdr=0.1,arbitrary", "fdr=0.05,tail", "fdr=0.1,tail", "alpha=0.01", "alpha=0.001",
            "cost=1:50", "cost=1:50,prior=the share")
STREAMS = {"LORD++ at 0.1": lord_plus_plus(0.1), "SAFFRON at 0.1": saffron(0.1)}
STREAM_RUNS = 20  # a stream is decided row by row, which takes a while
DEFAULT_CONTAMINATION = 0.1


@dataclass(frozen=True)
class Case:
    """Scores of normal rows are standard normal, those of the anomalies normal about `shift`."""

    share: float
    shift: float
    n_calibration: int
    n_rows: int


@dataclass(frozen=True)
class Draw:
    """One run of a case: labels (n_rows,), True = anomaly, their scores, and scores of further rows (n_calibration,).

    calibration: of normal rows; unclean: of a detector's training rows, among which the anomalies have their share.
    """

    labels: np.ndarray
    scores: np.ndarray
    calibration: np.ndarray
    unclean: np.ndarray


def draw(case: Case, rng: np.random.Generator) -> Draw:
    """Draw all scores afresh; of the rows, exactly the share, rounded, are anomalies."""

    def mixed(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.permutation(n_rows) < round(case.share * n_rows)
        return labels, rng.normal(size=n_rows) + case.shift * labels

    return Draw(*mixed(case.n_rows), rng.normal(size=case.n_calibration), mixed(case.n_calibration)[1])


def outcome(labels: np.ndarray, alerts: np.ndarray) -> tuple[float, float]:
    """Share of normal rows among the alerts (0 if there are none), and share of the anomalies that are alerted."""
    return float((alerts & ~labels).sum() / max(alerts.sum(), 1)), float(alerts[labels].mean())


def alerts_or_none(policy: Policy, rows: ScoredRows, known: Known) -> np.ndarray:
    """Alerts (rows,) of a policy; none where it cannot work, such as without a tail: a user gets a message instead."""
    try:
        policy.check(known)
    except UsageError:
        return np.zeros(len(rows), bool)
    return policy.alerts(rows)


def contamination_alerts(training: np.ndarray, scores: np.ndarray, contamination: float) -> np.ndarray:
    """Alerts (rows,) as PyOD's BaseDetector sets them: scores above a percentile of the training scores (n,)."""
    return scores > np.percentile(training, 100 * (1 - contamination))


def alerts_of(case: Case, drawn: Draw, run: int) -> Iterator[tuple[str, np.ndarray]]:
    """Each threshold by name, and its mask (n_rows,) of alerts."""
    calibration = Calibration().fit(drawn.calibration)
    p = calibration.p_value(drawn.scores)
    rows = ScoredRows(p, drawn.scores, calibration.p_tail(drawn.scores), n_calibration=case.n_calibration)
    known = Known(case.n_calibration, case.n_rows, tail=calibration.tail_ is not None)
    for name in POLICIES:
        yield name, alerts_or_none(parse_policy(name.replace("the share", str(case.share))), rows, known)
    if run < STREAM_RUNS:
        for name, procedure in STREAMS.items():
            yield f"{name}, row by row", procedure.decide(p)[0]
            yield f"{name}, row by row, tail", procedure.decide(rows.tails())[0]
    for name, training, contamination in (
        (f"contamination={DEFAULT_CONTAMINATION}", drawn.calibration, DEFAULT_CONTAMINATION),
        ("contamination=the share", drawn.calibration, case.share),
        ("the same, anomalies in training", drawn.unclean, case.share),
    ):
        yield name, contamination_alerts(training, drawn.scores, contamination)


def measure(runs: int, seed: int) -> pd.DataFrame:
    """One line a case, threshold and run."""
    lines = []
    for number, (difficulty, (n_calibration, n_rows), share) in enumerate(
        (difficulty, size, share) for difficulty in SHIFTS for size in SIZES for share in SHARES
    ):
        case = Case(share, SHIFTS[difficulty], n_calibration, n_rows)
        for run in range(runs):
            drawn = draw(case, np.random.default_rng((seed, number, run)))
            for name, alerts in alerts_of(case, drawn, run):
                false_share, power = outcome(drawn.labels, alerts)
                lines.append({"difficulty": difficulty, "n_calibration": n_calibration, "n_rows": n_rows,
                              "share": share, "threshold": name, "run": run, "alerts": int(alerts.sum()),
                              "false_share": false_share, "power": power})
    return pd.DataFrame(lines)


def write_report(out: Path, runs: int, seed: int) -> None:
    """Measure, and write thresholds.csv (one line a run) and thresholds.md (means) into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    frame = measure(runs, seed)
    frame.to_csv(out / "thresholds.csv", index=False, float_format="%.6g")
    parts = [
        "# What thresholds promise and keep",
        f"Made by `python -m apps.benchmark thresholds --out DIR --runs {runs} --seed {seed}`. Simulated scores: "
        "normal rows standard normal, anomalies normal about "
        + ", ".join(f"{shift:g} ({name})" for name, shift in SHIFTS.items())
        + f". Each cell: percent of the alerts that are false / percent of the anomalies that are found, means over "
          f"{runs} runs ({min(runs, STREAM_RUNS)} row by row), in brackets the standard error of the first where it "
          "is 0.1 or more. Columns: share of anomalies among the rows.",
    ]
    for (difficulty, n_calibration, n_rows), group in frame.groupby(["difficulty", "n_calibration", "n_rows"]):
        parts += [f"## {str(difficulty).capitalize()} anomalies, {n_calibration:,} calibration rows, {n_rows:,} rows",
                  _table(group)]
    (out / "thresholds.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _table(frame: pd.DataFrame) -> str:
    names = list(dict.fromkeys(frame["threshold"]))
    rows = [[name, *(_cell(frame[(frame["threshold"] == name) & (frame["share"] == share)]) for share in SHARES)]
            for name in names]
    return markdown(["threshold", *(f"{100 * share:g} %" for share in SHARES)], rows)


def _cell(frame: pd.DataFrame) -> str:
    error = 100 * frame["false_share"].std(ddof=1) / np.sqrt(len(frame))
    shown = f" ({error:.1f})" if error >= 0.1 else ""
    return f"{100 * frame['false_share'].mean():.1f}{shown} / {100 * frame['power'].mean():.0f}"
