"""What `anomaly-cl inspect` shows of a model that judges series."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from anomaly_cl.cli.screen import say_columns

if TYPE_CHECKING:
    from anomaly_cl.detectors.series import SeriesDetector


def trained_facts(detector: SeriesDetector) -> dict[str, Any]:
    """How the model was trained, its windows and heads, and the steps that it learned from."""
    scorer, rules = detector.scorer_, detector.span_rules
    heads = dict.fromkeys(name for channel in scorer.channels_ for name in channel.curves_)
    rows = detector.rows_
    return {
        "pretraining": detector.pretraining if scorer.members_ else "none", "encoders": len(scorer.members_),
        "random_state": detector.random_state, "heads": ", ".join(heads),
        "step": str(timedelta(microseconds=detector.grid_.step_us)), "window": scorer.plan_.length,
        "longest_gap": detector.grid_.longest_gap, "spans_merge_under": rules.merge_gap,
        "steps_read": rows["read"], "entities": rows["entities"], "calibration_steps": rows["calibration"],
        "steps_of_a_cluster": rows["cluster"], "calibration_blocks": rows["blocks"],
    }


def channel_facts(detector: SeriesDetector) -> dict[str, dict[str, Any]]:
    """What is typical of each channel: centre and spread, of the median entity where there are several."""
    from anomaly_cl.detectors.series_bank import POOLED

    scorer = detector.scorer_
    return {name: {"typical": float(scorer.centres_[POOLED][j]), "spread": float(scorer.spreads_[POOLED][j]),
                   "moves": bool(scorer.live_[j])}
            for j, name in enumerate(detector.series_schema_.channels)}


def say_channels(facts: dict[str, dict[str, Any]]) -> None:
    """The same on a screen."""
    say_columns("Channels", ("channel", "typical", "spread"),
                [(name, f"{each['typical']:.6g}", f"{each['spread']:.4g}" if each["moves"] else "constant")
                 for name, each in facts.items()])
