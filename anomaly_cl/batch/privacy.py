"""Which columns of what a run says not everybody may see."""

from __future__ import annotations

from anomaly_cl.batch.events import file_schema
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.features.deviation_kinds import Deviation
from anomaly_cl.schema import Role


def private_columns(detector: Detector) -> list[str]:
    """The private columns of the schema, and what is made of them and says their values: deviations, ends of spans."""
    schema = file_schema(detector)
    private = [column.name for column in schema.columns if column.private]
    if not private:
        return []
    time = schema.only(Role.TIME)
    if isinstance(detector, EventDetector):
        return private + [each.name for each in detector.deviations_.deviations if _tells(each, set(private), time)]
    if isinstance(detector, SeriesDetector) and time in private:
        return [*private, "span start", "span end"]
    return private


def _tells(deviation: Deviation, private: set[str], time: str | None) -> bool:
    """Whether the words of a deviation say a value of a private column: its amount or category, or the time."""
    return str(deviation.about) in private or (deviation.about is None and time in private)
