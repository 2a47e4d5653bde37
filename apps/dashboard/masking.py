"""Private columns made unreadable: what a person who may not see them gets in place of the values.

Where it cannot be told whether a text is a private value, it is hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from access import Actor

from anomaly_cl.detectors.differing import is_number

MASK = "•••"
NAMES = ("column", "name", "channel")  # keys whose text says which column the values beside it are of
MEASURES = frozenset({*NAMES, "columns", "contribution", "share", "kind", "role", "private", "rows", "judged", "risk",
                      "p_value", "rank"})  # what is said beside such a name without telling a value


@dataclass(frozen=True)
class Mask:
    """Hides the values of these columns; without any, everything passes unchanged."""

    columns: frozenset[str] = frozenset()

    @classmethod
    def of(cls, actor: Actor, private: Iterable[str] | None) -> Mask:
        """What this person may not see of a run with these private columns."""
        return cls(frozenset() if actor.sees_private else frozenset(private or ()))

    def __bool__(self) -> bool:
        return bool(self.columns)

    def hides(self, column: str | None) -> bool:
        return column in self.columns

    def hides_what_is_told_of(self, column: str | None) -> bool:
        """Whether a reason's column is private, or derived of one: "amount for customer" is of amount."""
        if column is None or not self:
            return False
        return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", column) for name in self.columns)

    def row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record, what is typical, or entities: {column: value}."""
        return {column: MASK if self.hides(column) else value for column, value in record.items()}

    def reason(self, reason: Mapping[str, Any]) -> dict[str, Any]:
        """One reason: its column and contribution stay, its values do not."""
        told = dict(reason)
        if self.hides_what_is_told_of(told.get("column")):
            told |= {"value": MASK, "typical": MASK}
        return told

    def entity(self, column: str | None, text: str | None) -> str | None:
        """The text of an entity of this column."""
        return MASK if text is not None and self.hides(column) else text

    def key(self, key: str | None, record: Mapping[str, Any]) -> str | None:
        """The text of a record's key, which is hidden unless it is known to be the text of a column in sight."""
        if not self or key is None:
            return key
        return MASK if key in _texts(record, self.columns) or key not in _texts(record) else key

    def amount(self, amount: float | None, record: Mapping[str, Any]) -> float | None:
        """What is at stake; None where it is, or may be, the number of a private column."""
        if not self or amount is None:
            return amount
        of = [column for column, value in record.items() if is_number(value) and float(value) == amount]
        return None if not of or self.columns.intersection(of) else amount

    def tree(self, data: Any) -> Any:
        """Plain data of any shape (explanations, facts of a model): the values that belong to private columns.

        Hidden are what stands under a private column's name, all but the measures that stand beside such a name
        ({"column": "iban", "contribution": 3.1, "text": ...}). A sentence is put together again of its clauses that
        are not hidden; one without clauses is hidden, unless it tells of changes to other columns only.
        """
        if not self:
            return data
        if isinstance(data, Mapping):
            about = self._is_about(data)
            shown = {key: self._branch(key, value, about) for key, value in data.items()}
            return shown | ({"sentence": self._sentence(data)} if isinstance(data.get("sentence"), str) else {})
        return [self.tree(part) for part in data] if isinstance(data, list | tuple) else data

    def _is_about(self, data: Mapping[str, Any]) -> bool:
        named = [data[name] for name in NAMES if isinstance(data.get(name), str)]
        columns = data.get("columns")
        named += [part for part in columns if isinstance(part, str)] if isinstance(columns, list | tuple) else []
        return any(map(self.hides_what_is_told_of, named))

    def _branch(self, key: str, value: Any, about: bool) -> Any:
        if self.hides(key) or (about and key not in MEASURES):
            return MASK if value is not None else None
        return self.tree(value)

    def _sentence(self, data: Mapping[str, Any]) -> str:
        parts = data.get("clauses") or data.get("changes")
        if not isinstance(parts, list | tuple) or not all(isinstance(part, Mapping) for part in parts):
            return MASK
        left = [part for part in parts if not self._is_about(part)]
        if "clauses" in data:
            return "; ".join([*(str(part.get("text", MASK)) for part in left), *[MASK] * (len(left) < len(parts))])
        return str(data["sentence"]) if parts and len(left) == len(parts) else MASK

    def segments(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Facts of a model with its segments numbered, where the column that they are values of is private."""
        of = [column["name"] for column in facts.get("schema") or [] if column.get("role") in ("segment", "entity")]
        lines = facts.get("segments")
        if not lines or self.columns.isdisjoint(of):
            return dict(facts)
        names = {line["segment"]: f"{MASK} {number}" for number, line in enumerate(lines, 1) if line.get("segment")}
        return {**facts, "segments": [
            {**line, "segment": names.get(line.get("segment")),
             "compared_with": names.get(line.get("compared_with"), line.get("compared_with"))} for line in lines]}

    def signal(self, points: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """A signal without its private channels."""
        if points is None or not self:
            return None if points is None else dict(points)
        shown: dict[str, Any] = {}
        for part, values in points.items():
            by_channel = isinstance(values, Mapping)
            shown[part] = {name: one for name, one in values.items() if not self.hides(name)} if by_channel else values
        return shown

    def past(self, records: Sequence[Mapping[str, Any]], *, key: bool = False, amount: bool = False
             ) -> list[dict[str, Any]]:
        """Records of an entity's past, without their keys or amounts where these are hidden of the alert itself."""
        hidden = ({"key"} if key else set()) | ({"amount"} if amount else set())
        return [{name: (None if name == "amount" else MASK) if name in hidden else value
                 for name, value in record.items()} for record in records]


def masked_alert(mask: Mask, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an alert's columns by name, as selected (`record` must be among them if `key`, `name` or `amount`
    is), with private ones hidden."""
    if not mask:
        return dict(values)
    shown = dict(values)
    record = values.get("record") or {}
    for name in ("record", "typical", "entities"):
        if shown.get(name) is not None:
            shown[name] = mask.row(shown[name])
    for name, hide in (("reasons", mask.reason), ("neighbours", mask.row)):
        if shown.get(name) is not None:
            shown[name] = [hide(part) for part in shown[name]]
    if "entity" in shown:
        shown["entity"] = mask.entity(values.get("entity_column"), shown["entity"])
    if "key" in shown:
        shown["key"] = mask.key(shown["key"], record)
    if "amount" in shown:
        shown["amount"] = mask.amount(shown["amount"], record)
    if "name" in shown:
        shown["name"] = MASK
    if "segment" in shown and shown["segment"] is not None:
        shown["segment"] = mask.key(shown["segment"], record)
    if "explanation" in shown:
        shown["explanation"] = mask.tree(shown["explanation"])
    if "signal" in shown:
        shown["signal"] = mask.signal(shown["signal"])
    return shown


def _texts(record: Mapping[str, Any], columns: Iterable[str] | None = None) -> set[str]:
    """The values of some columns as text, times in both ways of writing them."""
    chosen = record if columns is None else [column for column in columns if column in record]
    texts = {str(record[column]) for column in chosen if record[column] is not None}
    return texts | {text.replace("T", " ") for text in texts}
