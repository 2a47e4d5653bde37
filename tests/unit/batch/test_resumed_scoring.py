"""Runs that were interrupted: going on gives what a run that nothing stopped gives, or says why it does not."""

import json
from itertools import count

import numpy as np
import pandas as pd
import pytest

from anomaly_cl import EventDetector, TabularDetector, score_file
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.write import Staging
from tests.unit.detectors.made_up_readings import readings, untrained

N, SIZE, POLICY = 400, 64, "alpha=0.05"
FILES = ("out.parquet", "out.rejects.parquet", "out.spans.parquet")


def frame(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "payment_id": [f"P-{i:05d}" for i in range(N)], "customer_id": rng.choice(["c1", "c2", "c3", "c4"], N),
        "booked_at": pd.Timestamp("2026-03-02") + pd.to_timedelta(np.arange(N), unit="h"),
        "amount": np.exp(rng.normal(3, 1, N)).round(2), "kind": rng.choice(["a", "b"], N),
    })


@pytest.fixture(scope="module")
def detectors():
    return {"rows": TabularDetector("none").fit(frame()),
            "events": EventDetector(entity=["customer_id"], pretraining="none").fit(frame()),
            "series": untrained(readings())}


@pytest.fixture
def source(tmp_path):
    def write(kind, name="in.csv"):
        rows = (readings() if kind == "series" else frame(2)).astype(object)
        rows.loc[49::50, "at" if kind == "series" else "amount"] = "broken"
        rows.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def stop(after):
    def done(rows):
        if rows >= after:
            raise KeyboardInterrupt

    return done


def interrupted(detector, file, out, after=200, **more):
    with pytest.raises(KeyboardInterrupt):
        score_file(detector, file, out, policy=POLICY, batch_rows=SIZE, progress=stop(after), **more)


def outputs(folder):
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}


@pytest.mark.parametrize("kind", ["rows", "events", "series"])
def test_a_run_that_goes_on_ends_as_one_that_nothing_stopped(detectors, source, tmp_path, kind):
    detector, file, names = detectors[kind], source(kind), count()
    (tmp_path / "whole").mkdir()
    whole = score_file(detector, file, tmp_path / "whole" / "out.parquet", policy=POLICY, batch_rows=SIZE)
    assert whole["rows"]["rejected"] > 0
    for after in (1, 200, whole["rows"]["scored"]) if kind == "rows" else (200,):
        folder = tmp_path / str(next(names))
        folder.mkdir()
        interrupted(detector, file, folder / "out.parquet", after)
        assert [path.name for path in folder.iterdir()] == [".out.parquet.journal"]
        told, seen = [], []
        again = score_file(detector, file, folder / "out.parquet", policy=POLICY, batch_rows=SIZE, resume=True,
                           notice=told.append, progress=seen.append)
        assert outputs(folder) == outputs(tmp_path / "whole")
        assert again["resumed_rows"] >= after
        assert told == [f"going on after {again['resumed_rows']:,} rows that are scored already"]
        assert seen[-1] == whole["rows"]["scored"]
        for manifest in (again, whole):
            for name in ("started_at", "seconds", "resumed_rows"):
                manifest.pop(name, None)
        assert again == whole
        assert not (folder / ".out.parquet.journal").exists()


def test_rows_whose_scores_are_known_are_not_scored_again(detectors, source, tmp_path, monkeypatch):
    detector, file = detectors["rows"], source("rows")
    interrupted(detector, file, tmp_path / "out.parquet")
    scored, score = [], TabularDetector.score_table

    def counted(self, rows):
        scored.append(rows.num_rows)
        return score(self, rows)

    monkeypatch.setattr(TabularDetector, "score_table", counted)
    manifest = score_file(detector, file, tmp_path / "out.parquet", policy=POLICY, batch_rows=SIZE, resume=True)
    assert sum(scored) == manifest["rows"]["scored"] - manifest["resumed_rows"] < 200


def test_what_scores_do_not_depend_on_may_change(detectors, source, tmp_path):
    detector, file = detectors["rows"], source("rows")
    interrupted(detector, file, tmp_path / "out.parquet")
    asked = {"policy": "budget=3", "keep": ["amount"], "batch_rows": SIZE}
    again = score_file(detector, file, tmp_path / "out.parquet", resume=True, **asked)
    score_file(detector, file, tmp_path / "whole.parquet", **asked)
    assert again["resumed_rows"] >= 200
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize(("changed", "error", "told"), [
    ({"batch_rows": 32}, UsageError, r"batch rows 64 \(now 32\)"),
    ({"where": "amount > 0"}, UsageError, r"where None \(now 'amount > 0'\)"),
    ({"detector": "other"}, UsageError, "model"),
    ({"source": "other"}, InputError, "rows 0 to 63 differ"),
    ({"source": "shorter"}, InputError, "ends before"),
])
def test_a_run_goes_on_only_as_it_began(detectors, source, tmp_path, changed, error, told):
    detector, file = detectors["rows"], source("rows")
    interrupted(detector, file, tmp_path / "out.parquet")
    journal = (tmp_path / ".out.parquet.journal").read_bytes()
    lines = file.read_text().splitlines()
    (tmp_path / "other").write_text("\n".join([*lines[:20], lines[20].replace(",a", ",b", 1), *lines[21:]])
                                    .replace("P-00010", "P-00010x") + "\n")
    (tmp_path / "shorter").write_text("\n".join(lines[:65]) + "\n")
    given = {"batch_rows": SIZE, "detector": detector, "source": file} | changed
    if "detector" in changed:
        given["detector"] = TabularDetector("none").fit(frame(5))
    if "source" in changed:
        given["source"] = tmp_path / changed["source"]
    with pytest.raises(error, match=told) as raised:
        score_file(out=tmp_path / "out.parquet", resume=True, **given)
    assert "leave out --resume" in str(raised.value)
    assert (tmp_path / ".out.parquet.journal").read_bytes() == journal
    score_file(out=tmp_path / "out.parquet", **given)
    assert not (tmp_path / ".out.parquet.journal").exists()


def test_people_are_told_that_a_run_begins_at_the_start(detectors, source, tmp_path):
    detector, file, told = detectors["rows"], source("rows"), []
    score_file(detector, file, tmp_path / "out.parquet", policy=POLICY, batch_rows=SIZE, resume=True,
               notice=told.append)
    interrupted(detector, file, tmp_path / "out.parquet")
    score_file(detector, file, tmp_path / "out.parquet", policy=POLICY, batch_rows=SIZE, notice=told.append)
    assert told[0] == "there is nothing to go on with: all rows are scored"
    assert "are scored again; --resume would have gone on" in told[1]


def test_what_dead_processes_left_of_this_output_is_removed_and_nothing_else(detectors, source, tmp_path):
    left = [".out.parquet.99999.draft", ".out.parquet.99999.partial", ".out.manifest.json.99999.partial"]
    others = [".out2.parquet.99999.draft", ".out.parquet.99999.notes", "out.parquet.1.partial"]
    for name in [*left, *others]:
        (tmp_path / name).write_text("")
    score_file(detectors["rows"], source("rows"), tmp_path / "out.parquet")
    assert {path.name for path in tmp_path.iterdir()} == {
        *others, "in.csv", "out.parquet", "out.rejects.parquet", "out.manifest.json"}


def test_two_runs_never_write_the_same_file(detectors, source, tmp_path):
    def meanwhile(_rows):
        with pytest.raises(UsageError, match="one process at a time"):
            score_file(detectors["rows"], source("rows", "same.csv"), tmp_path / "out.parquet", resume=True)

    score_file(detectors["rows"], source("rows"), tmp_path / "out.parquet", progress=meanwhile)
    assert (tmp_path / "out.parquet").exists()


def test_the_manifest_goes_first_and_comes_last(detectors, source, tmp_path, monkeypatch):
    file, named, name = source("rows"), [], Staging._name
    older = score_file(detectors["rows"], file, tmp_path / "out.parquet")

    def watched(self, path):
        named.append((path.name, (tmp_path / "out.manifest.json").exists()))
        name(self, path)

    monkeypatch.setattr(Staging, "_name", watched)
    score_file(detectors["rows"], file, tmp_path / "out.parquet", where="amount > 10")
    assert [each for each, _ in named][-2:] == ["out.parquet", "out.manifest.json"]
    assert not any(there for _, there in named)
    assert json.loads((tmp_path / "out.manifest.json").read_text()) != older
