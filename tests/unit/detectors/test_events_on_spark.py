"""Event rows and scores on Spark equal those of DuckDB."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

from anomaly_cl.detectors.event_table import EVIDENCE, STRANGE_RECORDS
from tests.unit.detectors.made_up_payments import fitted, payments

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")
TOLERANCE = 1e-6


@pytest.mark.slow
def test_event_rows_and_scores_are_the_same(spark_engine):
    given = payments(2_500, fraud_share=0.02)
    ours = fitted(given)
    theirs = fitted(given, engine=spark_engine)
    assert_allclose(list(theirs.deviations_.weights_.values()), list(ours.deviations_.weights_.values()),
                    atol=TOLERANCE)
    rows, on_spark = (each.event_rows(given.new, given.before) for each in (ours, theirs))
    assert on_spark.schema == rows.schema
    for name in rows.column_names:
        if name.startswith(STRANGE_RECORDS) or not pa.types.is_floating(rows.schema.field(name).type):
            if not name.startswith(EVIDENCE):
                assert on_spark[name] == rows[name], name
        else:
            assert_allclose(*(np.array(each[name].to_pandas(), float) for each in (on_spark, rows)),
                            rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
    assert_allclose(theirs.score_table(on_spark).score, ours.score_table(rows).score, rtol=TOLERANCE, atol=TOLERANCE)
    assert_allclose(theirs.decision_function(given.new, given.before), ours.decision_function(given.new, given.before),
                    rtol=TOLERANCE, atol=TOLERANCE)
