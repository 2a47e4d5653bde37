"""Entities that behave alike, and records against what the peers of their entity do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.entity_pattern import RECORDS, SPACE, compact, instants_and_ties
from anomaly_cl.detectors.past_head import PastHead
from anomaly_cl.detectors.reasons import shown
from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.pasts import EntityHistory, PastEncoder
from anomaly_cl.errors import InputError
from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.last_records import NONE, LastRecords
from anomaly_cl.features.records import numbered
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.scoring.peers import PeerAmounts, peer_amounts, peers, similar_to_each

ENTITIES_AT_ONCE = 2_000  # the records of so many are in memory together
UNUSUAL = 3.0  # spreads beyond which an amount is called unusual


class Entities(NamedTuple):
    """Entities of one role: their names (n,), embeddings (n, d) of what each did last, and of how many records (n,)."""

    names: pa.Array
    embeddings: np.ndarray
    counts: np.ndarray

    def position(self, name: object) -> int:
        """Where an entity stands; raises InputError if there is none of this name."""
        found = self.names.index(pa.scalar(str(name), self.names.type)).as_py()
        if found < 0:
            raise InputError("the entity has records", f"{name!r} is not among {len(self.names)} entities",
                             "correct its name, or give its records")
        return int(found)


def known_entities(
    rows: pa.Table, records: pa.Table, role: str, plan: HistoryPlan, encoder: TableEncoder, head: PastHead | None
) -> Entities:
    """What each entity did last, embedded: its last 20 records up to the end of all.

    `rows` conform to the schema and `records` are made of them. Without a trained head the embedding is the mean and
    spread of the records' columns.
    """
    names, codes = numbered(records.column(plan.record_names[role]))
    end = int(records.column("micros").to_numpy().max(initial=0)) + 1
    last = LastRecords(codes, *instants_and_ties(records))
    summing = PastEncoder(len(encoder.column_of_), RECORDS)
    counts, parts = [np.zeros(0, np.int64)], []
    for start in range(0, max(len(names), 1), ENTITIES_AT_ONCE):
        asked = np.arange(start, min(start + ENTITIES_AT_ONCE, len(names)))
        places = last.before_instants(asked, np.full(len(asked), end), RECORDS)
        held, pasts = compact(places)
        history = EntityHistory(encoder.transform(rows.take(held)).spaces[SPACE], np.full((len(held), 1), NONE))
        parts.append(head.embed_pasts(history, pasts) if head is not None else embed(summing, history.pasts(pasts)))
        counts.append((places != NONE).sum(axis=1))
    return Entities(names, np.concatenate(parts), np.concatenate(counts))


def embeddings_frame(entities: Entities) -> pd.DataFrame:
    """One line an entity, by name: how many records it rests on, and its embedding."""
    columns = {f"e{i}": column for i, column in enumerate(entities.embeddings.T)}
    index = pd.Index(entities.names.to_pylist(), name="entity")
    return pd.DataFrame({"records": entities.counts, **columns}, index=index)


def similar_frames(entities: Entities, names: Sequence[object], k: int) -> list[pd.DataFrame]:
    """The k entities most like each, nearest first: entity, distance, records, and whether these are too few to tell.
    """
    of = np.array([entities.position(name) for name in names], np.int64)
    return [pd.DataFrame({
        "entity": entities.names.take(pa.array(found.positions)).to_pylist(), "distance": found.distances,
        "records": entities.counts[found.positions], "few": found.few,
    }) for found in similar_to_each(entities.embeddings, entities.counts, of, k)]


def peer_frame(
    entities: Entities, records: pa.Table, positions: np.ndarray, role: str, plan: HistoryPlan,
    own: dict[str, tuple[np.ndarray, np.ndarray]], k: int,
) -> pd.DataFrame:
    """Each record at these positions (n,) and each amount, against its entity and against the k entities most like it.

    `own` {amount: (expected (n,), deviation (n,))} is the comparison with the entity's own past. The peers' amounts are
    the last 20 of each before the record. Deviations are in spreads; null where fewer than 10 payments are known.
    """
    codes = numbered(records.column(plan.record_names[role]))[1]
    micros, ties = instants_and_ties(records)
    last, near = LastRecords(codes, micros, ties), peers(entities.embeddings, entities.counts, k)
    known = np.flatnonzero(codes[positions] != NONE)
    at = positions[known]
    of, when = near[codes[at]], np.repeat(micros[at], near.shape[1])
    places = last.before_instants(of.ravel(), when, RECORDS).reshape(len(at), near.shape[1], RECORDS)
    names = entities.names.to_pylist()
    lines = []
    for amount, (expected, deviation) in own.items():
        values = pc.fill_null(records.column(plan.record_names[amount]), np.nan).to_numpy()
        held = np.where((places != NONE) & np.isfinite(values[places]), places, NONE)
        usual = peer_amounts(np.nan_to_num(values), held)
        lines += list(_lines(amount, role, [names[code] for code in codes[at]], known, values[at], expected[known],
                             deviation[known], usual))
    return pd.DataFrame(lines, columns=COLUMNS).sort_values(["row", "amount"], ignore_index=True)


COLUMNS = ["row", "entity", "amount", "value", "expected", "deviation", "peers_expected", "peers_deviation", "sentence"]


def _lines(
    amount: str, role: str, names: list[str], rows: np.ndarray, values: np.ndarray, expected: np.ndarray,
    deviations: np.ndarray, usual: PeerAmounts,
) -> Iterator[tuple[object, ...]]:
    beyond = usual.deviations(np.nan_to_num(values))
    for i, row in enumerate(rows.tolist()):
        sentence = in_a_sentence(amount, role, values[i], expected[i], deviations[i], usual.location[i], beyond[i])
        yield (row, names[i], amount, values[i], expected[i], deviations[i], usual.location[i], beyond[i], sentence)


def in_a_sentence(
    amount: str, role: str, value: float, expected: float, deviation: float, peers_expected: float,
    peers_deviation: float,
) -> str:
    """Whether an amount is unusual for its entity, and for those like it, in words."""
    if not np.isfinite(value):
        return f"{amount} is missing"
    own, like = abs(deviation) > UNUSUAL, abs(peers_deviation) > UNUSUAL
    said = f"{amount} {shown(float(value))}: {'unusual' if own else 'usual'} for this {role} ({shown(float(expected))})"
    if not np.isfinite(peers_deviation):
        return said + "; too little is known of those like it"
    link = "and" if own == like else "but"
    return f"{said}, {link} {'unusual' if like else 'usual'} for those like it ({shown(float(peers_expected))})"
