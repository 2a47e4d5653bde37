"""What a viewer may not do and may not see, in a real browser: the server refuses, and sends nothing private."""

from __future__ import annotations

import decisions
import pytest
import queries
from access import Actor, Forbidden
from filters import Filters
from playwright.sync_api import BrowserContext, expect
from sqlalchemy import func, select

from anomaly_cl.alerts.models import Alert, Verdict
from tests.acceptance.browser.conftest import PRIVATE, Dashboard, Watched
from tests.acceptance.browser.walking import history, picture, settled

pytestmark = pytest.mark.browser

VIEWER = Actor("v.moser", "viewer")
PAGES = (("", 5), ("queue", 0), ("queue?view=alerts&state=all", 0), ("case", 3), ("map", 1), ("series", 1),
         ("model", 2))
# React does not hear clicks on a disabled button; a changed page would call what the button calls.
PRESS = """button => button[Object.keys(button).find(key => key.startsWith('__reactProps$'))].onClick(
    new MouseEvent('click'))"""


def verdicts(dashboard: Dashboard) -> int:
    with dashboard.store.engine.connect() as store:
        return store.scalar(select(func.count()).select_from(Verdict)) or 0


def test_a_verdict_of_a_viewer_is_refused_by_the_server(
    watched: Watched, dashboard: Dashboard, viewer_address: str
) -> None:
    page, before = watched.page, verdicts(dashboard)
    case = queries.cases(dashboard.store.engine, VIEWER, Filters(view="cases", state="new"))[20]
    assert case.riskiest is not None
    with pytest.raises(Forbidden, match="needs the role analyst or admin"):
        decisions.decide(dashboard.store, VIEWER, [case.riskiest.id], "fraud", reason="", note="",
                         versions={case.id: case.version})
    page.goto(f"{viewer_address}/case?case={case.id}")
    settled(page, charts=3)
    fraud = page.get_by_role("button", name="Fraud")
    expect(fraud).to_be_disabled()
    fraud.evaluate(PRESS)
    expect(page.get_by_text("needs the role analyst or admin").nth(1)).to_be_visible()
    picture(page, "viewer-refused")
    page.reload()
    settled(page, charts=3)
    expect(history(page)).to_have_count(0)
    assert verdicts(dashboard) == before


def test_private_values_never_reach_the_browser_of_a_viewer(
    watched: Watched, dashboard: Dashboard, viewer_address: str, context: BrowserContext
) -> None:
    with dashboard.store.engine.connect() as store:
        private = {str(record[PRIVATE]).encode() for record in store.scalars(
            select(Alert.record).where(Alert.run_id == "run-newest"))}
    visible = context.new_page()
    control = Watched(visible)
    visible.goto(f"{dashboard.address}/case")
    settled(visible, charts=3)
    visible.close()
    assert any(value in b"".join(control.received) for value in private), "this must be seen where it is"

    for path, charts in PAGES:
        watched.page.goto(f"{viewer_address}/{path}")
        settled(watched.page, charts)
        html = watched.page.content().encode()
        assert [value for value in private if value in html] == [], path
    watched.page.goto(f"{viewer_address}/queue?view=alerts&state=all")
    settled(watched.page)
    with watched.page.expect_download() as download:
        watched.page.get_by_role("button", name="CSV").click()
    sent = b"".join([*watched.received, download.value.path().read_bytes()])
    assert [value for value in private if value in sent] == []
