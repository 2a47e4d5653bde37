"""One analyst's path through the dashboard, in a real browser, on both databases, with the network closed."""

from __future__ import annotations

import re

import pytest
import queries
from access import Actor
from filters import Filters
from playwright.sync_api import Page, expect

from tests.acceptance.browser.conftest import Dashboard
from tests.acceptance.browser.walking import ON_SQLITE, ROW, click_row, history, picture, settled

pytestmark = pytest.mark.browser

ADMIN = Actor("m.keller", "admin", sees_private=True)
RISKY = Filters(view="cases", state="open", min_risk=50.0)


def test_overview_queue_filter_case_verdict_reload(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.address)
    settled(page, charts=5)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.locator("[data-testid=stMetricValue]").first).to_have_text("20,000")

    page.get_by_role("link", name="Queue", exact=True).click()
    page.get_by_label("Minimum risk").fill("50")
    page.get_by_label("Minimum risk").press("Enter")
    expect(page).to_have_url(re.compile(r"/queue\?min_risk=50$"))
    settled(page)
    listed = queries.cases(dashboard.store.engine, ADMIN, RISKY)
    place, case = next((place, line) for place, line in enumerate(listed, start=1)
                       if line.entity_column == "customer" and line.alerts_open > 2 and place > 1)
    click_row(page, place)

    expect(page).to_have_url(re.compile(f"case={case.id}&alert="))
    expect(page.locator(".head h1")).to_have_text(f"customer {case.entity}")
    settled(page, charts=3)
    alert = case.riskiest
    assert alert is not None
    for reason in alert.reasons:
        expect(page.locator(".js-plotly-plot").first).to_contain_text(str(reason["column"]))
    table = page.locator("table.comparison", has=page.locator("th", has_text="This record"))
    expect(table.locator("thead th").last).to_have_text("Normal 5")
    assert table.locator("td.differs").count() > 0
    expect(table).to_contain_text(str(alert.key))

    page.get_by_role("combobox", name="Reason").fill("customer denies it")
    page.get_by_role("combobox", name="Reason").press("Enter")
    page.get_by_label("Note", exact=True).fill("Customer denies it.\nCard <b>blocked</b>.")
    page.get_by_label("Your name").fill("m.keller")
    page.get_by_role("button", name="Fraud").click()
    expect(history(page)).to_have_count(2)  # the verdict, and that the case is in review now
    page.reload()
    settled(page, charts=3)
    expect(history(page)).to_have_count(2)
    expect(history(page).filter(has_text="customer denies it")).to_contain_text("m.keller")
    expect(page.locator(".history")).to_contain_text("Card <b>blocked</b>.")
    expect(page.locator(".alert-head .verdict")).to_have_text("fraud")
    expect(page.locator(".head .verdict").first).to_have_text("in review")


@ON_SQLITE
def test_filters_survive_a_reload_and_the_way_back(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.address}/queue?order=newest&view=alerts")
    settled(page)
    page.get_by_label("Search key or entity").fill("C-41")
    page.get_by_label("Search key or entity").press("Enter")
    expect(page).to_have_url(re.compile("text=C-41"))
    page.reload()
    settled(page)
    expect(page.get_by_label("Search key or entity")).to_have_value("C-41")
    total = page.locator(".head .about").inner_text()
    click_row(page, 2)
    page.get_by_role("link", name="Back to the queue").click()
    settled(page)
    expect(page.get_by_label("Search key or entity")).to_have_value("C-41")
    expect(page.locator(".head .about")).to_have_text(total)


@ON_SQLITE
def test_a_click_on_a_head_sorts_in_the_database(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.address}/queue")
    settled(page)
    click_row(page, 0, x=368)  # the head "Amount"
    expect(page).to_have_url(re.compile(r"/queue\?order=amount$"))


@ON_SQLITE
def test_keys_walk_the_queue_but_not_while_typing(page: Page, dashboard: Dashboard) -> None:
    first, second = queries.cases(dashboard.store.engine, ADMIN, Filters(view="cases", state="open"))[:2]
    page.goto(f"{dashboard.address}/case?case={first.id}")
    settled(page, charts=3)
    page.get_by_label("Note", exact=True).press_sequentially("jk")
    expect(page.get_by_label("Note", exact=True)).to_have_value("jk")
    page.locator("h1").click()
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(f"case={second.id}&"))


@ON_SQLITE
def test_several_cases_are_decided_together(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.address}/queue?order=amount")
    settled(page)
    chosen = queries.cases(dashboard.store.engine, ADMIN, Filters(view="cases", state="open", order="amount"))[4:6]
    for row in (5, 6):
        click_row(page, row, x=ROW // 2)
    expect(page.locator(".ticked")).to_contain_text("2 cases")
    page.get_by_placeholder("Note").fill("seen together")
    page.get_by_role("button", name="Legitimate").click()
    expect(page.get_by_text("Recorded: legitimate")).to_be_visible()
    with dashboard.store.engine.connect():
        now = {line.id: line for line in queries.cases(
            dashboard.store.engine, ADMIN, Filters(view="cases", state="closed"), page_size=500)}
    assert all(now[line.id].alerts_open == 0 for line in chosen)


@ON_SQLITE
def test_a_suppression_leaves_the_queue_and_comes_back(page: Page, dashboard: Dashboard) -> None:
    case = queries.cases(dashboard.store.engine, ADMIN, Filters(view="cases", state="new"))[30]
    page.goto(f"{dashboard.address}/case?case={case.id}")
    settled(page, charts=3)
    page.get_by_role("button", name="Ignore").click()
    page.get_by_role("button", name="Ignore them").click()
    expect(page.get_by_text(re.compile("suppressed for 7 days")).first).to_be_visible()
    page.goto(f"{dashboard.address}/queue")
    settled(page)
    page.get_by_role("button", name=re.compile("Suppressed")).click()
    picture(page, "suppressions")
    page.get_by_role("button", name="Lift").first.click()
    expect(page.get_by_text(re.compile("in the queue again")).first).to_be_visible()
