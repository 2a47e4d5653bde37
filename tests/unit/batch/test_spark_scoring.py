"""Spark scores files as one machine does."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.batch.score import score_file
from anomaly_cl.batch.spark.score import score_on_spark
from anomaly_cl.detectors.entity_pattern import EntityPattern
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import load
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Schema
from tests.acceptance.test_command_line import run
from tests.acceptance.test_pipelines_page import BLOCKS
from tests.conftest import ROOT
from tests.unit.batch.made_up_invoices import invoices
from tests.unit.detectors.made_up_payments import SCHEMA, fitted, payments

pytestmark = [pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"),
              pytest.mark.usefixtures("spark_engine")]
NUMBERS = ("score", "p_value", "p_tail", "risk")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and files to score: two of Parquet, and one of text with rows that cannot be scored."""
    folder = tmp_path_factory.mktemp("spark")
    frame = invoices(900)
    TabularDetector("none").fit(frame[:600].drop(columns="clerk")).save(folder / "model")
    burst = np.where(np.arange(900) % 90 == 7, 500, 1)
    new = frame.assign(amount=frame["amount"] * burst)
    (folder / "in.parquet").mkdir()
    new[:500].to_parquet(folder / "in.parquet" / "a.parquet", index=False)
    new[500:].to_parquet(folder / "in.parquet" / "b.parquet", index=False)
    text = new.to_csv(index=False).splitlines()
    text[5] = text[5].replace(text[5].split(",")[2], "12;x")
    text[9] += ",too,many"
    text[11] = text[11].rpartition(",")[0]
    text[20] = text[20].replace(",a,", ',"a",').replace(",b,", ',"b",')
    (folder / "in.csv").write_text("\n".join(text) + "\n")
    return folder


def by_key(path, key="invoice_id"):
    return pq.read_table(path).drop_columns("row_number").sort_by(key)


def assert_alike(local, found, tmp_path):
    ours, theirs = by_key(tmp_path / "local.parquet"), by_key(tmp_path / "spark.parquet")
    assert theirs.column_names == ours.column_names
    assert theirs.to_pylist() == ours.to_pylist()
    for name in ("rows", "policy", "alerts", "cut", "calibration", "model_id"):
        assert found[name] == local[name], name
    assert found["alerts"] >= 5
    assert json.loads((tmp_path / "spark.manifest.json").read_text()) == found


@pytest.mark.parametrize("policy", [
    "budget=2/week", *(pytest.param(policy, marks=pytest.mark.slow)
                       for policy in ("alpha=0.05", "budget=9", "fdr=0.3,tail", "cost=1:50,prior=0.01"))])
@pytest.mark.filterwarnings("ignore::anomaly_cl.errors.PolicyWarning")
def test_rows_scored_on_spark_equal_those_of_one_machine(folder, tmp_path, policy):
    local = score_file(load(folder / "model"), folder / "in.parquet", tmp_path / "local.parquet", policy=policy)
    found = score_on_spark(folder / "model", str(folder / "in.parquet"), str(tmp_path / "spark.parquet"), policy=policy)
    assert_alike(local, found, tmp_path)


def test_the_command_reads_text_by_the_same_rules_and_loses_no_row(folder, tmp_path):
    words = ("score", folder / "model", folder / "in.csv", "--where", "amount > 5", "--keep", "clerk", "--alerts-at",
             "alpha=0.05", "--json", "--out")
    local = json.loads(run(*words, tmp_path / "local.parquet").stdout)
    found = json.loads(run(*words, tmp_path / "spark.parquet", "--engine", "spark").stdout)
    assert_alike(local, found, tmp_path)
    assert found["rows"]["rejected"] == 3
    assert found["rows"]["read"] == 900
    ours, theirs = (pq.read_table(tmp_path / f"{name}.rejects.parquet") for name in ("local", "spark"))
    assert theirs.schema.names == ours.schema.names
    for name in ("column", "raw_value"):
        assert sorted(map(str, theirs[name].to_pylist())) == sorted(map(str, ours[name].to_pylist()))
    assert all(file.endswith("in.csv") for file in theirs["file"].to_pylist())


@pytest.mark.parametrize("columns", [
    ("transaction_id", "booked_at", "customer_id", "amount"), pytest.param(SCHEMA.names, marks=pytest.mark.slow)])
def test_records_scored_on_spark_equal_those_of_one_machine(tmp_path, columns):
    given = payments(2_000, fraud_share=0.02, columns=columns)
    detector = fitted(given, schema=Schema(tuple(SCHEMA[name] for name in columns)))
    pq.write_table(given.before, tmp_path / "before.parquet")
    pq.write_table(given.new, tmp_path / "new.parquet")
    more = {"policy": "alpha=0.05", "keep": ["amount"], "where": "amount < 1e6"}
    inputs = str(tmp_path / "new.parquet"), str(tmp_path / "before.parquet")
    local = score_file(detector, inputs[0], tmp_path / "local.parquet", history=inputs[1], **more)
    found = score_on_spark(detector, inputs[0], str(tmp_path / "spark.parquet"), history=inputs[1], **more)
    ours, theirs = (by_key(tmp_path / f"{name}.parquet", "transaction_id") for name in ("local", "spark"))
    assert theirs.column_names == ours.column_names
    for name in NUMBERS:  # sums of floats: added in another order
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-9, err_msg=name)
    for name in set(ours.column_names) - {*NUMBERS, "reasons"}:
        assert theirs[name].to_pylist() == ours[name].to_pylist(), name
    for one, other in zip(ours["reasons"].to_pylist(), theirs["reasons"].to_pylist(), strict=True):
        assert [each["column"] for each in one or ()] == [each["column"] for each in other or ()]
    assert found["rows"] == local["rows"]
    assert found["history"]["rows"] == local["history"]["rows"]
    assert found["alerts"] == local["alerts"] > 0
    with pytest.raises(InputError, match="either in the input or in its history"):
        score_on_spark(detector, inputs[0], str(tmp_path / "spark.parquet"), history=inputs[0], policy="alpha=0.05")
    assert json.loads((tmp_path / "spark.manifest.json").read_text()) == found


def test_what_cannot_be_read_is_told_in_our_words(folder, tmp_path):
    out = str(tmp_path / "out.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no parquet")
    for path, said in (("nowhere.parquet", "must exist"), ("wrong://bucket/x.parquet", "No FileSystem for scheme"),
                       ("broken.parquet", "is not a Parquet file")):
        given = path if "://" in path else str(tmp_path / path)
        with pytest.raises(InputError, match=said) as told:
            score_on_spark(folder / "model", given, out)
        assert "\n" not in str(told.value)
        assert "at org." not in str(told.value)
    pq.write_table(pa.table({"invoice_id": ["a"], "kind": ["b"]}), tmp_path / "few.parquet")
    with pytest.raises(InputError, match=r"column .* is missing"):
        score_on_spark(folder / "model", str(tmp_path / "few.parquet"), out)
    assert not (tmp_path / "out.parquet").exists()


def test_the_command_ends_with_its_codes_and_without_java(folder, tmp_path):
    words = "score", folder / "model", "--out", tmp_path / "out.parquet"
    for more, code, told in (
        ([folder / "nowhere.csv", "--engine", "spark"], 3, "must exist"),
        (["wrong://bucket/in.csv", "--engine", "spark"], 3, "No FileSystem for scheme"),
        ([folder / "in.csv", "--engine", "spark", "--store", tmp_path / "alerts.sqlite"], 2, "--store is given"),
        ([folder / "in.csv", "--master", "local[2]"], 2, "--master is Spark's"),
        ([folder / "in.csv", "--engine", "spark", "--master", "bogus"], 2, "local[*], spark://host:7077"),
        ([folder / "in.csv", "--engine", "spark", "--where", "nothing = 1"], 2, "row filter"),
        ([folder / "in.parquet", "--engine", "spark", "--where", "CAST(kind AS INT) = 1"], 2, "Conversion Error"),
    ):
        failed = run(*words, *more, code=code)
        assert told in failed.stderr
        assert "java" not in failed.stderr.lower()
        assert "Traceback" not in failed.stderr


def test_the_example_of_the_documentation_runs(spark_engine, tmp_path, monkeypatch):
    monkeypatch.setattr(spark_engine.session.sparkContext, "pythonExec", sys.executable)  # as PYSPARK_PYTHON would
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in [BLOCKS[0], *(block for block in BLOCKS if "pyspark" in block)]:
        exec(compile(block, "docs/pipelines.md", "exec"), names)
    assert names["scored"].count() == 2_000


def test_nothing_is_replaced_but_what_spark_wrote(folder, tmp_path):
    (tmp_path / "mine.parquet").mkdir()
    (tmp_path / "mine.parquet" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"holds .*letter\.txt"):
        score_on_spark(folder / "model", str(folder / "in.parquet"), str(tmp_path / "mine.parquet"))
    with pytest.raises(UsageError, match="choose another name"):
        score_on_spark(folder / "model", str(folder / "in.parquet"), str(folder / "in.parquet"))
    with pytest.raises(UsageError, match=r"ends in \.parquet"):
        score_on_spark(folder / "model", str(folder / "in.parquet"), str(tmp_path / "out"))
    with pytest.raises(UsageError, match="towers"):
        score_on_spark(_with_tower(), str(folder / "in.parquet"), str(tmp_path / "out.parquet"))


def _with_tower():
    detector = EventDetector()
    detector.patterns_ = (EntityPattern("customer_id", None),)
    return detector
