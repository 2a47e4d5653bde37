"""The pages of the dashboard, run as its server runs them for a visitor."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from apps.benchmark.dashboard.timing import Took, took

DASHBOARD = Path(__file__).parents[2] / "dashboard"
PATIENCE = 300  # seconds


def make_importable() -> None:
    """Streamlit finds the modules of the dashboard beside its script; so must who asks their questions."""
    if str(DASHBOARD) not in sys.path:
        sys.path.insert(0, str(DASHBOARD))


def page_times(store: Path, script: str, parameters: dict[str, str]) -> tuple[Took, Took]:
    """How long a visitor's first run of a page takes, and a second one, the server being up; an error is raised."""
    from streamlit import config
    from streamlit.testing.v1 import AppTest

    os.environ["ANOMALY_CL_STORE"] = str(store)
    config.set_option("server.address", "127.0.0.1")
    app = AppTest.from_file(str(DASHBOARD / "app.py"), default_timeout=PATIENCE)
    app.switch_page(script)
    for name, value in parameters.items():
        app.query_params[name] = value
    return _run(app), _run(app)


def _run(app: Any) -> Took:
    found = took(app.run)
    for error in app.exception:
        raise RuntimeError(f"the page failed: {error.value}")
    return found
