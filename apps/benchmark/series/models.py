"""The models of series that are measured, by name: ours, what is left of it without parts, and peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from anomaly_cl.errors import UsageError
from apps.benchmark.models import OURS, Model
from apps.benchmark.series.peers.centred import CentredNeighbour
from apps.benchmark.series.peers.kmeans import KMeansAD
from apps.benchmark.series.peers.matrix_profile import PrefixProfile
from apps.benchmark.series.peers.of_pyod import OfPyOD, Transductive, WholeKNN, WindowedKNN
from apps.benchmark.series.peers.sub_pca import SubPCA
from apps.benchmark.series.peers.whole import OnWhole, SeriesModel

DETECTOR = "anomaly_cl.detectors.adapters:benchmark_series_detector"
HEADS = ("centred", "scaled", "differences", "level", "double", "point")
PRETRAININGS = ("simclr", "moco", "swav", "triplet")
OUR_SETTINGS: dict[str, dict[str, Any]] = {
    OURS: {}, f"{OURS}-untrained": {"members": 0},
    **{f"{OURS}-without-{head}": {"without": (head,)} for head in HEADS},
    **{f"{OURS}-{name}": {"pretraining": name} for name in PRETRAININGS},
}


@dataclass(frozen=True)
class MeasuredModel(Model):
    """A model, whether its scores depend on the seed, and the optional package that it needs, if any."""

    seeded: bool = False
    needs: str = ""

    @property
    def missing(self) -> str:
        """Why it cannot be measured here; empty if it can."""
        if self.needs and find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        return ""


@dataclass(frozen=True)
class OurModel(MeasuredModel):
    """Ours, which is imported when it is asked for: that takes seconds, and peers do without."""

    @property
    def missing(self) -> str:
        module, name = DETECTOR.split(":")
        return "" if hasattr(import_module(module), name) else f"this version has no {DETECTOR}"


def ours(settings: dict[str, Any], seed: int) -> SeriesModel:
    """Our detector with these settings."""
    module, name = DETECTOR.split(":")
    return getattr(import_module(module), name)(random_state=seed, **settings)


def models() -> dict[str, MeasuredModel]:
    """All models {name: model}, ours first."""
    own, pyod = "apps.benchmark.series.peers", "pyod"
    found: dict[str, MeasuredModel] = {name: OurModel(partial(ours, settings), "anomaly_cl", seeded=True)
                                       for name, settings in OUR_SETTINGS.items()}
    return found | {
        "1-NN-centred": MeasuredModel(partial(unseeded, CentredNeighbour), own),
        "KMeansAD": MeasuredModel(kmeans_on_whole, own, seeded=True),
        "KMeansAD-prefix": MeasuredModel(KMeansAD, own, seeded=True),
        "Sub-PCA": MeasuredModel(sub_pca_on_whole, own),
        "Sub-PCA-prefix": MeasuredModel(partial(unseeded, SubPCA), own),
        "TimeSeriesOD-KNN": MeasuredModel(partial(unseeded, WholeKNN), pyod),
        "TimeSeriesOD-KNN-prefix": MeasuredModel(partial(unseeded, WindowedKNN), pyod),
        "MatrixProfile": MeasuredModel(partial(of_pyod, Transductive, "ts_matrix_profile.MatrixProfile", True), pyod),
        "SpectralResidual": MeasuredModel(partial(of_pyod, OfPyOD, "ts_spectral_residual.SpectralResidual", False),
                                          pyod),
        "KShape": MeasuredModel(kshape, pyod, seeded=True),
        "stumpy-prefix": MeasuredModel(partial(unseeded, PrefixProfile), own, needs="stumpy"),
    }


def choose(names: Sequence[str] | None, say: Callable[[str], None]) -> dict[str, MeasuredModel]:
    """The models of these names, all without; those that cannot be measured here are left out, and it is said.

    Raises UsageError for an unknown name, and where none is left.
    """
    known = models()
    if unknown := sorted(set(names or ()) - set(known)):
        raise UsageError(f"models are among {list(known)}", f"found {unknown}", "correct the names")
    asked = {name: model for name, model in known.items() if not names or name in names}
    missing = {name: reason for name, model in asked.items() if (reason := model.missing)}
    for name, reason in missing.items():
        say(f"{name} is left out: {reason}")
    if len(missing) == len(asked):
        raise UsageError("a benchmark measures a model", f"left out are {list(missing)}", "choose other models")
    return {name: model for name, model in asked.items() if name not in missing}


def unseeded(make: Callable[[], SeriesModel], seed: int) -> SeriesModel:
    return make()


def kmeans_on_whole(seed: int) -> OnWhole:
    return OnWhole(KMeansAD(seed))


def sub_pca_on_whole(seed: int) -> OnWhole:
    return OnWhole(SubPCA())


def of_pyod(make: type[OfPyOD], path: str, windowed: bool, seed: int) -> OfPyOD:
    return make(path, {}, windowed)


def kshape(seed: int) -> OfPyOD:
    return OfPyOD("ts_kshape.KShape", {"random_state": seed})
