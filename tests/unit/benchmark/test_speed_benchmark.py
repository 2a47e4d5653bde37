"""The benchmark of speed on some hundred rows, its processes taken into this one where they would only take time."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.errors import UsageError
from apps.benchmark.speed import command, contenders, plan, task
from apps.benchmark.speed.arrays import Arrays
from apps.benchmark.speed.command import Place, measure_speed, read
from apps.benchmark.speed.contenders import PEERS, Ours
from apps.benchmark.speed.data import KEY, PIECE, Rows
from apps.benchmark.speed.plan import Asked
from apps.benchmark.speed.watched import Watched, watch

NONE = Ours("ours, none", {"pretraining": "none", "calibration": "split"})


def test_a_longer_file_begins_with_the_rows_of_a_shorter_one(tmp_path: Path) -> None:
    short, long = (pq.read_table(Rows(rows, 10).file(tmp_path)) for rows in (500, PIECE + 500))
    assert (short.num_rows, long.num_rows, long.num_columns) == (500, PIECE + 500, 11)
    assert long.slice(0, 500).equals(short)
    assert len(set(long[KEY].to_pylist())) == long.num_rows
    assert not long.slice(PIECE, 500).drop(KEY).equals(short.drop(KEY))
    assert [pa.types.is_string(field.type) for field in long.schema].count(True) == 2


def test_arrays_are_the_columns_with_ranks_of_categories(tmp_path: Path) -> None:
    pq.write_table(pa.table({KEY: [0, 1, 2, 3], "a": [1.0, 3.0, 1.0, 3.0], "b": ["y", "x", "z", "x"]}),
                   tmp_path / "reference.parquet")
    pq.write_table(pa.table({KEY: [7, 8], "a": [5.0, 2.0], "b": ["z", "new"]}), tmp_path / "new.parquet")
    arrays = Arrays(tmp_path / "reference.parquet")
    ranks = np.array([1, 0, 2, 0])
    np.testing.assert_allclose(arrays.reference[:, 0], [-1, 1, -1, 1])
    np.testing.assert_allclose(arrays.reference[:, 1], (ranks - ranks.mean()) / ranks.std())
    new = arrays.read(tmp_path / "new.parquet", 10)
    np.testing.assert_allclose(new, [[3, (2 - ranks.mean()) / ranks.std()], [0, (3 - ranks.mean()) / ranks.std()]])
    assert len(arrays.read(tmp_path / "new.parquet", 1)) == 1


def test_contenders_take_turns() -> None:
    asked = Asked([100], [], [NONE], [PEERS["IForest"], PEERS["KNN"]], repeat=2, large=True)
    found = [(run.part, run.contender.name, run.repeat) for run in asked.runs()]
    turns = [NONE.name, "IForest", "KNN"]
    assert found == [("model", NONE.name, 0), *[("score", name, repeat) for repeat in (0, 1) for name in turns],
                     ("command", NONE.name, 0)]


def test_settings_that_the_detector_lacks_are_refused() -> None:
    assert contenders.ours(None, '{"pretraining": "none"}')[0].settings == {"pretraining": "none"}
    for given in ('{"depth": 3}', "none", "[1]"):
        with pytest.raises(UsageError):
            contenders.ours(None, given)
    with pytest.raises(UsageError):
        contenders.ours(["quick"], None)
    with pytest.raises(UsageError):
        contenders.peers(["LOF"])


def test_a_process_and_its_child_are_watched() -> None:
    child = "import time; held = bytearray(30_000_000); time.sleep(0.6)"
    parent = f"import subprocess, sys; held = bytearray(60_000_000); subprocess.run([sys.executable, '-c', {child!r}])"
    found = watch([sys.executable, "-c", parent])
    assert (found.exit_code, found.said) == (0, "")
    assert 90 < found.peak_private <= found.peak < 300
    assert max(size for _, size in found.curve) <= found.peak + 0.1
    failed = watch([sys.executable, "-c", "raise SystemExit('no luck')"])
    assert (failed.exit_code, failed.said.strip()) == (1, "no luck")


def test_results_are_kept_reported_and_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Sequence[str]] = []

    def here(arguments: Sequence[str]) -> Watched:
        """The same work within this process; a command is taken as done, the second fit as failed."""
        started.append(arguments)
        found = Watched(seconds=2.0, cpu=1.0, peak=500.0, peak_private=400.0, curve=[(0.1, 300.0), (1.9, 500.0)])
        if "score" in arguments:
            return found
        if json.loads(arguments[-1])["task"] == "fit_peer":
            return Watched(exit_code=1, said="Traceback\nMemoryError")
        monkeypatch.setattr(sys, "argv", ["task", arguments[-1]])
        task.main()
        return found

    monkeypatch.setattr(command, "watch", here)
    monkeypatch.setattr(plan, "REFERENCE", 300)
    monkeypatch.setattr(command, "REFERENCE", 300)
    asked = Asked([150, 400], [10], [NONE], [PEERS["KNN"]], repeat=1)
    place = Place(tmp_path / "out", tmp_path / "data", "alpha=0.05")
    said: list[str] = []
    report = measure_speed(asked, place, 2, said.append).read_text("utf-8")

    lines = pd.DataFrame(read(place.out / command.FILE))
    scores = lines[lines["part"] == "score"].pivot(index=["rows", "columns"], columns="contender", values="done")
    assert scores.index.tolist() == [(150, 25), (400, 10), (400, 25)]
    assert (scores.to_numpy() == scores.index.get_level_values("rows").to_numpy()[:, None]).all()
    assert lines.loc[lines["part"] == "model", "bank"].tolist() == [300, 300]
    rates = lines[(lines["part"] == "score") & (lines["rows"] == 150)].set_index("contender")["rate"]
    assert f"| ours, none / KNN | {rates[NONE.name] / rates['KNN']:.2f} |" in report
    assert "| ours, none: peak memory | 1.00 | 1.00 |" in report
    assert "exit code 1: MemoryError" in report
    for picture in ("benchmark-speed.svg", "benchmark-speed-memory.svg"):
        assert picture in report
        assert (place.out / picture).read_text("utf-8").count("<path") > 10
    assert said[0].endswith("0 of them done before")

    before = len(started)
    measure_speed(asked, place, 2, said.append)
    again = [json.loads(arguments[-1])["task"] for arguments in started[before:]]
    assert set(again) == {"fit_peer"}, "only what failed is measured again"
