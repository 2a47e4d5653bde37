"""What all tests share: where measuring data may lie, and small tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import server, url  # noqa: F401 fixtures of all tests
from tests.fuzz.counting import pytest_addoption, pytest_sessionfinish, pytest_terminal_summary  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public data to measure on; it is no part of the project, and tests that need it skip without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder.relative_to(ROOT.parent)} beside the checkout: public data to measure on")
    return folder
