"""Processes that are killed while they score or write to the store, and others that end what they began."""

import numpy as np
import pandas as pd
import pytest

from anomaly_cl import TabularDetector
from apps.benchmark.kills.cases import Case
from apps.benchmark.kills.measure import NAMING, Killed, kill_scoring, kill_steps, kill_storing
from apps.benchmark.kills.stores import postgres_stores, sqlite_stores


def payments(seed, n=300):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"payment_id": [f"P-{seed}-{i:04d}" for i in range(n)],
                         "customer_id": rng.choice(list("abc"), n),
                         "booked_at": pd.date_range("2026-03-02", periods=n, freq="h"),
                         "amount": np.exp(rng.normal(3, 1, n)).round(2), "kind": rng.choice(["x", "y"], n)})


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    TabularDetector("none").fit(payments(0)).save(folder / "model")
    rows = payments(1).astype(object)
    rows.loc[49::50, "amount"] = "broken"
    rows.to_csv(folder / "in.csv", index=False)
    return Killed(Case("rows", ("score", folder / "model", folder / "in.csv", "--batch-rows", 20, "--alerts-at",
                                "budget=9")), folder)


def test_a_run_killed_at_any_moment_goes_on_to_the_same_files(killed):
    done = kill_scoring(killed, 6, np.random.default_rng(0), print)
    assert done.equal == done.kills == 6
    assert done.went_on > 0


def test_a_run_killed_before_any_step_that_names_files_goes_on_to_the_same_files(killed):
    first = [step for _, step in killed.whole.steps].index(NAMING) + 1
    done = kill_steps(killed, print, first)
    assert done.equal == done.kills > 8


def test_a_run_killed_while_it_writes_to_the_store_loses_and_doubles_no_alert(killed, tmp_path):
    done = kill_storing(killed, 3, sqlite_stores(tmp_path), np.random.default_rng(0), print, "SQLite")
    assert done.equal == done.kills == 3


@pytest.mark.slow
def test_a_run_killed_before_any_step_with_files_goes_on_to_the_same_files(killed):
    done = kill_steps(killed, print)
    assert done.equal == done.kills == len(killed.whole.steps)


@pytest.mark.slow
def test_a_hundred_killed_runs_go_on_to_the_same_files(killed):
    done = kill_scoring(killed, 100, np.random.default_rng(1), print)
    assert done.equal == done.kills == 100


@pytest.mark.slow
def test_a_hundred_runs_killed_while_they_write_to_the_store_lose_and_double_no_alert(killed, tmp_path):
    done = kill_storing(killed, 100, sqlite_stores(tmp_path), np.random.default_rng(1), print, "SQLite")
    assert done.equal == done.kills == 100


@pytest.mark.slow
def test_a_hundred_runs_killed_while_they_write_to_postgresql_lose_and_double_no_alert(killed, server):
    with postgres_stores(f"postgresql://postgres@/postgres?host={server}") as new_store:
        done = kill_storing(killed, 100, new_store, np.random.default_rng(1), print, "PostgreSQL")
    assert done.equal == done.kills == 100
