"""SeriesDetector: finds strange stretches in sensor series and other measurements over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator

from anomaly_cl.detectors import artifact
from anomaly_cl.detectors.fitted import read_rows
from anomaly_cl.detectors.fitted_series import FittedSeries
from anomaly_cl.detectors.series_arrays import STEP, array_schema, as_channels
from anomaly_cl.detectors.series_bank import POOLED
from anomaly_cl.detectors.series_heads import DOUBLE, POINT, TRAINED, VIEWS
from anomaly_cl.detectors.series_scorer import SeriesScorer
from anomaly_cl.detectors.series_table import SeriesSchema, gridded, series_schema
from anomaly_cl.detectors.series_training import INJECTIONS, SeriesTraining, Stretch
from anomaly_cl.encoders.windows import KERNELS, WIDTHS
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.series_grid import GridPlan, fill_short
from anomaly_cl.pretraining.fit import METHODS
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.blocks import block_maxima, cluster_length, one_of_each
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.table.read import open_rows

KIND = "series"
AUTO = "auto"
HIGH = 0.99  # quantile above which scores are alerted by the default policy: how many of these come together counts
CALIBRATING = 1  # key of the random stream that picks steps


class SeriesDetector(FittedSeries, BaseEstimator):
    """Anomaly detector for series of one or several channels, trained on a normal stretch; higher scores are stranger.

    Windows of each channel are compared with normal ones in several views and by encoders trained by contrast; see
    `SeriesScorer`. Series of many entities of one kind share the encoders; each has its own units, normal windows and
    calibration.

    entity, time, channels: names of the columns; those of the schema where None (channels: all numbers).
    period: steps of a window, or "auto": what the series repeats itself after.
    pretraining: "injections" (contrast with injected anomalies), or a name of `pretraining.METHODS` but "neighbours",
    which then has `WINDOW_VIEWS` as views; "clip" contrasts the halves of windows.
    encoder: "kernels" (`KernelResidual`) or "tcn" (`DilatedTCN`); "clip" has one for each half of a window.
    members: encoders, each trained on all but one part of the normal series; 0 for none.
    training, trainer_options: of pretraining, as of TabularDetector; `encoder_width` is the width of the part of an
    encoder that learns, 128 (kernels) or 32 (tcn) without settings. without: names of heads to leave out.

    Fitted attributes beside those of FittedSeries: `cluster_`, how many neighbouring steps are strange together, and
    `rows_`, what calibrates. `grid_report_` says what became of the rows of a table in `fit`; a loaded model has none.
    """

    def __init__(
        self,
        entity: str | None = None,
        time: str | None = None,
        channels: Sequence[str] | None = None,
        period: int | str = AUTO,
        random_state: int = 0,
        *,
        schema: Schema | None = None,
        pretraining: str = INJECTIONS,
        members: int = 3,
        without: Sequence[str] = (),
        training: TrainingSettings | None = None,
        trainer_options: Mapping[str, Any] | None = None,
        encoder: str = KERNELS,
    ):
        self.entity = entity
        self.time = time
        self.channels = channels
        self.period = period
        self.random_state = random_state
        self.schema = schema
        self.pretraining = pretraining
        self.members = members
        self.without = without
        self.training = training
        self.trainer_options = trainer_options
        self.encoder = encoder

    def fit(self, normal: Any, *, where: str | None = None) -> Self:
        """Learn from normal steps: an array (time,) or (time, channels), or a table, frame or path with a time column.

        Steps come in any order and may be missing; see `regular_series`. Times with a zone (see `zone_of`) are
        instants, which a change of clocks leaves a step apart. `where` is an SQL condition that picks the normal ones.
        Raises InputError for steps that cannot be read, without a regular pace, or too few, and UsageError for a
        setting out of range.
        """
        if isinstance(normal, np.ndarray):
            values = as_channels(normal)
            self.series_schema_ = array_schema(values.shape[1])
            self.grid_ = GridPlan(None, STEP, self.series_schema_.channels, 1)
            return self._fit([Stretch(POOLED, fill_short(values, self.grid_.longest_gap)[0])])
        self.series_schema_ = series_schema(self.schema or open_rows(normal).schema, self.entity, self.time,
                                            self.channels).in_zone_of(normal)
        table = read_rows(normal, self.series_schema_.base, where)
        self.grid_ = self.series_schema_.plan(table)
        grid = gridded(table, self.grid_)
        if grid.report.rejected:
            row, rule = grid.report.rejected[0]
            raise InputError("every step has a time, and an entity if there are several", f"row {row}: {rule}",
                             "mend or leave out the row")
        self.grid_report_ = grid.report
        return self._fit(grid.stretches)

    def _fit(self, stretches: list[Stretch]) -> Self:
        training = self._checked_training()
        period = None if self.period == AUTO else int(self.period)
        self.schema_ = self.series_schema_.schema
        self.scorer_ = SeriesScorer().fit(stretches, period, training, self.random_state, self.trainer_options)
        self._calibrate(stretches, self.scorer_.training_scores_)
        self.model_id_ = artifact.digest({"scorer": self.scorer_.to_state(),
                                          "schema": self.series_schema_.base.to_dict(),
                                          "calibration": self.calibration_.to_state()})
        return self

    def _calibrate(self, stretches: Sequence[Stretch], scores: Sequence[np.ndarray]) -> None:
        """Neighbouring steps are strange together, so that one step a cluster calibrates: about independent ones."""
        length, rng = self.scorer_.plan_.length, np.random.default_rng([self.random_state, CALIBRATING])
        known = [each[np.isfinite(each)] for each in scores]
        if not any(map(len, known)):
            raise InputError("normal steps must be measured without long gaps", "no window is", "fill the gaps")
        clusters = [cluster_length(each, length, HIGH) if len(each) else 0 for each in known]
        mean = round(float(np.average(clusters, weights=[len(each) for each in known])))
        self.cluster_ = max(1, min(mean, int((1 - HIGH) * sum(map(len, known)))))  # of all, 1 - HIGH are high
        taken = [each[one_of_each(len(each), self.cluster_, rng)] for each in known]
        entities = np.repeat(np.array([stretch.entity for stretch in stretches], object), [len(each) for each in taken])
        several = len(set(entities)) > 1
        self.calibration_ = Calibration().fit(np.concatenate(taken), entities if several else None)
        self.span_maxima_ = np.concatenate([block_maxima(each, np.arange(len(each)) // length)
                                            for each in known if len(each)])
        self.rows_ = {"read": sum(map(len, scores)), "cluster": self.cluster_, "calibration": sum(map(len, taken)),
                      "blocks": len(self.span_maxima_), "entities": len({each.entity for each in stretches})}

    def save(self, folder: str | Path) -> None:
        """Write the model folder; `anomaly_cl.load` reads it."""
        state = {
            "kind": KIND, "version": version("anomaly_cl"), "model_id": self.model_id_, "rows": self.rows_,
            "settings": {"entity": self.entity, "time": self.time,
                         "channels": None if self.channels is None else list(self.channels), "period": self.period,
                         "random_state": self.random_state, "pretraining": self.pretraining, "members": self.members,
                         "without": list(self.without), "encoder": self.encoder},
            "schema": self.series_schema_.base.to_dict(), "step": self.grid_.step_us,
            "longest_gap": self.grid_.longest_gap, "scorer": self.scorer_.to_state(),
            "span_maxima": self.span_maxima_,
            "calibration": {name: value for name, value in self.calibration_.to_state().items() if name != "scores"},
        }
        artifact.save_model(folder, state, {"calibration": pa.table({"score": self.calibration_.scores_})})

    @classmethod
    def from_state(cls, state: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Self:
        """The detector that was saved; KeyError and the like where the state is incomplete."""
        detector = cls(**state["settings"])
        detector.series_schema_ = SeriesSchema(Schema.from_dict(state["schema"]))
        detector.schema_ = detector.series_schema_.schema
        detector.grid_ = GridPlan(detector.series_schema_.entity, detector.series_schema_.time,
                                  detector.series_schema_.channels, state["step"], state["longest_gap"])
        detector.scorer_ = SeriesScorer.from_state(state["scorer"])
        scores = tables["calibration"]["score"].to_numpy()
        detector.calibration_ = Calibration.from_state({**state["calibration"], "scores": scores})
        detector.span_maxima_, detector.rows_ = np.asarray(state["span_maxima"]), state["rows"]
        detector.cluster_ = detector.rows_["cluster"]
        detector.model_id_ = state["model_id"]
        return detector

    def _checked_training(self) -> SeriesTraining:
        known = [INJECTIONS, *(name for name, kind in METHODS.items() if not kind.in_all_spaces)]
        if self.pretraining not in known:
            raise UsageError(f"the pretraining of a series is among {known}", f"it is {self.pretraining!r}",
                             "choose one")
        if self.encoder not in WIDTHS:
            raise UsageError(f"the encoder of a series is among {list(WIDTHS)}", f"it is {self.encoder!r}",
                             "choose one")
        if self.training is not None and (self.training.views == AUTO or self.training.encoder is not None):
            raise UsageError("the training of a series has a pair of views or none, and no encoder of its own",
                             f"found {self.training}", "leave views out, and choose the encoder by encoder=")
        if isinstance(self.members, bool) or not isinstance(self.members, int) or self.members < 0:
            raise UsageError("members is a number of encoders, 0 or more", f"it is {self.members!r}", "correct it")
        if unknown := sorted(set(self.without) - {*VIEWS, DOUBLE, POINT, TRAINED}):
            raise UsageError(f"the heads are {[*VIEWS, DOUBLE, POINT, TRAINED]}", f"without has {unknown}",
                             "give a sequence of such names")
        if self.random_state < 0:
            raise UsageError("a seed is not negative", f"it is {self.random_state}", "use for example 0")
        whole = isinstance(self.period, int | np.integer) and not isinstance(self.period, bool)
        if self.period != AUTO and not (whole and int(self.period) >= 2):
            raise UsageError(f"period is {AUTO!r} or a number of steps, 2 or more", f"it is {self.period!r}",
                             "correct it")
        return SeriesTraining(self.pretraining, self.members, self.training, tuple(self.without),
                              self.encoder)
