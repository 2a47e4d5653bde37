from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_cl.detectors.series import SeriesDetector
from apps.benchmark.__main__ import main
from apps.benchmark.explanations import channels
from apps.benchmark.explanations.channels import alerted_runs, contributions, distances


def test_runs_are_the_alerted_steps_of_each_anomaly() -> None:
    watched = pd.DataFrame({
        "machine": ["a", "b"] * 6, "is_anomaly": [0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1],
        "anomaly_kind": "spike", "anomaly_channel": ["x"] * 8 + ["x", "y", "z", "y"],
    })
    alert = np.array([1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0], bool)
    found = [rows.tolist() for rows in alerted_runs(watched, alert)]
    assert found == [[2, 4], [10], [1], [9]]  # machine a: steps 2 and 4, then 8 (quiet, x) and 10 (z)


def test_reasons_become_a_matrix() -> None:
    some = [[{"column": "y", "contribution": 2.0}], [], [{"column": "x", "contribution": 1.0}]]
    np.testing.assert_array_equal(contributions(some, ["x", "y"]), [[0, 2], [0, 0], [1, 0]])


def test_distances_are_in_units_of_the_machine_itself() -> None:
    rng = np.random.default_rng(0)
    normal = pd.DataFrame({"machine": ["a", "b"] * 50})
    normal["x"] = rng.normal(size=100) * np.tile([1.0, 9.0], 50)
    own = {name: part["x"] for name, part in normal.groupby("machine")}
    watched = pd.DataFrame({"machine": ["b", "a"], "x": [4.0, 4.0]})
    expected = [abs(4 - own[name].mean()) / own[name].std() for name in ("b", "a")]
    np.testing.assert_allclose(distances(normal, watched, ["x"])[:, 0], expected)


def test_the_command_names_the_channels_of_simulated_anomalies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "SeriesDetector", partial(SeriesDetector, members=0))
    with pytest.raises(SystemExit, match="0"):
        main(["channels", "--out", str(tmp_path), "--machines", "2", "--channels", "3", "--days", "60"])
    means = pd.read_csv(tmp_path / channels.FILE).groupby("model")["hit1"].mean()
    assert means["ours"] > 0.6 > means["random"]
    assert "| all |" in (tmp_path / "channels.md").read_text(encoding="utf-8")
