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


def page_times(store: Path, script: str, heading: str, parameters: dict[str, str]) -> tuple[Took, Took]:
    """How long a visitor's first run of a page takes, and a second one, the server being up; errors are raised."""
    from streamlit import config
    from streamlit.testing.v1 import AppTest

    os.environ["ANOMALY_CL_STORE"] = str(store)
    config.set_option("server.address", "127.0.0.1")  # as the command line starts it
    config.set_option("global.disableWidgetStateDuplicationWarning", True)
    app = AppTest.from_file(str(DASHBOARD / "app.py"), default_timeout=PATIENCE)
    app.run()  # the harness switches pages only from a page that was run
    app.switch_page(script)
    app.query_params.clear()
    for name, value in parameters.items():
        app.query_params[name] = value
    return _run(app, heading), _run(app, heading)


def _run(app: Any, heading: str) -> Took:
    found = took(app.run)
    shown = [element.proto.body for element in app.get("html")]
    for error in [*app.exception, *app.error]:
        raise RuntimeError(f"the page {heading} failed: {error.value}")
    if not any("<h1>" in body and heading in body for body in shown):
        raise RuntimeError(f"the page {heading} was not shown, but {shown[:1]}")
    return found
