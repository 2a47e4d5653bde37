"""anomaly-cl fit --contamination: what was left out is said, kept beside the model, and counted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.acceptance.test_command_line import run


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(400, 3)), rng.normal(9, 0.2, size=(20, 3))])
    pd.DataFrame(values, columns=list("abc")).assign(id=[f"r{i}" for i in range(420)]).to_csv(
        tmp_path / "unclean.csv", index=False)
    return tmp_path


def fit(files, *words, code=0):
    return run("fit", files / "unclean.csv", "--out", files / "model", "--pretraining", "none", "--role", "id=key",
               *words, code=code)


def test_trimmed_rows_are_written_beside_the_model_and_counted(files):
    said = fit(files, "--contamination", "auto")
    assert "400 learned from, 0 filtered out, 0 rejected, 20 trimmed" in " ".join((said.stdout + said.stderr).split())
    trimmed = pd.read_parquet(files / "model.trimmed.parquet")
    assert sorted(trimmed["row_number"]) == list(range(400, 420))
    assert set(trimmed["id"]) == {f"r{i}" for i in range(400, 420)}
    facts = json.loads(run("inspect", files / "model", "--json").stdout)
    assert facts["trimmed_rows"] == 20
    assert facts["read_rows"] == 420


def test_a_share_is_taken_as_given_and_nothing_is_trimmed_without(files):
    fit(files, "--contamination", "0.1")
    assert len(pd.read_parquet(files / "model.trimmed.parquet")) == 42
    fit(files)
    assert not (files / "model.trimmed.parquet").exists()
    assert json.loads(run("inspect", files / "model", "--json").stdout)["trimmed_rows"] == 0


@pytest.mark.parametrize("text", ["some", "0", "0.5", "nan"])
def test_a_contamination_that_cannot_be_is_refused(files, text):
    assert "contamination" in fit(files, "--contamination", text, code=2).stderr
    assert not (files / "model").exists()
