from __future__ import annotations

from pathlib import Path

import pytest

from apps.benchmark.__main__ import main


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_a_second_run_does_only_what_is_missing(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("tabular", "--data", str(sets), "--out", str(tmp_path), "--models", "KNN-1", "HBOS", "--jobs", "1")
    assert run(*common, "--seeds", "0") == 0
    assert "4 runs, 0 of them done before" in capsys.readouterr().out
    assert run(*common, "--seeds", "0", "1", "--contaminate", "0.05") == 0
    out = capsys.readouterr().out
    assert "16 runs, 4 of them done before" in out
    assert "table.md" in out
    table = (tmp_path / "table.md").read_text()
    assert "seeds 0, 1" in table
    assert "2 of 2" in table


def test_wrong_usage_ends_with_its_code(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tabular", "--data", str(sets), "--out", str(tmp_path), "--models", "KNN-7") == 2
    assert "KNN-7" in capsys.readouterr().err
    assert run("tabular", "--data", str(tmp_path), "--out", str(tmp_path)) == 3
