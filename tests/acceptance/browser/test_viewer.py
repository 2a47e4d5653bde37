"""What a viewer may not do and may not see, in a real browser: the server refuses, and sends nothing private."""

from __future__ import annotations

import re
from functools import partial

import decisions
import pytest
import queries
from access import Actor, Forbidden
from filters import Filters
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect
from sqlalchemy import func, select

from anomaly_cl.alerts.models import Alert, Verdict
from tests.acceptance.browser.conftest import PRIVATE, Dashboard, Watched
from tests.acceptance.browser.walking import history, picture, settled

pytestmark = pytest.mark.browser

VIEWER = Actor("v.moser", "viewer")
PAGES = (("", 5), ("queue", 0), ("queue?view=alerts&state=all", 0), ("case", 3), ("map", 1), ("series", 1),
         ("model", 2))


class Relay:
    """Stands between a page and its server: keeps what the page sends, may hold it back, and can send for it."""

    def __init__(self, page: Page, *, holds_back: bool = False):
        self.sent: list[str | bytes] = []
        self.received: list[str | bytes] = []
        self.holds_back = holds_back
        page.route_web_socket(re.compile(".*"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        self.server = socket.connect_to_server()
        socket.on_message(self._pass)
        self.server.on_message(partial(self._answer, socket))

    def _answer(self, socket: WebSocketRoute, message: str | bytes) -> None:
        self.received.append(message)
        socket.send(message)

    def _pass(self, message: str | bytes) -> None:
        self.sent.append(message)
        if not self.holds_back:
            self.server.send(message)


def verdicts(dashboard: Dashboard) -> int:
    with dashboard.store.engine.connect() as store:
        return store.scalar(select(func.count()).select_from(Verdict)) or 0


def test_a_verdict_of_a_viewer_is_refused_by_the_server(
    page: Page, other_page: Page, dashboard: Dashboard, viewer_address: str
) -> None:
    before, case = verdicts(dashboard), queries.cases(dashboard.store.engine, VIEWER, Filters("cases", state="new"))[20]
    assert case.riskiest is not None
    with pytest.raises(Forbidden, match="needs the role analyst or admin"):
        decisions.decide(dashboard.store, VIEWER, [case.riskiest.id], "fraud", reason="", note="",
                         versions={case.id: case.version})

    relays = {each: Relay(each) for each in (page, other_page)}
    for each, address in ((page, viewer_address), (other_page, dashboard.address)):
        each.goto(f"{address}/case?case={case.id}")
        settled(each, charts=3)
    expect(page.get_by_role("button", name="Fraud")).to_be_disabled()
    # What an admin's page sends for a verdict is held back, and sent by the viewer's.
    relays[other_page].holds_back = True
    number = len(relays[other_page].sent)
    other_page.get_by_role("button", name="Fraud").click()
    while len(relays[other_page].sent) == number:
        other_page.wait_for_timeout(100)
    other_page.wait_for_timeout(500)
    forged = relays[other_page].sent[number:]
    assert len(forged) == 1
    answered = len(relays[page].received)
    relays[page].server.send(forged[0])
    while len(relays[page].received) == answered:
        page.wait_for_timeout(100)
    settled(page, charts=3)
    picture(page, "viewer-refused")
    page.reload()
    settled(page, charts=3)
    expect(history(page)).to_have_count(0)
    assert verdicts(dashboard) == before
    # The same message is a verdict where it comes from an admin.
    relays[other_page].server.send(forged[0])
    expect(history(other_page).first).to_be_visible()
    assert verdicts(dashboard) == before + 1


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
