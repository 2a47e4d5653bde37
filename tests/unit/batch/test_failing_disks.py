"""Full disks, folders that cannot be written to and inputs that vanish: a clear error, and nothing half done."""

import errno
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from anomaly_cl import TabularDetector, score_file
from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch import journal as journals
from anomaly_cl.errors import AnomalyCLError, InputError, UsageError
from anomaly_cl.table import write
from anomaly_cl.table.write import ParquetWriter, write_text
from tests.acceptance.test_command_line import run

N, DISK = 600, 4 * 1024 * 1024


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"payment_id": [f"P-{i:05d}" for i in range(N)], "amount": np.exp(rng.normal(3, 1, N)),
                         "size": rng.normal(size=N), "kind": rng.choice(["a", "b"], N)})


@pytest.fixture(scope="module")
def detector(frame):
    return TabularDetector("none").fit(frame)


@pytest.fixture
def source(frame, tmp_path):
    frame.to_csv(tmp_path / "in.csv", index=False)
    return tmp_path / "in.csv"


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, and what changes its options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True,
                              check=False).returncode

    if os.geteuid() != 0 or shutil.which("mount") is None or mount(f"size={DISK}"):
        pytest.skip("a small disk can be mounted only by root, where that is allowed")
    yield folder, lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", "--lazy", folder], check=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def runs_of(store):
    with open_store(str(store)) as opened, opened.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM runs").scalar()


@pytest.mark.parametrize("free_pages", [2, 9, 20, 40, 60])
def test_a_full_disk_is_told_and_going_on_needs_only_room(detector, source, small_disk, free_pages):
    out, filler = small_disk[0] / "out.parquet", small_disk[0] / "filler"
    filler.write_bytes(bytes(DISK - 4_096 * free_pages))
    told = None
    try:
        score_file(detector, source, out, batch_rows=100)
    except InputError as error:
        told = error
    assert told is None or free_pages < 60
    assert told is not None or free_pages > 2
    if told is not None:
        assert told.rule == "what is written must fit on the disk"
        assert str(out.parent) in told.value
        assert "No space left" in told.value
        assert set(names(out.parent)) <= {"filler", ".out.parquet.journal"}
        filler.unlink()
        score_file(detector, source, out, batch_rows=100, resume=True)
    assert set(names(out.parent)) - {"filler"} == {"out.manifest.json", "out.parquet", "out.rejects.parquet"}
    assert pq.read_metadata(out).num_rows == N


def test_a_folder_that_cannot_be_written_to_is_a_usage_error_of_every_command(detector, source, small_disk, tmp_path):
    folder, change = small_disk
    detector.save(tmp_path / "model")
    run("score", tmp_path / "model", source, "--out", tmp_path / "ours.parquet", "--keep", "kind")
    store = tmp_path / "alerts.sqlite"
    open_store(str(store)).close()
    change("ro")
    for words in (
        ("score", tmp_path / "model", source, "--out", folder / "out.parquet"),
        ("fit", source, "--out", folder / "model", "--pretraining", "none"),
        ("simulate", "transactions", "--out", folder / "a.csv", "--rows", 100),
        ("simulate", "transactions", "--out", folder / "a.parquet", "--rows", 100),
        ("schema", source, "--out", folder / "schema.yaml"),
        ("verdicts", "--store", store, "--out", folder / "verdicts.csv"),
        ("verdicts", "--store", store, "--out", folder / "verdicts.parquet"),
    ):
        told = run(*words, code=2).stderr
        assert str(folder) in told
        assert "Read-only" in told
        assert "remedy:" in told
        assert "Traceback" not in told
    assert names(folder) == []


def test_full_disks_are_told_by_the_commands_that_write(source, small_disk):
    folder, _ = small_disk
    (folder / "filler").write_bytes(bytes(DISK - 2 * 4_096))
    for words in (
        ("fit", source, "--out", folder / "model", "--pretraining", "none"),
        ("simulate", "transactions", "--out", folder / "a.csv", "--rows", 2_000),
        ("simulate", "transactions", "--out", folder / "a.parquet", "--rows", 2_000),
    ):
        told = run(*words, code=3).stderr
        assert str(folder) in told
        assert "No space left" in told
        assert "remedy:" in told
    assert names(folder) == ["filler"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_a_disk_that_fails_while_scores_are_kept_leaves_the_older_files(
    detector, source, tmp_path, monkeypatch, number
):
    score_file(detector, source, tmp_path / "out.parquet")
    older = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(journals.os, "write", broken)
    with pytest.raises(InputError, match="must fit on the disk"):
        score_file(detector, source, tmp_path / "out.parquet", where="amount > 1")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == older


@pytest.mark.parametrize("syncs", range(4))
def test_a_disk_that_fails_before_the_names_leaves_older_files_and_a_whole_store_or_none(
    detector, source, tmp_path, monkeypatch, syncs
):
    score_file(detector, source, tmp_path / "out.parquet")
    older = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    store, left, sync = tmp_path / "alerts.sqlite", [syncs], write.sync

    def failing(path):
        if not left[0]:
            raise OSError(errno.EIO, "Input/output error")
        left[0] -= 1
        sync(path)

    monkeypatch.setattr(write, "sync", failing)
    with pytest.raises(InputError, match="must fit on the disk"):
        score_file(detector, source, tmp_path / "out.parquet", where="amount > 1", store=str(store))
    monkeypatch.undo()
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.startswith((".", "alerts"))}
    assert found == {name: content for name, content in older.items() if syncs < 3 or name != "out.manifest.json"}
    assert runs_of(store) == (syncs >= 2)
    again = score_file(detector, source, tmp_path / "out.parquet", where="amount > 1", store=str(store), resume=True)
    assert again["resumed_rows"] == again["rows"]["scored"]
    assert runs_of(store) == 1


@pytest.mark.parametrize("change", ["vanish", "grow"])
def test_an_input_that_does_not_stay_as_it_is_ends_the_run(detector, source, tmp_path, change):
    def meanwhile(_rows):
        if change == "vanish":
            source.unlink(missing_ok=True)
        else:
            with open(source, "a") as file:
                file.write("P-x,1,1,a\n")

    with pytest.raises(InputError, match=r"in\.csv"):
        score_file(detector, source, tmp_path / "out.parquet", store=str(tmp_path / "alerts.sqlite"),
                   progress=meanwhile)
    assert not (tmp_path / "out.parquet").exists()
    assert runs_of(tmp_path / "alerts.sqlite") == 0


def test_a_folder_that_vanishes_meanwhile_is_told(detector, source, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    with pytest.raises(UsageError, match="gone"):
        score_file(detector, source, folder / "out.parquet", progress=lambda _rows: shutil.rmtree(folder, True))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_whatever_is_written_names_the_file_and_leaves_no_part_of_it(tmp_path, frame, monkeypatch, number):
    def broken(*_, **__):
        raise OSError(number, os.strerror(number))

    table = pq.ParquetFile(_parquet(frame, tmp_path)).read()
    expected = InputError if number == errno.ENOSPC else UsageError
    monkeypatch.setattr(write.os, "replace", broken)
    for call in (lambda: write_text(tmp_path / "a.txt", "text"), lambda: _written(tmp_path / "a.parquet", table)):
        with pytest.raises(AnomalyCLError, match=str(tmp_path)) as raised:
            call()
        assert type(raised.value) is expected
    assert names(tmp_path) == ["rows.parquet"]


def _parquet(frame, folder):
    frame.to_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


def _written(path, table):
    with ParquetWriter(path, table.schema) as writer:
        writer.write(table)
