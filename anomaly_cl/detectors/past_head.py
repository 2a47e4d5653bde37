"""How well a record fits what its entity did before: each column's surprise, given the entity's last records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.pasts import EntityHistory, RecordAndPast
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.errors import ModelError, UsageError
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.scoring.distances import TailHead
from anomaly_cl.scoring.fusion import FusedSurprise
from anomaly_cl.scoring.mismatch import MismatchHead

CHUNK_ROWS = 8_192  # gathered with their pasts at once: what bounds the memory
OF_COLUMN = "{:04d}"  # names of the columns' heads, in order when sorted


class PastHead:
    """Surprise of a record given its entity's past: -log p(column | past) of each column, fused over the columns.

    -log p(column | past) is minus the mutual information of column and past at this record, which the contrast of
    towers learned (`MismatchHead`), plus -log p(column), from its tail: the former alone takes what is rare everywhere
    for usual. A record without a past has only the latter. Columns are judged one by one and then fused, by their root
    mean square: in a distance over all of them a single strange one drowns.

    training: settings of the contrast. training_rows: most rows it is trained on, drawn at random.

    Fitted attributes: `network_` (a `RecordAndPast`), `mismatches_` by column (none, if there was nothing to contrast),
    `marginals_`, `fusion_`, `information_` (columns,), how many nats the past says about each column of held-out rows,
    and of the training `history_` and `untrained_because_`.
    """

    def __init__(self, training: TrainingSettings | None = None, training_rows: int = 20_000):
        self.training, self.training_rows = training, training_rows

    def fit(
        self, history: EntityHistory, tails: np.ndarray, column_of: np.ndarray, two_sided: np.ndarray, *,
        reference: np.ndarray, held_out: np.ndarray, rng: np.random.Generator,
        trainer_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn from normal records at positions `reference` (n,) and `held_out` (m,) of the history.

        `tails` (N, columns) are a number for each learned column of a record, small or (where `two_sided` (columns,))
        large ones being rare, and `column_of` (d,) says to which column each number of the history belongs; all as
        `TableEncoder` has them. Raises UsageError for shapes that do not fit, and ModelError if the training collapsed.
        """
        _check_tails(tails, len(history.columns), len(two_sided))
        self._train(history, column_of, reference, held_out, rng, trainer_options)
        self.marginals_ = TailHead().fit(tails[reference], two_sided)
        self.mismatches_ = []
        if not self.untrained_because_:
            bank = self._drawn(history, reference, rng)
            self.mismatches_ = [MismatchHead().fit(part) for part in self._matched(history, bank)]
        mismatch = self._mismatch(history, held_out)
        known = history.past[held_out, 0] >= 0
        self.information_ = -mismatch[known].mean(axis=0) if known.any() else np.zeros(len(two_sided))
        nats = mismatch + self.marginals_.per_column(tails[held_out])
        self.fusion_ = FusedSurprise(power=2).fit(_by_name(nats))
        return self

    def per_column(self, history: EntityHistory, tails: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Surprise (n, columns) of each column of the records at positions `rows` (n,), given their entities' pasts.

        `tails` (n, columns) are those of these records. In nats, >= 0; bit-equal however the records are cut into
        calls.
        """
        _check_tails(tails, len(rows), len(self.information_))
        nats = self._mismatch(history, rows) + self.marginals_.per_column(tails)
        return np.stack(list(self.fusion_.per_head(_by_name(nats)).values()), axis=1)

    def distances(self, history: EntityHistory, tails: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The same fused over the columns: one number (n,) a record, higher = stranger."""
        return self.fusion_.mean(_by_name(self.per_column(history, tails, rows)))

    def embed_pasts(self, history: EntityHistory, past: np.ndarray) -> np.ndarray:
        """Embeddings float32 (n, 2 d) of sets of records by position (n, K), -1 where there are none.

        Entities that behaved alike are near each other, by Euclidean distance.
        """
        return np.concatenate([
            embed(self.network_.tower_b, history.pasts(past[start : start + CHUNK_ROWS]))
            for start in range(0, max(len(past), 1), CHUNK_ROWS)
        ])

    def to_state(self) -> dict[str, Any]:
        return {
            "network": encoder_state(self.network_),
            "mismatches": [head.to_state() for head in self.mismatches_], "marginals": self.marginals_.to_state(),
            "fusion": self.fusion_.to_state(), "information": self.information_,
            "history": self.history_, "untrained_because": self.untrained_because_,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The fitted head again; raises ModelError if its networks are of another class, or do not fit their arrays."""
        head = cls()
        head.network_ = _record_and_past(encoder_from_state(state["network"]))
        head.mismatches_ = [MismatchHead.from_state(each) for each in state["mismatches"]]
        head.marginals_ = TailHead.from_state(state["marginals"])
        head.fusion_ = FusedSurprise.from_state(state["fusion"])
        head.information_ = np.asarray(state["information"])
        head.history_, head.untrained_because_ = state["history"], state["untrained_because"]
        return head

    def _train(
        self, history: EntityHistory, column_of: np.ndarray, reference: np.ndarray, held_out: np.ndarray,
        rng: np.random.Generator, trainer_options: Mapping[str, Any] | None,
    ) -> None:
        # Lightning takes seconds to import; scoring needs none of it
        from anomaly_cl.pretraining.fit import contrast_pasts
        from anomaly_cl.pretraining.pasts import PastsSettings

        result = contrast_pasts(
            history.rows(self._drawn(history, reference, rng)), history.rows(self._drawn(history, held_out, rng)),
            PastsSettings(tuple(np.asarray(column_of).tolist()), history.past.shape[1]),
            seed=int(rng.integers(2**31)), settings=self.training, trainer_options=trainer_options,
        )
        self.network_ = _record_and_past(result.encoder)
        self.history_, self.untrained_because_ = result.history, result.untrained_because

    def _drawn(self, history: EntityHistory, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows that have a past, `training_rows` of them at most, in ascending order."""
        return np.sort(rng.permutation(rows[history.past[rows, 0] >= 0])[: self.training_rows])

    def _mismatch(self, history: EntityHistory, rows: np.ndarray) -> np.ndarray:
        """Minus the mutual information (n, columns) of each column and the past, in nats; 0 without a past."""
        found = np.zeros((len(rows), len(self.network_.columns)))
        if not self.mismatches_:
            return found
        known = np.flatnonzero(history.past[rows, 0] >= 0)
        for column, (head, part) in enumerate(zip(self.mismatches_, self._matched(history, rows[known]), strict=True)):
            found[known, column] = head.distances(part)
        return found

    def _matched(self, history: EntityHistory, rows: np.ndarray) -> list[np.ndarray]:
        """Projections of each column and of the past for it, side by side (n, 2 * n_projected), a column at a time."""
        parts = [embed(self.network_.projections, embed(self.network_, history.rows(rows[start : start + CHUNK_ROWS])))
                 for start in range(0, max(len(rows), 1), CHUNK_ROWS)]
        return np.split(np.concatenate(parts), len(self.network_.columns), axis=1)


def _by_name(columns: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of (n, columns) by names that sort in their order."""
    return {OF_COLUMN.format(number): column for number, column in enumerate(columns.T)}


def _record_and_past(encoder: Encoder) -> RecordAndPast:
    if not isinstance(encoder, RecordAndPast):
        raise ModelError("records and pasts are read by a RecordAndPast", f"found {type(encoder).__name__}",
                         "train the model again, or restore it from a copy")
    return encoder


def _check_tails(tails: np.ndarray, n_rows: int, n_columns: int) -> None:
    if tails.shape != (n_rows, n_columns):
        raise UsageError(f"each of {n_rows} records has a tail for each of {n_columns} columns",
                         f"found {tails.shape}", "give the tails that TableEncoder gave the records")
