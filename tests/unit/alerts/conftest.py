"""Stores to test on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anomaly_cl.alerts.store import AlertStore, open_store


@pytest.fixture
def store(url: str) -> Iterator[AlertStore]:
    """A new, empty store."""
    with open_store(url) as opened:
        yield opened
