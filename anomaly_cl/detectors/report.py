"""What a detector could find in its data, measured before production: the report and what it says in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

FUSED = "fused"
PLAIN = "plain distances"
AS_SET = "as set"
SIGNAL = 0.625  # AUC-ROC of a few odd values: a rule of thumb, set on the tables of docs/learnability.md
FOUND = 0.7  # AUC-ROC from which a kind counts as found
STEADY = 0.8  # rank correlation below which the order of the rows is said to hang on seeds or views
FEW_ROWS = 100


@dataclass(frozen=True)
class Found:
    """How well a head (all of them fused, or plain distances) tells one kind of synthetic anomaly from normal rows.

    auc_roc: mean over the seeds; spread: their standard deviation.
    """

    kind: str
    head: str
    auc_roc: float
    spread: float


@dataclass(frozen=True)
class Stability:
    """How far scores of the same rows agree over pairs of seeds.

    rank_correlation: Spearman's, on average; least_rank_correlation: of the worst pair; top_overlap: share of the
    strangest `top_rows` that both seeds name.
    """

    rank_correlation: float
    least_rank_correlation: float
    top_rows: int
    top_overlap: float


@dataclass(frozen=True)
class Trained:
    """What a short training by other views (or negatives) makes of the ranking; None where it collapsed.

    auc_roc: of kNN in the embedding (or the learned metrics), by kind of synthetic anomaly; None also where training
    left nothing that a head measures in. rank_correlation: of that distance, and fused_rank_correlation: of the fused
    score, with those after a short training as the detector is set.
    """

    variant: str
    rank_correlation: float | None
    fused_rank_correlation: float | None
    auc_roc: dict[str, float] | None


@dataclass(frozen=True)
class DetectorReport:
    """How well anomalies of each kind would be found, how stable the scores are, and how much hangs on the views.

    Everything is measured on models that learned from `fitted_rows` of the normal rows, each seed from its own draw,
    with `held_out_rows` others. `notes` say what is unsteady, and what could not be measured and why.
    """

    fitted_rows: int
    held_out_rows: int
    anomalies: dict[str, int]
    seeds: int
    learnability: tuple[Found, ...]
    stability: Stability | None
    sensitivity: tuple[Trained, ...]
    notes: tuple[str, ...] = ()

    def auc_roc(self, kind: str, head: str = FUSED) -> float | None:
        """Mean AUC-ROC of a kind by a head; None if it was not measured."""
        return next((found.auc_roc for found in self.learnability if (found.kind, found.head) == (kind, head)), None)

    @property
    def learnable(self) -> bool | None:
        """Whether dependencies between columns carry signal: a few odd values are found; None if not measured."""
        found = self.auc_roc("few values", PLAIN)
        return None if found is None else found >= SIGNAL

    @property
    def verdict(self) -> str:
        """One sentence by a stated rule.

        The data carry signal if rows in which a tenth of the values, at least one, are those of other rows are found
        with an AUC-ROC of .625 or more. Without signal, what can be found are the other kinds that reach .70. All by
        plain distances, since a head that trained on synthetic anomalies finds such rows where it finds no real ones.
        """
        return _verdict(self)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The figures as frames: "learnability" (kinds x heads), "stability", "sensitivity", and "spread" over seeds.

        The spread is laid out as learnability, and empty for one seed.
        """
        found = pd.DataFrame([asdict(line) for line in self.learnability], columns=[f.name for f in fields(Found)])
        kinds = found["kind"].unique()
        heads = sorted(found["head"].unique(), key=lambda head: head not in (FUSED, PLAIN))
        wide = {value: found.pivot(index="kind", columns="head", values=value).loc[kinds, heads]
                for value in ("auc_roc", "spread")}
        trained = [{"variant": line.variant, **(line.auc_roc or {}), "rank_correlation": line.rank_correlation,
                    "fused_rank_correlation": line.fused_rank_correlation} for line in self.sensitivity]
        return {
            "learnability": wide["auc_roc"], "spread": wide["spread"][:None if self.seeds > 1 else 0],
            "stability": pd.DataFrame([asdict(self.stability)] if self.stability else []),
            "sensitivity": pd.DataFrame(trained),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"verdict": self.verdict, "learnable": self.learnable, **asdict(self)}

    def __str__(self) -> str:
        shown = {name: _text(frame) for name, frame in self.tables().items() if len(frame)}
        parts = [self.verdict, *(f"{HEADINGS[name]}\n{text}" for name, text in shown.items()), *self.notes]
        return "\n\n".join(parts)


HEADINGS = {
    "learnability": "AUC-ROC of synthetic anomalies against held-out normal rows, mean over the seeds",
    "spread": "Its standard deviation over the seeds",
    "stability": "Agreement of the fused scores over pairs of seeds",
    "sensitivity": "Other views or negatives, trained shortly: AUC-ROC of what is learned, agreement with the first",
}


def _text(frame: pd.DataFrame) -> str:
    named = frame.index.name is not None
    return frame.rename_axis(index=None, columns=None).to_string(index=named, float_format="{:.3f}".format, na_rep="-")


def _verdict(report: DetectorReport) -> str:
    few, half = (report.auc_roc(kind, PLAIN) for kind in ("few values", "dependency"))
    if few is None:
        return "Whether this data carries signal cannot be judged: swapping a few values hardly changes a row."
    if report.learnable:
        also = f" (half of them: {_auc(half)})" if half is not None else ""
        return (f"This data carries signal: rows in which a few values are those of other rows are found with AUC "
                f"{_auc(few)}{also}.")
    weak = (f"dependencies between columns carry (almost) no signal here: rows in which a few values are those of "
            f"other rows are found with AUC {_auc(few)}, where guessing has .50; ")
    marginal = report.auc_roc("marginal", PLAIN)
    found = []
    if marginal is not None and marginal >= FOUND:
        found.append(f"with extreme or unseen values (AUC {_auc(marginal)})")
    if half is not None and half >= FOUND:
        found.append(f"that are odd in many columns at once (AUC {_auc(half)})")
    if not found:
        return f"Warning: {weak}no other kind of anomaly is found well either."
    return f"Warning: {weak}only rows {' or '.join(found)} can be found."


def _auc(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")
