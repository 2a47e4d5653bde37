"""What `anomaly-cl inspect` shows of a model that judges records against the past of their entities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anomaly_cl.cli.screen import say_columns, say_pairs

if TYPE_CHECKING:
    from anomaly_cl.detectors.events import EventDetector


def event_facts(detector: EventDetector) -> dict[str, Any]:
    """What was learned of entities and their past, as plain data; the deviations that count most come first."""
    learned = detector.deviations_
    order = sorted(learned.weights_, key=lambda name: -learned.weights_[name])
    return {
        "entities": list(learned.plan.entities),
        "deviations": {name: {"weight": learned.weights_[name], "relevance": learned.relevance_[name],
                              "novelty": learned.novelty_[name], "used": name in detector.events_.deviations}
                       for name in order},
        "recurrence": dict(detector.recurrence_.lifts_), "towers": [pattern.role for pattern in detector.patterns_],
        "reads_verdicts": detector.confirmations_ is not None, "presume_after": detector.presume_after_,
    }


def say_events(facts: dict[str, Any]) -> None:
    """The same on a screen."""
    from anomaly_cl.scoring.recurrence import WINDOW_DAYS

    used = {name: each for name, each in facts["deviations"].items() if each["used"]}
    say_columns(f"Deviations from the past of {', '.join(facts['entities'])} (of {len(facts['deviations'])} "
                f"{len(used)} count; --json has all)", ("deviation", "weight", "relevance", "novelty"),
                [(name, *(f"{each[part]:.3f}" for part in ("weight", "relevance", "novelty")))
                 for name, each in used.items()])
    say_columns(f"How much oftener a record is strange within {WINDOW_DAYS} days of a strange one of the same entity",
                ("entity", "times"), [(role, f"{lift:.3g}") for role, lift in facts["recurrence"].items()])
    presumed = "" if facts["presume_after"] is None else f"; none after {facts['presume_after']:g} d means legitimate"
    say_pairs("Verdicts", {"verdicts": "read" + presumed if facts["reads_verdicts"] else "not read"})
