"""What the command `explanations` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from apps.benchmark.data import find_sets
from apps.benchmark.explanations.methods import choose
from apps.benchmark.explanations.planting import chosen
from apps.benchmark.explanations.report import write_report
from apps.benchmark.explanations.runs import measure


def measure_explanations(
    data: Path, out: Path, only: Sequence[str] | None, methods: Sequence[str] | None, seeds: Sequence[int],
    say: Callable[[str], None],
) -> Path:
    """Measure what is not measured, and report on all of these sets, methods and seeds; the file of the report."""
    files = chosen(find_sets(data, only))
    return write_report(measure(files, seeds, choose(methods), out, say), [file.stem for file in files], out)
