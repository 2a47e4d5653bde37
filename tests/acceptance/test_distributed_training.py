"""Two processes train one model, which is as good as that of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anomaly_cl.cli.processes import distributed_options
from anomaly_cl.detectors.loading import load
from tests.acceptance.test_command_line import run
from tests.conftest import ROOT

TOGETHER = ("--accelerator", "cpu", "--strategy", "ddp", "--devices", "2")


def two_processes(*words, code=0):
    """The command as a script that Lightning can start once more."""
    script = Path(sys.executable).with_name("anomaly-cl")
    done = subprocess.run([sys.executable, script, *map(str, words), *TOGETHER], capture_output=True, text=True,
                          cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, timeout=500,
                          check=False)
    assert done.returncode == code, done
    return done


def twisted(rows, seed, strange=False):
    """Rows whose columns depend on each other; strange ones break that, and nothing else."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, rows)
    columns = np.stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)], axis=1)
    if strange:
        columns = np.stack([rng.permutation(column) for column in columns.T], axis=1)
    return pd.DataFrame(columns + rng.normal(scale=0.05, size=columns.shape), columns=list("abcd"))


def test_two_processes_give_one_whole_model_as_good_as_that_of_one(tmp_path):
    twisted(2_400, 0).to_csv(tmp_path / "rows.csv", index=False)
    words = "fit", tmp_path / "rows.csv", "--out"
    done = two_processes(*words, tmp_path / "two")
    assert done.stdout.count("read 2,400 rows: 2,400 learned from") == 1
    assert done.stdout.count("model ") == 1
    assert "Traceback" not in done.stderr
    run(*words, tmp_path / "one", "--accelerator", "cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "rows.csv", "two"]
    rows, truth = pd.concat([twisted(1_500, 1), twisted(500, 2, strange=True)]), np.repeat([0, 1], [1_500, 500])
    one, two = (load(tmp_path / name) for name in ("one", "two"))
    assert two.model_id_ != one.model_id_  # the weights come from other batches
    assert two.model_id_ in done.stdout
    areas = [roc_auc_score(truth, detector.decision_function(rows)) for detector in (one, two)]
    assert areas[1] > areas[0] - 0.01
    assert areas[0] > 0.8
    print(f"area under the curve: one process {areas[0]:.4f}, two {areas[1]:.4f}")


@pytest.mark.slow
@pytest.mark.parametrize("words", [
    ("--detector", "events", "--entity", "customer_id", "--pretraining", "simclr", "--where", "is_fraud = 0"),
    ("--pretraining", "neighbours", "--contamination", "0.02"),
    ("--pretraining", "swav", "--where", "is_fraud = 0")])
def test_every_training_runs_in_two_processes(tmp_path, words):
    run("simulate", "transactions", "--out", tmp_path / "rows.csv", "--rows", 1_500, "--seed", 3)
    two_processes("fit", tmp_path / "rows.csv", "--out", tmp_path / "two", *words)
    assert load(tmp_path / "two").model_id_


@pytest.mark.slow
def test_series_train_in_two_processes(tmp_path):
    run("simulate", "sensors", "--out", tmp_path / "rows.parquet", "--rows", 6_000)
    two_processes("fit", tmp_path / "rows.parquet", "--out", tmp_path / "two", "--detector", "series", "--entity",
                  "machine", "--where", "is_anomaly = 0")
    assert load(tmp_path / "two").model_id_


def test_a_wrong_strategy_is_told_in_words(tmp_path):
    twisted(200, 0).to_csv(tmp_path / "rows.csv", index=False)
    done = run("fit", tmp_path / "rows.csv", "--out", tmp_path / "model", "--strategy", "ddd", code=2)
    assert "trainer options must suit Lightning" in done.stderr
    assert not (tmp_path / "model").exists()


def test_devices_are_a_number_or_names():
    assert distributed_options("ddp", "2", None) == {"strategy": "ddp", "devices": 2}
    assert distributed_options(None, "0,2", 3) == {"devices": "0,2", "num_nodes": 3}
    assert distributed_options(None, "-1", None) == {"devices": -1}
    assert distributed_options(None, None, None) == {}
