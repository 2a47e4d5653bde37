"""A made-up year of a card issuer: customers of whom few raise many alerts, what their records say, and why they are
strange. Like the real thing in size, length of tails and width of records, not in meaning.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from anomaly_cl.alerts.identity import alert_id
from anomaly_cl.alerts.models import Alert, EntityPast, Run
from anomaly_cl.scoring.drift_verdict import DriftVerdict, Verdict

MODEL = "5b0c9e1f7a34"
ENTITY, KEY, PRIVATE = "customer", "transaction", "iban"
CUSTOMERS, TERMINALS, MERCHANTS = 0.4, 0.02, 0.003  # of each alert; the long tail leaves about 3 customers in 4 in use
TAIL = 0.6  # exponent of Zipf's law
ROWS_AN_ALERT = 100  # alpha=0.01
EXPLAINED = 1_000
SIMILAR_OF = 200
NEIGHBOURS = 5
POOL = 2_000  # different sets of neighbours, explanations and pasts, used again and again
PAST = 12  # records of an entity's past
HABITS = ("amount", "hour", "merchant", "channel", "country", "purchases in 24 h")
CATEGORIES = ("grocery", "fuel", "travel", "restaurant", "electronics", "health", "leisure", "household", "gambling")
WORDS = ("Corner", "Rail", "Bistro", "Bright", "Green", "Harbour", "North", "Old Town", "Silver", "Sunny", "Union",
         "Vale")
TRADES = ("Bakery", "Books", "Cinema", "Fashion", "Fuel", "Garden", "Grocery", "Hotel", "Pharmacy", "Shoes", "Toys")


@dataclass(frozen=True)
class Month:
    """One run of a month: where its alerts begin among all, and how many they are."""

    number: int
    first: int
    alerts: int

    @property
    def start(self) -> datetime:
        return datetime(2025, 1, 1) + timedelta(days=30 * self.number)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=30)


@dataclass(frozen=True)
class Population:
    """Whom and what the alerts are about; everything follows from the seed."""

    alerts: int
    seed: int = 0

    def months(self, runs: int) -> list[Month]:
        edges = np.linspace(0, self.alerts, runs + 1).astype(int)
        return [Month(i, int(a), int(b - a)) for i, (a, b) in enumerate(itertools.pairwise(edges))]

    def run(self, month: Month) -> Run:
        rng = np.random.default_rng([self.seed, month.number, 1])
        days = rng.multinomial(month.alerts, np.full(30, 1 / 30))
        risk = np.arange(20, 102, 2)
        counts = (month.alerts * 0.37 * np.exp(-0.23 * (risk[:-1] - 20))).astype(int)
        grid = np.geomspace(1e-6, 0.1, 60)
        summary = {
            "score_histogram": {"edges": np.linspace(0, 12, 61).tolist(),
                                "counts": rng.poisson(1_000, 60).tolist()},
            "risk_histogram": {"edges": risk.tolist(), "counts": counts.tolist()},
            "alerts_at": [[float(p), int(month.alerts * ROWS_AN_ALERT * p)] for p in grid],
            "days": [[(month.start + timedelta(days=day)).date().isoformat(), ROWS_AN_ALERT * int(n), int(n)]
                     for day, n in enumerate(days)],
            "drift": _drift(month.alerts * ROWS_AN_ALERT),
            "map": {"method": "PCA", "explained": [0.41, 0.2], "frame": f"{MODEL} PCA",
                    "normal": np.round(rng.normal(0, 1, (2_000, 2)), 4).tolist()},
        }
        rows = month.alerts * ROWS_AN_ALERT
        return Run(
            id=f"run-{month.number:02d}", model_id=MODEL, input_name=f"transactions-{month.start:%Y-%m-%d}.parquet",
            input_hash=f"{month.number:064x}", where_clause="", policy="alpha=0.01", rows_in=rows + 14,
            rows_scored=rows, rows_rejected=14, alerts_raised=month.alerts, summary=summary, private=[PRIVATE],
            created_at=month.end,
        )

    def of(self, run: Run, month: Month) -> Iterator[Alert]:
        """The alerts of a month in the order of time."""
        rng = np.random.default_rng([self.seed, month.number, 2])
        n = month.alerts
        risk = np.minimum(20 + rng.exponential(4.3, n), 100)
        columns: dict[str, Any] = {
            "risk": risk, "customer": zipf(rng, int(self.alerts * CUSTOMERS), n),
            "terminal": zipf(rng, int(self.alerts * TERMINALS) + 1, n),
            "merchant": zipf(rng, int(self.alerts * MERCHANTS) + 1, n),
            "amount": np.round(rng.lognormal(5, 1.3, n), 2), "second": np.sort(rng.integers(0, 30 * 86_400, n)),
            "strange": rng.integers(0, len(STRANGE), n), "pool": rng.integers(0, POOL, n),
            "x": np.round(rng.normal(2, 2.5, n), 4), "y": np.round(rng.normal(1, 2.5, n), 4),
        }
        explained = np.zeros(n, bool)
        explained[np.argsort(-risk)[:EXPLAINED]] = True
        pools = Pools.made(self.seed)
        lists = {name: values.tolist() for name, values in columns.items()}
        for i, tell in enumerate(explained.tolist()):
            yield _alert(run, month, month.first + i, {name: values[i] for name, values in lists.items()}, pools,
                         explain=tell)

    def pasts(self, run: Run, month: Month) -> Iterator[EntityPast]:
        """Of each customer of the month's alerts, once."""
        rng = np.random.default_rng([self.seed, month.number, 2])
        rng.exponential(4.3, month.alerts)  # the same draws as those of the alerts
        found = np.unique(zipf(rng, int(self.alerts * CUSTOMERS), month.alerts))
        pools = Pools.made(self.seed)
        for place, number in enumerate(found.tolist()):
            similar = [{"entity": _customer(int(other)), "distance": 0.1 * (k + 1), "records": 40}
                       for k, other in enumerate(found[place + 1:place + 6])] if place < SIMILAR_OF else []
            yield EntityPast(run_id=run.id, entity_column=ENTITY, entity=_customer(number),
                             records=pools.pasts[number % POOL], similar=similar)


@dataclass(frozen=True)
class Pools:
    """What many alerts share, so that a million of them are made in minutes."""

    neighbours: list[list[dict[str, Any]]]
    pasts: list[list[dict[str, Any]]]

    @classmethod
    @cache
    def made(cls, seed: int) -> Pools:
        rng = np.random.default_rng([seed, 3])
        start = datetime(2024, 10, 1)
        neighbours = [[_record(f"TX-{rng.integers(10**6)}", f"C-{rng.integers(10**6):06d}", int(rng.integers(900)),
                               int(rng.integers(900)), round(float(rng.lognormal(3.6, 0.5)), 2),
                               start + timedelta(minutes=int(rng.integers(100_000))), frozenset())
                       for _ in range(NEIGHBOURS)] for _ in range(POOL)]
        pasts = [[{"time": (start + timedelta(hours=int(hour))).isoformat(), "key": f"TX-{rng.integers(10**6)}",
                   "amount": round(float(rng.lognormal(3.6, 0.5)), 2), "risk": round(float(rng.exponential(4.3)), 2),
                   "alert": bool(rng.random() < 0.03)} for hour in np.sort(rng.integers(0, 9_000, PAST))]
                 for _ in range(POOL)]
        return cls(neighbours, pasts)


def zipf(rng: np.random.Generator, size: int, n: int) -> np.ndarray:
    """Draws (n,) of 0 to size - 1, by Zipf's law with the exponent TAIL."""
    return np.minimum(size * rng.random(n) ** (1 / (1 - TAIL)), size - 1).astype(np.int64)


STRANGE = [frozenset({a, b}) for a in HABITS for b in HABITS]


def merchant_name(number: int) -> str:
    return f"{WORDS[number % 12]} {TRADES[number // 12 % 11]} {number}"


def _customer(number: int) -> str:
    return f"C-{number:06d}"


def _record(key: str, customer: str, terminal: int, merchant: int, amount: float, when: datetime,
            strange: frozenset[str]) -> dict[str, Any]:
    return {
        "transaction": key, "time": when.isoformat(), "customer": customer, "terminal": f"T-{terminal:05d}",
        "merchant": merchant_name(int(merchant)), "category": CATEGORIES[int(merchant) % 9], "amount": amount,
        "channel": "online" if "channel" in strange else "chip", "country": "BY" if "country" in strange else "DE",
        "purchases in 24 h": 17 if "purchases in 24 h" in strange else 1, "iban": f"DE89 3704 0044 {terminal:08d}",
    }


TYPICAL = {"time": None, "merchant": "Corner Grocery 72", "category": "grocery", "amount": 38.0, "channel": "chip",
           "country": "DE", "purchases in 24 h": 1, "iban": None}


def _alert(run: Run, month: Month, number: int, given: dict[str, Any], pools: Pools, *, explain: bool) -> Alert:
    key, customer, terminal = f"TX-{10_000_000 + number}", _customer(given["customer"]), given["terminal"]
    strange, when = STRANGE[given["strange"]], month.start + timedelta(seconds=given["second"])
    record = _record(key, customer, terminal, given["merchant"], given["amount"], when, strange)
    p_value = 10 ** (-given["risk"] / 10)
    score = -float(np.log(p_value))
    reasons = [{"column": name, "contribution": score * share, "value": str(record.get(name, f"{when:%H:%M}")),
                "typical": str(TYPICAL.get(name, "13:40"))}
               for name, share in zip(sorted(strange), (0.6, 0.3), strict=False)]
    neighbours = pools.neighbours[given["pool"]]
    return Alert(
        id=alert_id(MODEL, key, "", number), run_id=run.id, row_number=number - month.first, key=key,
        name=f"{key} {customer} {record['terminal']}", occurred_at=when, score=score, p_value=p_value, p_tail=p_value,
        risk=given["risk"], segment=None, entity_column=ENTITY, entity=customer, amount=given["amount"],
        entities={ENTITY: customer, "terminal": record["terminal"]}, record=record, typical=TYPICAL, reasons=reasons,
        neighbours=neighbours, explanation=_explanation(reasons, neighbours, score, p_value) if explain else None,
        map_x=given["x"], map_y=given["y"], created_at=month.end,
    )


def _explanation(reasons: list[dict[str, Any]], neighbours: list[dict[str, Any]], score: float, p_value: float
                 ) -> dict[str, Any]:
    """As `anomaly_cl.detectors.explanation.Explanation.to_dict` has it."""
    change = {"column": reasons[0]["column"], "value": reasons[0]["value"], "to": reasons[0]["typical"],
              "words": f"{reasons[0]['column']} {reasons[0]['typical']}"}
    return {
        "unusual": True, "sentence": f"{reasons[0]['column']} {reasons[0]['value']} is unusual", "score": score,
        "p_value": p_value, "threshold": 4.6, "level": 0.01, "contributions": reasons,
        "pairs": [], "neighbours": [{"record": one, "differing": [reason["column"] for reason in reasons]}
                                    for one in neighbours],
        "counterfactual": {"changes": [change], "score": 2.0, "p_value": 0.13,
                           "sentence": f"It would be ordinary with {change['words']}."},
    }


def _drift(rows: int) -> dict[str, Any]:
    return DriftVerdict(Verdict.FINE, "the scores are as they were calibrated", rows, 20_000, 0.6, 0.004, -0.002, (),
                        ()).as_dict()
