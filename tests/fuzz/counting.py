"""How many cases are run, from which seed, and the table of how they ended, also over several workers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

FEWEST = 10_000  # cases of a run of the whole folder
PROPERTY = "fuzz"  # of a test report: [kind, {ending: cases}]
ENDINGS = {"scores": "scores", "2": "exit code 2", "3": "exit code 3", "4": "exit code 4", "finding": "FINDINGS"}
FOLDER = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fuzz", "fuzzed inputs (tests/fuzz)")
    group.addoption("--fuzz-cases", type=int, default=None, metavar="N",
                    help=f"Cases of the whole folder, {FEWEST:,} or more by default; also $FUZZ_CASES.")
    group.addoption("--fuzz-seed", type=int, default=None, metavar="N", help="Other cases; also $FUZZ_SEED.")
    group.addoption("--fuzz-case", type=int, default=None, metavar="N", help="This case alone of each chosen test.")


def counts_in(reports: Iterable[Any]) -> dict[str, Counter[str]]:
    """How many cases of each kind ended how."""
    counts: dict[str, Counter[str]] = {}
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == PROPERTY and report.when == "call":
                counts.setdefault(value[0], Counter()).update(value[1])
    return counts


def lines_of(counts: dict[str, Counter[str]]) -> list[str]:
    """The counts as a table in Markdown, their sums last."""
    shown = [ending for ending in ENDINGS if ending != "finding" or any(c["finding"] for c in counts.values())]
    rows = [["kind", "cases", *(ENDINGS[ending] for ending in shown)]]
    for kind, counted in [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]:
        rows.append([kind, f"{counted.total():,}", *(f"{counted[ending]:,}" for ending in shown)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths, strict=True))) + " |" for row in rows]
    rule = ["-" * (width + 2) if i == 0 else "-" * (width + 1) + ":" for i, width in enumerate(widths)]
    return [lines[0], f"|{'|'.join(rule)}|", *lines[1:]]


def _reports(config: pytest.Config) -> list[Any]:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    return [] if reporter is None else [report for reports in reporter.stats.values() for report in reports]


def is_whole(reports: Iterable[Any]) -> bool:
    """Whether every file of the folder was run."""
    run = {Path(report.nodeid.partition("::")[0]).name for report in reports if getattr(report, "nodeid", "")}
    return {path.name for path in FOLDER.glob("test_*.py")} <= run


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run of the whole folder that has become smaller than it says is a failure."""
    config = session.config
    option = config.option
    fewer = int(option.fuzz_cases or os.environ.get("FUZZ_CASES", FEWEST)) < FEWEST or option.fuzz_case is not None
    chosen = option.keyword or any("::" in word for word in config.args)
    if hasattr(config, "workerinput") or fewer or chosen or session.exitstatus != pytest.ExitCode.OK:
        return
    reports = _reports(config)
    if is_whole(reports) and sum(counted.total() for counted in counts_in(reports).values()) < FEWEST:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = _reports(terminalreporter.config)
    counts = counts_in(reports)
    if not counts:
        return
    total = sum(counted.total() for counted in counts.values())
    terminalreporter.section("fuzzed inputs")
    for line in lines_of(counts):
        terminalreporter.write_line(line)
    if is_whole(reports) and total < FEWEST:
        terminalreporter.write_line(f"{total:,} cases are fewer than the {FEWEST:,} that the folder stands for",
                                    red=True)
