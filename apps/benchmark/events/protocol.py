"""The fraud handbook's protocol: weeks to train on, days of delay, weeks to test on, and cards that are known by then.

Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning for Credit Card Fraud Detection", chapter 3,
section "Baseline fraud detection system", and chapter 5, section "Validation strategies".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from anomaly_cl.errors import InputError, UsageError

KEY, TIME, CUSTOMER, TERMINAL, AMOUNT, FRAUD, KIND = OWN_NAMES = (
    "transaction", "time", "customer", "terminal", "amount", "fraud", "kind")
RECORD = [KEY, TIME, CUSTOMER, TERMINAL, AMOUNT]  # what a detector without labels sees
DELAY = pd.Timedelta(days=7)  # until it is known whether a transaction was a fraud


@dataclass(frozen=True)
class Names:
    """The columns of a file of transactions, by default the handbook's; `kind` is the kind of fraud, 0 = none."""

    key: str = "TRANSACTION_ID"
    time: str = "TX_DATETIME"
    customer: str = "CUSTOMER_ID"
    terminal: str = "TERMINAL_ID"
    amount: str = "TX_AMOUNT"
    fraud: str = "TX_FRAUD"
    kind: str = "TX_FRAUD_SCENARIO"


@dataclass(frozen=True)
class Week:
    """A week to train on, from this midnight; 7 days of delay and a week to test on follow."""

    start: pd.Timestamp

    @classmethod
    def parse(cls, text: str) -> Week:
        try:
            return cls(pd.Timestamp(date.fromisoformat(text)))
        except ValueError as error:
            raise UsageError("a week is the date of its first day", f"found {text!r}",
                             "write for example 2018-07-25") from error

    def day(self, days: int) -> pd.Timestamp:
        return self.start + pd.Timedelta(days=days)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d}"


@dataclass(frozen=True)
class Scene:
    """All transactions by time and key, a week, and the folder of what runs keep for each other."""

    transactions: pd.DataFrame
    week: Week
    kept: Path

    def days(self, first: int, end: int) -> slice:
        """The rows from the start of one day of the week's count to the start of another."""
        times = self.transactions[TIME]
        return slice(int(times.searchsorted(self.week.day(first))), int(times.searchsorted(self.week.day(end))))

    @property
    def training(self) -> slice:
        return self.days(0, 7)

    @property
    def test(self) -> slice:
        return self.days(14, 21)

    @property
    def normal(self) -> np.ndarray:
        """Positions of the training week's normal rows."""
        rows = self.training
        return rows.start + np.flatnonzero(self.transactions[FRAUD].to_numpy()[rows] == 0)

    def records(self, rows: slice | np.ndarray) -> pd.DataFrame:
        """These transactions without what is known of them afterwards."""
        return self.transactions[RECORD].iloc[rows]

    def records_before(self, row: int) -> pd.DataFrame | None:
        """The same of all transactions before a row; None if it is the first."""
        return self.records(slice(0, row)) if row else None

    def verdicts(self, before: pd.Timestamp) -> pd.DataFrame:
        """What was found of transactions, as far as it was known before an instant."""
        end = int(self.transactions[TIME].searchsorted(before - DELAY))
        told = self.transactions.iloc[:end]
        return pd.DataFrame({KEY: told[KEY], "verdict": np.where(told[FRAUD] == 1, "fraud", "legitimate"),
                             "decided_at": told[TIME] + DELAY})

    def remaining(self) -> np.ndarray:
        """Which test rows (rows,) are left when cards leave that are known to be compromised.

        Known are frauds of the training week, and on each day those of days more than 7 days before it.
        """
        frauds = self.transactions.iloc[self.days(0, 21)]
        frauds = frauds[frauds[FRAUD] == 1]
        first = frauds.groupby(CUSTOMER)[TIME].min().dt.normalize()
        tested = self.transactions.iloc[self.test]
        known_after = tested[CUSTOMER].map(first + DELAY)
        return ~(known_after < tested[TIME].dt.normalize()).to_numpy()


def read_transactions(file: Path, names: Names = Names()) -> pd.DataFrame:
    """The transactions of a Parquet file under our own names, by time and key; InputError where columns lack."""
    asked = list(astuple(names))
    if not file.is_file():
        raise InputError("transactions are a Parquet file", f"there is no {file}", "correct the path")
    if missing := sorted(set(asked) - set(pq.read_schema(file).names)):
        raise InputError("the columns of transactions have the names given", f"{file} has no {missing}",
                         "name them by --key, --time, --customer, --terminal, --amount, --fraud and --kind")
    frame = pd.read_parquet(file, columns=asked)[asked].set_axis(list(OWN_NAMES), axis=1)
    return frame.sort_values([TIME, KEY], ignore_index=True)


def check_weeks(weeks: Sequence[Week], transactions: pd.DataFrame) -> None:
    """Raises InputError unless the transactions cover all weeks."""
    first, last = transactions[TIME].iloc[[0, -1]]
    if outside := [str(week) for week in weeks if week.start < first.normalize() or week.day(20) > last]:
        raise InputError("a week lies within the transactions, and so do the 14 days after it",
                         f"these go from {first:%Y-%m-%d} to {last:%Y-%m-%d}; outside are {outside}",
                         "choose other weeks")
