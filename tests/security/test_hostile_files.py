"""Inputs and model folders made to reach, fill or run something else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.batch.score import score_file
from anomaly_cl.batch.shelf import IN_MEMORY, RowShelf
from anomaly_cl.batch.spool import Spool
from anomaly_cl.detectors import artifact
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, ModelError
from anomaly_cl.features.sql_engine import DuckDBEngine
from anomaly_cl.table.read import open_rows, read_table

MEGABYTES = 1024  # of getrusage, on Linux
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")


class Calls:
    """Runs a command where it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("given", [
    "http://127.0.0.1:9/x.parquet", "https://127.0.0.1:9/*.csv", "s3://bucket/x.parquet", "file:///etc/hostname",
    "gs://bucket/x.csv", "ftp://127.0.0.1/x.csv", "a\0b.csv", "", "\n",
])
def test_an_input_is_a_file_of_this_machine_and_no_address(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                           ) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("something was connected to")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("socket.socket.connect", connect)
    with pytest.raises(InputError) as refused:
        open_rows(given)
    assert refused.value.remedy


def test_a_pattern_finds_files_and_no_folders_or_pipes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "folder.csv").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")  # opening it would wait for ever
    assert read_table(tmp_path / "*.csv").num_rows == 2
    assert read_table(tmp_path).num_rows == 2


@pytest.mark.parametrize("written", ["parquet", "arrow"])
def test_a_pickle_in_a_type_of_arrow_is_not_run(written: str, tmp_path: Path) -> None:
    """Older pyarrow unpickled the metadata of such types (CVE-2023-47248)."""
    ran = tmp_path / "ran"
    marks = {b"ARROW:extension:name": b"arrow.py_extension_type",
             b"ARROW:extension:metadata": pickle.dumps(Calls(ran))}
    schema = pa.schema([pa.field("a", pa.int64(), metadata=marks), pa.field("b", pa.string())])
    table = pa.table([[1, 2, 3], ["x", "y", "x"]], schema=schema)
    file = tmp_path / f"hostile.{written}"
    if written == "parquet":
        pq.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as target, pa.ipc.new_file(target, schema) as writer:
            writer.write_table(table)
    assert read_table(file).num_rows == 3
    assert not ran.exists()


PACKED = """
import json, sys
from pathlib import Path
from anomaly_cl.errors import InputError
from anomaly_cl.table.read import open_rows
def outcome(file):
    try:
        return sum(batch.rows.num_rows for batch in open_rows(file))
    except InputError as error:
        return error.value
found = [outcome(file) for file in sys.argv[1:]]
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([found, int(status["VmHWM"].split()[0])]))  # what rusage says begins with the size of the parent
"""


@on_linux
def test_a_gigabyte_of_zeros_in_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(50_000_000), 1)  # members of a gzip file follow one another
    for name, head in (("zeros", b"a,b\n1,2\n"), ("cell", b"a,b\n1,2\n3,"), ("late", b"a,b\n" + b"1,2\n" * 400_000)):
        with (tmp_path / f"{name}.csv.gz").open("wb") as file:
            file.write(gzip.compress(head))
            for _ in range(20):
                file.write(packed)
        assert (tmp_path / f"{name}.csv.gz").stat().st_size < 10_000_000
    names = [str(tmp_path / f"{name}.csv.gz") for name in ("zeros", "cell", "late")]
    found = subprocess.run([sys.executable, "-c", PACKED, *names], capture_output=True, text=True, check=True)
    outcomes, peak = json.loads(found.stdout)
    assert all(isinstance(told, str) and told for told in outcomes), outcomes
    assert peak < 700 * MEGABYTES


@pytest.fixture
def model(tmp_path: Path) -> Path:
    artifact.save_model(tmp_path / "model", {"kind": "tabular", "bank": np.eye(2)}, {"reference": pa.table({"a": [1]})})
    return tmp_path / "model"


def sign(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the description of a model, with the digest that it then must have."""
    head = json.loads((folder / artifact.MODEL).read_text("utf-8"))
    change(head)
    head["digest"] = "0" * 64
    text = json.dumps(head)
    (folder / artifact.MODEL).write_text(text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest(), 1))


@pytest.mark.parametrize("name", ["../secret.arrow", "..", ".", "/etc/hostname", "a/../../secret.arrow", "", "a/b"])
def test_a_model_names_no_file_out_of_its_folder(name: str, model: Path) -> None:
    (model.parent / "secret.arrow").write_bytes(b"hidden")
    sign(model, lambda head: head.update(files={**head["files"], name: hashlib.sha256(b"hidden").hexdigest()}))
    with pytest.raises(ModelError):
        artifact.load_model(model)


@on_linux
@pytest.mark.parametrize("name", [artifact.MODEL, artifact.WEIGHTS, "reference.arrow"])
def test_a_model_holds_files_and_no_devices_or_pipes(name: str, model: Path) -> None:
    whole = (model / name).read_bytes()
    for make in (lambda file: file.symlink_to("/dev/zero"), os.mkfifo, Path.mkdir):
        (model / name).unlink()
        make(model / name)
        with pytest.raises(ModelError, match="holds"):
            artifact.load_model(model)
        (model / name).rmdir() if (model / name).is_dir() else (model / name).unlink()
        (model / name).write_bytes(whole)
    assert artifact.load_model(model)[0]["kind"] == "tabular"


@pytest.mark.parametrize("name", [artifact.WEIGHTS, "reference.arrow"])
def test_a_pickle_among_the_files_of_a_model_is_not_run(name: str, model: Path, tmp_path: Path) -> None:
    hostile = pickle.dumps(Calls(tmp_path / "ran"))
    (model / name).write_bytes(hostile)
    sign(model, lambda head: head["files"].update({name: hashlib.sha256(hostile).hexdigest()}))
    with pytest.raises(ModelError, match="must be readable"):
        artifact.load_model(model)
    assert not (tmp_path / "ran").exists()


@on_linux
def test_what_is_laid_aside_only_its_owner_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spools hold transactions, in a place where others may look."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.umask(0)
    try:
        rows = pa.table({"a": np.arange(IN_MEMORY + 1), "b": ["x"] * (IN_MEMORY + 1)})
        with Spool() as spool:
            spool.read(open_rows(rows), ["a"])
            shelf = RowShelf(rows.schema)
            shelf.add(rows)
            reader = DuckDBEngine().run("SELECT a FROM rows", {"rows": rows})
            folders = list(tmp_path.iterdir())
            assert len(folders) == 3
            assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
            reader.read_all()
            shelf.close()
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []


@on_linux
@pytest.mark.parametrize(("umask", "others"), [(0o077, 0), (0o022, 0o044)])
def test_what_is_written_follows_the_umask(umask: int, others: int, tmp_path: Path) -> None:
    rows = pa.table({"id": [f"r{number}" for number in range(60)], "a": [float(number % 7) for number in range(60)],
                     "b": [float(number % 5) for number in range(60)]})
    before = os.umask(umask)
    try:
        detector = TabularDetector("none", calibration="split").fit(rows)
        detector.save(tmp_path / "model")
        detector.save(tmp_path / "model")
        score_file(detector, rows, tmp_path / "scored.parquet", policy="budget=3", store=str(tmp_path / "a.sqlite"))
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 7
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in files} == {others}
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o777 & ~umask
