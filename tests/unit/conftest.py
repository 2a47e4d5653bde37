"""Spark for the tests that compare it with DuckDB."""

from __future__ import annotations

import gc
import shutil

import pytest

from anomaly_cl.features.sql_engine import SparkEngine


@pytest.fixture(scope="module")
def spark_engine():
    """Spark with two local workers; skips where pyspark or Java is not installed."""
    pyspark = pytest.importorskip("pyspark", reason='pyspark is not installed: pip install "anomaly_cl[spark]"')
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none")
    session = (
        pyspark.sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2").config("spark.driver.host", "127.0.0.1")
        .config("spark.log.level", "OFF").config("spark.driver.memory", "2g")
        # little data and many queries: compiling them well takes longer than running them
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.sql.codegen.wholeStage", "false").config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.ui.showConsoleProgress", "false").getOrCreate()
    )
    yield SparkEngine(session)
    session.stop()
    gc.collect()  # now, while the sockets that pyspark leaves open are forgiven
