"""What makes encoders of series train in a fraction of a second."""

from __future__ import annotations

from functools import partial

import pytest

from anomaly_cl.detectors import series_training
from anomaly_cl.pretraining.injections import InjectionsSettings


@pytest.fixture(scope="module")
def few_kernels():
    """Encoders of series have few kernels and learn from few copies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_training, "InjectionsSettings",
                      partial(InjectionsSettings, kernels=24, copies=400, bank_rows=200))
        yield
