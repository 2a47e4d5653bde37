"""Two people at one case, each in a browser of their own."""

from __future__ import annotations

import case_queries
import pytest
import queries
from access import Actor
from filters import Filters
from playwright.sync_api import Page, expect

from tests.acceptance.browser.conftest import Dashboard
from tests.acceptance.browser.walking import history, picture, settled

pytestmark = pytest.mark.browser

ADMIN = Actor("m.keller", "admin", sees_private=True)


def test_the_later_of_two_verdicts_is_refused_and_what_was_typed_is_kept(
    page: Page, other_page: Page, dashboard: Dashboard
) -> None:
    case = queries.cases(dashboard.store.engine, ADMIN, Filters(view="cases", state="new"))[10]
    for each in (page, other_page):
        each.goto(f"{dashboard.address}/case?case={case.id}")
        settled(each, charts=3)
    other_page.get_by_label("Your name").fill("a.okafor")
    other_page.get_by_role("button", name="Unsure").click()
    expect(history(other_page).first).to_contain_text("a.okafor")

    note, name = page.get_by_label("Note", exact=True), page.get_by_label("Your name")
    note.fill("Seen with the customer.")
    name.fill("m.keller")
    page.get_by_role("button", name="Legitimate").click()
    warning = page.get_by_role("alert").filter(has_text="Nothing was written")
    expect(warning).to_contain_text("it has changed since you read it")
    expect(warning).to_contain_text("a.okafor")
    expect(note).to_have_value("Seen with the customer.")
    picture(page, "stale")
    assert [line.author for line in _given(dashboard, case.id)] == ["a.okafor"]

    page.get_by_role("button", name="Read again").click()
    expect(warning).to_have_count(0)
    settled(page, charts=3)
    expect(note).to_have_value("Seen with the customer.")
    page.get_by_role("button", name="Legitimate").click()
    expect(page.locator(".history")).to_contain_text("Seen with the customer.")
    assert [line.author for line in _given(dashboard, case.id)] == ["m.keller", "a.okafor"]


def _given(dashboard: Dashboard, case_id: int) -> list[case_queries.HistoryLine]:
    lines = case_queries.history(dashboard.store.engine, ADMIN, case_id)
    return [line for line in lines if line.kind == "verdict"]
