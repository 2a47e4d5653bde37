"""Which measurements are made, in which order: contenders take turns, so that a busy machine hits all alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apps.benchmark.speed.contenders import Ours, Peer

COLUMNS = 25  # 20 numeric and 5 categorical
REFERENCE = 20_000  # rows that all contenders measure against
MOST_FOR_COLUMNS = 100_000  # rows at which the number of columns grows


class Run(NamedTuple):
    """One measurement: `part` is model (fit to the reference rows), score, command or fit."""

    part: str
    contender: Ours | Peer
    rows: int
    columns: int
    repeat: int = 0

    @property
    def key(self) -> tuple[str, str, int, int, int]:
        return self.part, self.contender.name, self.rows, self.columns, self.repeat


@dataclass(frozen=True)
class Asked:
    """Sizes, contenders, and how often each score is measured; `large` leaves out what grows with the rows of a fit."""

    rows: Sequence[int]
    columns: Sequence[int]
    ours: Sequence[Ours]
    peers: Sequence[Peer]
    repeat: int = 3
    large: bool = False

    @property
    def cells(self) -> list[tuple[int, int]]:
        """(rows, columns): growing rows, then growing columns."""
        other = min(max(self.rows), MOST_FOR_COLUMNS)
        cells = [(rows, COLUMNS) for rows in self.rows] + [(other, columns) for columns in self.columns]
        return list(dict.fromkeys(cells))

    def runs(self) -> Iterator[Run]:
        for columns in dict.fromkeys(columns for _, columns in self.cells):
            yield from (Run("model", one, REFERENCE, columns) for one in self.ours)
        for place, (rows, columns) in enumerate(self.cells):
            for repeat in range(self.repeat):
                yield from self._turns(rows, columns, repeat)
            if not (self.large and place):
                yield from (Run("command", one, rows, columns) for one in self.ours)
        if not self.large:
            for rows, columns in self.cells:
                yield from (Run("fit", one, rows, columns) for one in self.ours)
                yield from (Run("fit", peer, rows, columns) for peer in self.peers if rows <= peer.most_fitted)

    def _turns(self, rows: int, columns: int, repeat: int) -> Iterator[Run]:
        """Ours, a peer, ours, a peer ...; those that are left over come last."""
        mine = [Run("score", one, rows, columns, repeat) for one in self.ours]
        theirs = [Run("score", peer, rows, columns, repeat) for peer in self.peers]
        for place in range(max(len(mine), len(theirs))):
            yield from mine[place:place + 1]
            yield from theirs[place:place + 1]
