"""A record against the past of its entities: how far each value lies from what this entity's past lets expect.

Each deviation is one number with a weight, both learned from normal rows without labels. The weight is

    relevance * novelty

- relevance: how well the entity's past predicts normal records in this respect, 0..1. Where customers differ in what
  they spend, the past of a customer tells what the next amount will be, and a departure from it is worth knowing; where
  terminals do not, the departure from a terminal's mean is but a noisy copy of the amount.
- novelty: 1 less the rank correlation of the deviation with that of the entity's previous record, 0..1. A count over 30
  days was as unusual an hour ago; it describes the entity, and was told of the earlier records already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa

from anomaly_cl.features.deviation_kinds import KINDS, Deviation, RecordRows, amount_windows, rank_correlation
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.history_sql import last_days


class EntityDeviations:
    """Learns deviations from normal rows, and computes them, each row from its own history columns.

    Fitted attributes: `weights_` {name: 0..1}, `relevance_`, `novelty_`, and `settings_` {name: what else was learned}.
    """

    def __init__(self, plan: HistoryPlan):
        self.plan = plan
        self.deviations = tuple(_deviations(plan))
        self.by_name = {deviation.name: deviation for deviation in self.deviations}

    def fit(self, records: pa.Table, past: pa.Table) -> Self:
        """Learn from normal records (see `HistoryPlan.record_schema`) and their history columns, row by row alike."""
        rows = RecordRows(self.plan, records, past)
        self.settings_, self.relevance_, self.novelty_ = {}, {}, {}
        for deviation in self.deviations:
            settings, relevance = KINDS[deviation.kind].learn(rows, deviation)
            values = KINDS[deviation.kind].values(rows, deviation, settings)
            self.settings_[deviation.name], self.relevance_[deviation.name] = settings, relevance
            self.novelty_[deviation.name] = _novelty(values, *rows.order(deviation.entity))
        self._weigh()
        return self

    def transform(self, records: pa.Table, past: pa.Table) -> pa.Table:
        """One float64 column a deviation, null where the past says nothing, as for an entity's first record."""
        rows = RecordRows(self.plan, records, past)
        columns = {}
        for deviation in self.deviations:
            values = KINDS[deviation.kind].values(rows, deviation, self.settings_[deviation.name])
            columns[deviation.name] = pa.array(values, pa.float64(), from_pandas=True)
        return pa.table(columns) if columns else pa.table({})

    def expected(self, records: pa.Table, past: pa.Table) -> pa.Table:
        """What each entity's past lets expect, one float64 column a deviation: the usual value of an amount, seconds
        between records, hour of the day, number of records, or how many earlier records had the value.
        """
        rows = RecordRows(self.plan, records, past)
        return pa.table({
            deviation.name: pa.array(
                KINDS[deviation.kind].expected(rows, deviation, self.settings_[deviation.name]), pa.float64(),
                from_pandas=True)
            for deviation in self.deviations
        })

    @property
    def columns_read(self) -> list[str]:
        """SQL names of the history columns that are read."""
        plan = self.plan
        found = [plan.column(entity, statistic) for entity in plan.entities
                 for statistic in ("count", "since", "age", "hour_sin", "hour_cos")]
        found += [plan.column(entity, "count", last_days(days).name) for entity in plan.entities for days in plan.days]
        found += [plan.column(entity, statistic, window, amount=amount) for entity in plan.entities
                  for amount in plan.amounts for window in amount_windows(plan)
                  for statistic in ("n", "q1", "median", "q3")]
        found += [plan.column(deviation.entity, "count", other=deviation.about) for deviation in self.deviations
                  if deviation.kind == "seen"]
        return [column.sql_name for column in found]

    def _weigh(self) -> None:
        self.weights_ = {name: self.relevance_[name] * self.novelty_[name] for name in self.relevance_}

    def to_state(self) -> dict[str, Any]:
        return {"plan": {"entities": list(self.plan.entities), "amounts": list(self.plan.amounts),
                         "categories": list(self.plan.categories), "rows": self.plan.rows,
                         "days": list(self.plan.days)},
                "settings": self.settings_, "relevance": self.relevance_, "novelty": self.novelty_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        plan = state["plan"]
        learned = cls(HistoryPlan(tuple(plan["entities"]), tuple(plan["amounts"]), tuple(plan["categories"]),
                                  int(plan["rows"]), tuple(plan["days"])))
        learned.settings_ = dict(state["settings"])
        learned.relevance_, learned.novelty_ = dict(state["relevance"]), dict(state["novelty"])
        learned._weigh()
        return learned


def _deviations(plan: HistoryPlan) -> Iterator[Deviation]:
    for position, entity in enumerate(plan.entities):
        for amount in plan.amounts:
            yield Deviation(f"{amount} for {entity}", "amount", entity, amount)
        yield Deviation(f"time since last of {entity}", "gap", entity)
        yield Deviation(f"hour of day of {entity}", "hour", entity)
        for days in plan.days:
            yield Deviation(f"records in {days} d of {entity}", "activity", entity, days=days)
        for other in (*plan.entities[position + 1:], *plan.categories):
            yield Deviation(f"{other} for {entity}", "seen", entity, other)


def _novelty(values: np.ndarray, order: np.ndarray, same: np.ndarray) -> float:
    ordered = values[order]
    return 1 - rank_correlation(ordered[1:][same], ordered[:-1][same])
