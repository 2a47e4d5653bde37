import os
import tempfile
import time

import pytest

from anomaly_cl.batch.scratch import PREFIX, ScratchFolder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(path):
    (path / "rows.arrow").write_text("rows")
    os.utime(path, (0, time.time() - 1_000))


def test_a_folder_is_gone_when_it_is_closed(place):
    folder = ScratchFolder()
    (folder.path / "rows.arrow").write_text("rows")
    folder.close()
    assert list(place.iterdir()) == []


def test_folders_of_killed_processes_go_and_those_of_living_ones_and_new_ones_stay(place):
    living = ScratchFolder()
    dead, new, other = (place / name for name in (f"{PREFIX}dead", f"{PREFIX}new", "other"))
    for path in (dead, new, other):
        path.mkdir()
    for path in (living.path, dead, other):
        aged(path)
    ScratchFolder().close()
    assert sorted(place.iterdir()) == sorted([living.path, new, other])
    living.close()
