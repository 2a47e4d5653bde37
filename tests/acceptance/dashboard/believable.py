"""A made-up alert store: card transactions of one week, scored, with alerts, reasons, neighbours and some verdicts."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from anomaly_cl.alerts.models import VERDICT_REASONS, VERDICTS, Alert, Run
from anomaly_cl.alerts.store import AlertStore
from tests.acceptance.dashboard.believable_pasts import pasts_of

HOSTILE_IMAGE = "<img src=x onerror=alert(1)>"
HOSTILE_LINK = "[x](javascript:alert(1))"
HOSTILE_FORMULA = "=cmd|' /C calc'!A0"
HOSTILE_BOLD = "<b>bold</b> <a href='javascript:alert(1)'>a</a> **md** $x^2$ :red[r]"
FIRST_DAY = datetime(2018, 8, 8)
DAYS = 7
CUSTOMERS = 300
MERCHANTS = (
    ("Corner Grocery", "grocery", 38), ("Fuel & Go 24", "fuel", 61), ("Rail Tickets Online", "travel", 74),
    ("Bistro Lindenhof", "restaurant", 29), ("Bright Electronics", "electronics", 189), ("Pharmacy Plus", "health", 22),
    ("Cinema Palast", "leisure", 19), ("Home & Garden", "household", 83),
)
HABITS = ("amount", "hour", "merchant", "channel", "country", "purchases in 24 h")


def fill(
    store: AlertStore, *, scored: int = 20_000, alpha: float = 0.02, decided: int = 60, seed: int = 7
) -> list[str]:
    """Put two runs, their alerts and some verdicts into an empty store; gives the alerts' ids, riskiest first."""
    rng = np.random.default_rng(seed)
    created = FIRST_DAY + timedelta(days=DAYS, hours=6)
    week_before = created - timedelta(days=7)
    store.add_run(_run("run-older", rng, _scores(rng, scored // 2), 1e-5, week_before, f"week-31 {HOSTILE_BOLD}"), [])
    numbers = _scores(rng, scored)
    run = _run("run-newest", rng, numbers, alpha, created, "transactions-week-32.parquet")
    riskiest = np.argsort(-numbers["score"])[: run.alerts_raised]
    alerts = [
        _alert(rng, run, int(row), {name: float(column[row]) for name, column in numbers.items()}, place)
        for place, row in enumerate(riskiest)
    ]
    ids = [alert.id for alert in alerts]
    store.add_run(run, alerts, pasts=pasts_of(rng, run.id, alerts))
    for alert_id in rng.permutation(ids[4:])[:decided]:
        _decide(rng, store, str(alert_id), created)
    return ids


def _scores(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Fused surprise of normal rows with 0.6 % strange ones among them, its p-values from 20,000 calibration rows."""
    calibration = np.sort(rng.gamma(6.0, 0.25, 20_000))
    score = rng.gamma(6.0, 0.25, rows)
    strange = rng.random(rows) < 0.006
    score[strange] += rng.gamma(3.0, 0.9, strange.sum())
    p_value = (1 + len(calibration) - np.searchsorted(calibration, score)) / (len(calibration) + 1)
    p_tail = np.where(p_value > 0.001, p_value, 0.001 * np.exp(-(score - np.quantile(calibration, 0.999)) / 0.28))
    p_tail = np.minimum(p_tail, p_value)
    risk = np.clip(-10 * np.log10(p_tail), 0, 100)
    return {"score": score, "p_value": p_value, "p_tail": p_tail, "risk": risk}


def _run(name: str, rng: np.random.Generator, numbers: dict[str, np.ndarray], alpha: float, created: datetime,
         file: str) -> Run:
    rows = len(numbers["score"])
    alerts = int((numbers["p_value"] <= alpha).sum())
    grid = np.unique(np.concatenate([1e-4 * np.array([0.5, 1, 2, 5]), np.geomspace(1e-3, 0.1, 40)]))
    day = rng.integers(0, DAYS, rows)
    flagged_day = day[np.argsort(-numbers["score"])[:alerts]]
    first = created - timedelta(days=DAYS)
    return Run(
        id=name, model_id="3f9a41c0d2be", input_name=file, input_hash="9c" * 32, where_clause="",
        policy=f"alpha={alpha}", rows_in=rows + 14, rows_scored=rows,
        rows_rejected=14, alerts_raised=alerts, created_at=created,
        summary={
            "score_histogram": _histogram(numbers["score"], 60),
            "risk_histogram": _histogram(numbers["risk"], np.arange(0, 102, 2)),
            "alerts_at": [[float(p), int((numbers["p_value"] <= p).sum())] for p in grid],
            "days": [[(first + timedelta(days=d)).date().isoformat(), int((day == d).sum()),
                      int((flagged_day == d).sum())] for d in range(DAYS)],
        },
    )


def _histogram(values: np.ndarray, bins: int | np.ndarray) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, bins)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _alert(rng: np.random.Generator, run: Run, row: int, numbers: dict[str, float], place: int) -> Alert:
    merchant, category, usual = MERCHANTS[rng.integers(len(MERCHANTS))]
    strange = set(rng.choice(HABITS, size=rng.integers(1, 4), replace=False))
    hour = int(rng.integers(1, 5) if "hour" in strange else rng.integers(9, 20))
    when = FIRST_DAY + timedelta(days=int(rng.integers(DAYS)), hours=hour, minutes=int(rng.integers(60)))
    customer, terminal = f"C-{rng.integers(4_000, 4_000 + CUSTOMERS)}", f"T-{rng.integers(100, 999)}"
    record: dict[str, Any] = {
        "transaction": f"TX-{1_700_000 + row}", "time": when.isoformat(), "customer": customer, "terminal": terminal,
        "merchant": ("Lucky Spin Club" if "merchant" in strange else merchant),
        "category": ("gambling" if "merchant" in strange else category),
        "amount": round(float(usual * (rng.uniform(18, 90) if "amount" in strange else rng.uniform(0.7, 1.4))), 2),
        "channel": "online" if "channel" in strange else "chip", "country": "BY" if "country" in strange else "DE",
        "purchases in 24 h": int(rng.integers(14, 40) if "purchases in 24 h" in strange else rng.integers(0, 4)),
        "loyalty number": None,
    }
    if place < 4:  # the riskiest records carry strings that try to be more than text
        record["merchant"] = (HOSTILE_IMAGE, HOSTILE_LINK, HOSTILE_FORMULA, HOSTILE_BOLD)[place]
        strange |= {"merchant", "amount"}
        record["amount"] = 4310.25
    neighbours = [_neighbour(rng, record, merchant, category, usual, when, strange) for _ in range(5)]
    typical = {
        "time": None, "merchant": merchant, "category": category, "amount": float(usual), "channel": "chip",
        "country": "DE", "purchases in 24 h": 1, "loyalty number": None,
    }
    parts = np.sort(rng.dirichlet(np.full(len(strange), 2.0)))[::-1] * numbers["score"] * 0.9
    shown = {**record, "hour": f"{when:%H:%M}"}
    reasons = [
        {"column": name, "contribution": float(part), "value": str(shown[name]),
         "typical": str(typical.get(name, "13:40"))}
        for name, part in zip(sorted(strange, key=lambda name: (name != "amount", name)), parts, strict=True)
    ]
    return Alert(
        id=f"{place:04x}{row:08x}", run_id=run.id, row_number=row, key=record["transaction"],
        name=f"{record['transaction']} {customer} {terminal}", occurred_at=when, segment=None,
        entity_column="customer", entity=customer, amount=record["amount"], explanation=_explained(reasons, numbers),
        entities={"customer": customer, "terminal": terminal}, record=record, typical=typical, reasons=reasons,
        neighbours=neighbours, verdict=None, created_at=run.created_at, **numbers,
    )


def _explained(reasons: list[dict[str, Any]], numbers: dict[str, float]) -> dict[str, Any]:
    """In the form of `anomaly_cl.detectors.explanation.Explanation.to_dict`."""
    told = "; ".join(f"{reason['column']} {reason['value']} where {reason['typical']} is usual" for reason in reasons)
    changes = [{"column": reason["column"], "value": reason["value"], "to": reason["typical"],
                "words": f"{reason['column']} {reason['typical']} instead of {reason['value']}"}
               for reason in reasons[:2]]
    return {
        "unusual": True, "sentence": f"{told}.", "score": numbers["score"], "p_value": numbers["p_value"],
        "threshold": 3.0, "level": 0.02, "contributions": reasons, "neighbours": [],
        "pairs": [{"a": one["column"], "b": other["column"], "contribution": 1.5}
                  for one, other in itertools.pairwise(reasons[:2])],
        "counterfactual": {"changes": changes, "score": 2.5, "p_value": 0.05, "sentence": (
            f"It would not be flagged with {' and '.join(change['words'] for change in changes)}.")},
    }


def _neighbour(rng: np.random.Generator, record: dict[str, Any], merchant: str, category: str, usual: float,
               when: datetime, strange: set[str]) -> dict[str, Any]:
    day = FIRST_DAY - timedelta(days=int(rng.integers(1, 30)))
    hour = 13 if "hour" in strange else when.hour
    return {
        "transaction": f"TX-{rng.integers(1_400_000, 1_690_000)}",
        "time": (day + timedelta(hours=hour, minutes=int(rng.integers(60)))).isoformat(),
        "customer": f"C-{rng.integers(4_000, 9_000)}", "terminal": record["terminal"],
        "merchant": merchant, "category": category, "amount": round(float(usual * rng.uniform(0.8, 1.5)), 2),
        "channel": str(rng.choice(["chip", "chip", "chip", "online"])), "country": "DE",
        "purchases in 24 h": int(rng.integers(0, 4)), "loyalty number": None,
    }


def _decide(rng: np.random.Generator, store: AlertStore, alert_id: str, created: datetime) -> None:
    verdict = str(rng.choice(VERDICTS, p=[0.55, 0.37, 0.08]))
    note = {"fraud": "Customer denies the purchase.", "legitimate": "Confirmed by phone.", "unsure": "No answer yet."}
    author = str(rng.choice(["m.keller", "a.okafor"]))
    moment = created + timedelta(minutes=int(rng.integers(10, 600)))
    AlertStore(store.engine, clock=lambda: moment).decide([alert_id], verdict, author=author, note=note[verdict],
                                                          reason=VERDICT_REASONS[verdict][0])
