"""One small model for all cases, and what runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anomaly_cl.detectors.loading import load
from anomaly_cl.detectors.tabular import TabularDetector
from tests.fuzz.counting import FEWEST, PROPERTY
from tests.fuzz.records import SCHEMA, payments
from tests.fuzz.running import Cases


@pytest.fixture
def cases(request: pytest.FixtureRequest, tmp_path: Path) -> Cases:
    """Runs the cases of a test; they are counted at the end of the session, whether it passes or fails."""
    option = request.config.option
    wanted = option.fuzz_cases or int(os.environ.get("FUZZ_CASES", FEWEST))
    seed = int(os.environ.get("FUZZ_SEED", 0)) if option.fuzz_seed is None else option.fuzz_seed
    running = Cases(seed, wanted / FEWEST, option.fuzz_case, tmp_path, request.node.nodeid)
    request.node.fuzzed = running
    return running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and hasattr(item, "fuzzed"):
        report.user_properties += [(PROPERTY, [kind, dict(tally)]) for kind, tally in item.fuzzed.tally.items()]
    return report


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model of payments, for which nothing is trained."""
    folder = tmp_path_factory.mktemp("fuzz") / "model"
    TabularDetector(schema=SCHEMA, pretraining="none", bank_rows=100,
        calibration="split").fit(payments(600)).save(folder)
    return folder


@pytest.fixture(scope="session")
def detector(model: Path) -> TabularDetector:
    loaded = load(model)
    assert isinstance(loaded, TabularDetector)
    return loaded
