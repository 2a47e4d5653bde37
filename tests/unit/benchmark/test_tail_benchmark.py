from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from apps.benchmark.__main__ import main
from apps.benchmark.tails import TRUTHS, measure


def test_the_report_has_a_line_for_each_distribution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(("tails", "--out", str(tmp_path / "new"), "--rows", "200", "--runs", "2"))
    assert end.value.code == 0
    assert "tails.md" in capsys.readouterr().out
    report = (tmp_path / "new" / "tails.md").read_text()
    assert all(f"| {name} |" in report for name in TRUTHS)
    assert "200 calibration rows, 2 runs" in report


def test_ratios_are_near_one_where_calibration_rows_still_reach() -> None:
    found = measure(stats.norm(), rows=1000, runs=30, levels=np.array([0.1, 0.05]))
    assert found.ratios.shape == found.pareto_ratios.shape == (30, 2)
    np.testing.assert_allclose(np.median(found.ratios, axis=0), 1, atol=0.1)
    np.testing.assert_allclose(np.median(found.pareto_ratios[:, 1]), 1, atol=0.1)
