"""TabularDetector: learns what normal rows of a table look like, and scores any others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, clone

from anomaly_cl.detectors import artifact, probing
from anomaly_cl.detectors.calibrating import Fitted, calibrate, fit_and_calibrate, resolve_plan
from anomaly_cl.detectors.explained_rows import UNUSUAL
from anomaly_cl.detectors.explanation import Explanation
from anomaly_cl.detectors.fitted import FittedDetector, check_search, check_settings, read_rows, refuse
from anomaly_cl.detectors.groups import describe_groups
from anomaly_cl.detectors.pair_table import PairTable
from anomaly_cl.detectors.refinement import Confirmed
from anomaly_cl.detectors.report import DetectorReport
from anomaly_cl.detectors.row_scorer import BANK_ROWS, EXACT, NO_PRETRAINING, Recipe, RowScorer
from anomaly_cl.detectors.trimmed import ROW_NUMBER, check_contamination, numbered, trimmed_table, trusted_rows
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.pairs import Pairs, pairs_among
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.distances import DistanceHead
from anomaly_cl.scoring.drift import FEWEST_ROWS, DriftReference
from anomaly_cl.scoring.drift_verdict import LEVEL, DriftVerdict
from anomaly_cl.scoring.policy import Policy
from anomaly_cl.table.read import RowStream, open_rows
from anomaly_cl.table.split import CalibrationPlan, sample_rows

KIND = "tabular"
LOST_TRAINING = "Trained with the default settings, not with the detector's own, which a model folder does not keep."
RECALIBRATION_ROWS = 20_000  # at most, drawn evenly
RECALIBRATION = 1_000  # key of the random stream of a recalibration, apart from those of fit


class TabularDetector(FittedDetector, BaseEstimator):
    """Anomaly detector for tables, trained on normal rows only; higher scores are stranger.

    pretraining: "neighbours", "simclr", "moco", "swav", "triplet", "clip", or "none" for raw distances alone.
    schema: kinds and roles of the columns; inferred from the normal rows if None.
    extra_heads: further distance heads {name: head}, measured on standardised columns.
    training, trainer_options: settings of the pretraining, and options passed to Lightning's Trainer.
    calibration: "split" sets rows aside for it; "cross" uses every row, by models fitted on folds, which takes longer;
    "auto" is cross for small data. Or a `Split` or `CrossFit` of `anomaly_cl.table.split`.
    contamination: None trusts every row. A share above 0 and below 0.5 leaves out the strangest rows, that many; "auto"
    only those that are certainly more than a tail of normal rows would hold, none mostly. `trimmed_` lists them: read
    it, for the promise of the p-values is about rows like those that were kept.
    search: "exact" measures to the nearest normal rows in each space by itself; "fast" once in all spaces, for files of
    millions of rows, with pretraining "neighbours" or "none".
    bank_rows: most normal rows that distances are measured to, 20,000 if None, or 4,096 with the fast search; fit_rows:
    most normal rows drawn from a larger input.
    """

    def __init__(
        self,
        pretraining: str = "neighbours",
        random_state: int = 0,
        *,
        schema: Schema | None = None,
        extra_heads: Mapping[str, DistanceHead] | None = None,
        training: TrainingSettings | None = None,
        trainer_options: Mapping[str, Any] | None = None,
        calibration: str | CalibrationPlan = "auto",
        contamination: str | float | None = None,
        bank_rows: int | None = None,
        fit_rows: int = 200_000,
        search: str = EXACT,
    ):
        self.pretraining = pretraining
        self.random_state = random_state
        self.schema = schema
        self.extra_heads = extra_heads
        self.training = training
        self.trainer_options = trainer_options
        self.calibration = calibration
        self.contamination = contamination
        self.bank_rows = bank_rows
        self.fit_rows = fit_rows
        self.search = search

    def fit(self, rows: Any, *, where: str | None = None, pairs: Any = None) -> Self:
        """Learn from normal rows: a DataFrame, Arrow data, array (rows, columns), or path.

        `where` is an SQL condition that picks the normal rows. `pairs` is a table, of any such form, of pairs of them
        that people know to be alike or different: key, key, and same or different (see `PairTable.read`). The encoder
        learns from those of its training rows. Raises InputError for rows or pairs that cannot be read or too few of
        them, UsageError for a setting out of range, ModelError if the pretraining collapsed.
        """
        stream = open_rows(rows, self.schema, where=where, on_reject=refuse)
        return self.fit_stream(stream, pairs=pairs)

    def fit_stream(self, stream: RowStream, *, pairs: Any = None) -> Self:
        """Learn from a stream of batches of normal rows (see `anomaly_cl.table.read.open_rows`), and pairs of them."""
        self._check_settings(pairs)
        self.schema_: Schema = stream.schema
        check_contamination(self.contamination, self.schema_)
        sample, learning, trimming = np.random.default_rng(self.random_state).spawn(3)
        known = None if pairs is None else PairTable.read(pairs, self.schema_)
        table, row_numbers = self._sample(stream, self.fit_rows, sample, known)
        trusted = trusted_rows(table, self.schema_, self.contamination, trimming)
        kept = table if trusted.all() else table.filter(pa.array(trusted))
        plan, recipe = resolve_plan(self.calibration, kept.num_rows, self.schema_), self._recipe()
        if known is not None:
            recipe = replace(recipe, pairs=known.positions(kept.column(known.key)))
        self._learned(fit_and_calibrate(kept, self.schema_, plan, recipe, learning), recipe)
        return self if trusted.all() else self._trimmed(table, row_numbers, np.flatnonzero(~trusted))

    def refine(self, rows: Any, labels: Any) -> Self:
        """A new detector that also knows some verdicts; this one stays as it is.

        rows: some rows with verdicts, in any form that `score` takes; labels (rows,): 1 = confirmed anomaly, 0 =
        confirmed normal. One anomaly is enough, and some hundred are plenty. The new detector fits the same model to
        the normal rows of this one's bank and adds heads that learned from the verdicts, so it takes as long as `fit`;
        its calibration never saw the rows it calibrates with, and holds for rows of the kind of the bank's. Give all
        verdicts at once: they replace those of an earlier refinement, as its calibration replaces any later one.
        Raises InputError for rows or labels that cannot be read, or without an anomaly, and UsageError if a loaded
        detector lacks its training settings.
        """
        if self.own_training_ and self.training is None:
            raise UsageError("a refined detector is trained with the settings of the first",
                             "a model folder does not keep them", "set them: detector.set_params(training=...)")
        refined = clone(self)
        refined.schema_ = self.schema_
        confirmed = Confirmed.from_labels(self._read(rows), labels)
        learning = np.random.default_rng(self.random_state).spawn(2)[1]
        plan = resolve_plan(self.calibration, self.reference_.num_rows, self.schema_)
        recipe = replace(self._recipe(), pairs=self.pairs_, confirmed=confirmed)
        return refined._learned(fit_and_calibrate(self.reference_, self.schema_, plan, recipe, learning), recipe)

    def groups(self) -> pd.DataFrame:
        """The groups of normal behaviour that SwAV found, largest first: see `describe_groups`.

        The rows counted and described are those of the bank. Raises UsageError without pretraining="swav".
        """
        prototypes = self.scorer_.prototypes_
        if prototypes is None:
            raise UsageError("groups are found by pretraining='swav'", f"it is {self.pretraining!r}"
                             + (f" ({self.scorer_.untrained_because_})" if self.scorer_.untrained_because_ else ""),
                             "train another detector, if groups are wanted")
        found = self.scorer_.groups(self.reference_)
        return describe_groups(found, len(prototypes), self.reference_, self.scorer_.encoder_)

    def _learned(self, fitted: Fitted, recipe: Recipe) -> Self:
        self.pairs_ = recipe.pairs and pairs_among(recipe.pairs, fitted.scorer.bank_positions_)
        self.own_training_ = self.training is not None
        self.scorer_, self.calibration_ = fitted.scorer, fitted.calibration
        self.reference_, self.rows_, self.drift_reference_ = fitted.reference, fitted.rows, fitted.drift_reference
        self.n_features_in_ = len(self.scorer_.encoder_.learned_names_)
        self.model_id_ = artifact.digest({"learned": self.scorer_.learned_state(),
                                          "calibration": self.calibration_.to_state()})
        self.trimmed_positions_, self.trimmed_ = np.zeros(0, np.intp), _nothing_trimmed(self.reference_)
        return self

    def _trimmed(self, table: pa.Table, row_numbers: np.ndarray, positions: np.ndarray) -> Self:
        rows = table.take(positions)
        self.trimmed_positions_ = positions
        self.trimmed_ = trimmed_table(rows, row_numbers[positions], self.score_table(rows))
        self.rows_ = self.rows_ | {"read": table.num_rows, "trimmed": len(positions)}
        return self

    def score(self, rows: Any, policy: str | Policy | None = None) -> pd.DataFrame:
        """Score rows; one line for each row, with score, p_value, p_tail, risk, alert, segment, reasons and model_id.

        The default policy is alpha=0.01. The index is that of a DataFrame given, else 0, 1, ... Raises InputError
        for a row that cannot be read.
        """
        frame = self.scored_frame(self._read(rows), policy)
        return frame.set_index(rows.index) if isinstance(rows, pd.DataFrame) else frame

    def explain(self, rows: Any, *, k: int = 5, level: float = UNUSUAL) -> list[Explanation]:
        """Why each row is unusual, or that it is not: see `Explanation`. k: nearest normal rows to show; level: the
        p-value up to which a row is called unusual.
        """
        return self.explain_table(self._read(rows), k=k, level=level)

    def decision_function(self, rows: Any) -> np.ndarray:
        """Fused surprise (rows,) float64 in nats, higher = stranger."""
        return self.score_table(self._read(rows)).score

    def training_scores(self, rows: Any) -> np.ndarray:
        """Scores (rows,) of the very rows of `fit`, those of the bank measured to its other rows only.

        Trimmed rows, which are in no bank, are scored as new ones. Raises UsageError if fewer or more rows are given
        than were read.
        """
        table = self._read(rows)
        if table.num_rows != self.rows_["read"]:
            raise UsageError(f"training scores are of the {self.rows_['read']} rows learned from",
                             f"{table.num_rows} are given", "give the rows of fit, or use decision_function")
        scores = np.empty(table.num_rows)
        kept = np.setdiff1d(np.arange(table.num_rows), self.trimmed_positions_)
        scores[kept] = self.scorer_.training_scores(table.take(kept), np.arange(len(kept)))
        if len(self.trimmed_positions_):
            scores[self.trimmed_positions_] = self.scorer_.score(table.take(self.trimmed_positions_))
        return scores

    def drift(self, rows: Any, *, where: str | None = None, level: float = LEVEL) -> DriftVerdict:
        """Whether the calibration still holds for new unlabelled rows; at most a share `level` of inputs without drift
        gets "recalibrate". Rows may be anything that `score` takes, or files of any size.
        """
        return self.drift_of_stream(open_rows(rows, self.schema_, where=where, on_reject=refuse), level=level)

    def recalibrated(self, rows: Any, *, where: str | None = None) -> Self:
        """A detector of the same training with a new calibration, of normal rows that it did not learn from.

        Scores stay as they are; p-values, risk, alerts and drift follow the new rows. At most 20,000 are kept. Raises
        InputError for fewer than 100.
        """
        return self.recalibrated_stream(open_rows(rows, self.schema_, where=where, on_reject=refuse))

    def recalibrated_stream(self, stream: RowStream) -> Self:
        """The same for a stream of batches of rows."""
        key = np.random.SeedSequence(self.random_state, spawn_key=(RECALIBRATION,))
        sample, ties = map(np.random.default_rng, key.spawn(2))
        table, _ = self._sample(stream, RECALIBRATION_ROWS, sample)
        if table.num_rows < FEWEST_ROWS:
            raise InputError(f"a calibration needs at least {FEWEST_ROWS} normal rows", f"there are {table.num_rows}",
                             "give more rows, or check the filter")
        other = copy.copy(self)
        other.calibration_, other.drift_reference_ = calibrate(table, self.scorer_.score(table), self.schema_, ties)
        other.rows_ = self.rows_ | {"calibration": table.num_rows}
        other.model_id_ = artifact.digest({"model": self.model_id_, "calibration": other.calibration_.to_state()})
        return other

    def embed(self, rows: Any) -> np.ndarray:
        """Embeddings (rows, d) float32, not length-normalised; without pretraining, the encoder's input."""
        return self.scorer_.embed(self.scorer_.encoder_.transform(self._read(rows)))

    def report(
        self, rows: Any = None, *, seeds: int = 3, anomalies: int = 400, on_step: Callable[[str], None] | None = None
    ) -> DetectorReport:
        """What this detector could find in such data, before production: learnability, stability, and sensitivity.

        Models of the same settings learn from part of the normal rows (the detector's own, if none are given) and meet
        the others and `anomalies` synthetic ones of each kind; nothing learned is changed. It takes as long as several
        trainings on at most 2,000 rows; `on_step` is told of each. Confirmed rows and pairs play no part. Raises
        InputError for fewer than 40 rows.
        """
        table = self.reference_ if rows is None else self._read(rows)
        watch = {"on_step": on_step} if on_step else {}
        found = probing.report(table, self.schema_, self._recipe(), seeds=seeds, anomalies=anomalies,
                               random_state=self.random_state, **watch)
        lost = self.own_training_ and self.training is None
        return replace(found, notes=(*found.notes, LOST_TRAINING)) if lost else found

    def save(self, folder: str | Path) -> None:
        """Write the model folder; `anomaly_cl.load` reads it. Raises UsageError for heads of other libraries."""
        state = {
            "kind": KIND, "version": version("anomaly_cl"), "model_id": self.model_id_, "rows": self.rows_,
            "settings": {"pretraining": self.pretraining, "random_state": self.random_state,
                         "calibration": "cross" if self.rows_["models"] > 1 else "split",
                         "bank_rows": self.bank_rows, "fit_rows": self.fit_rows, "contamination": self.contamination,
                         "search": self.search},
            "trimmed_positions": self.trimmed_positions_,
            "own_training": self.own_training_, "pairs": self.pairs_ and vars(self.pairs_),
            "schema": self.schema_.to_dict(), "scorer": self.scorer_.to_state(),
            "calibration": {name: value for name, value in self.calibration_.to_state().items() if name != "scores"},
            "drift": self.drift_reference_.to_state(),
        }
        calibration = pa.table({"score": self.calibration_.scores_})
        trimmed = {"trimmed": self.trimmed_} if self.trimmed_.num_rows else {}
        artifact.save_model(folder, state, {"reference": self.reference_, "calibration": calibration} | trimmed)

    @classmethod
    def from_state(cls, state: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Self:
        """The detector that was saved; KeyError and the like where the state is incomplete."""
        detector = cls(**state["settings"])
        detector.schema_ = Schema.from_dict(state["schema"])
        detector.scorer_ = RowScorer.from_state(state["scorer"])
        scores = tables["calibration"]["score"].to_numpy()
        detector.calibration_ = Calibration.from_state({**state["calibration"], "scores": scores})
        detector.drift_reference_ = DriftReference.from_state(state["drift"])
        detector.reference_, detector.rows_, detector.model_id_ = tables["reference"], state["rows"], state["model_id"]
        detector.own_training_, detector.pairs_ = state["own_training"], state["pairs"] and Pairs(**state["pairs"])
        detector.trimmed_positions_ = np.asarray(state.get("trimmed_positions", np.zeros(0, np.intp)))
        detector.trimmed_ = tables.get("trimmed", _nothing_trimmed(detector.reference_))
        detector.n_features_in_ = len(detector.scorer_.encoder_.learned_names_)
        return detector

    def _check_settings(self, pairs: Any = None) -> None:
        if pairs is not None and self.pretraining == NO_PRETRAINING:
            raise UsageError("pairs train an encoder", "pretraining is 'none'", "choose one, 'triplet' say")
        check_search(self.search, self.pretraining)
        check_settings(self)

    def _recipe(self) -> Recipe:
        return Recipe(self.pretraining, self.training or TrainingSettings(), self.trainer_options or {},
                      self.extra_heads or {}, self.bank_rows or BANK_ROWS[self.search], search=self.search)

    def _sample(
        self, stream: RowStream, n_rows: int, rng: np.random.Generator, known: PairTable | None = None
    ) -> tuple[pa.Table, np.ndarray]:
        """At most so many rows of a stream, drawn evenly, and their positions in it; pairs that are known of them see
        all of them pass.
        """
        read = [column.name for column in self.schema_.required]
        batches = (numbered(batch, read) for batch in stream)
        table = pa.Table.from_batches(
            sample_rows(batches if known is None else known.watching(batches), n_rows, rng),
            schema=pa.schema([*(stream.arrow_schema.field(name) for name in read), ROW_NUMBER]),
        )
        return table.select(range(len(read))), table.column(len(read)).to_numpy()

    def _read(self, rows: Any) -> pa.Table:
        return read_rows(rows, self.schema_)


def _nothing_trimmed(rows: pa.Table) -> pa.Table:
    return trimmed_table(rows.slice(0, 0), np.zeros(0, np.int64))
