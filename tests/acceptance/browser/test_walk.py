"""One analyst's path through the dashboard, in a real browser."""

from __future__ import annotations

import re

import pytest
import queries
from playwright.sync_api import Page, expect
from queries import Filters

from anomaly_cl.alerts.store import AlertStore
from tests.acceptance.browser.conftest import ARTIFACTS
from tests.acceptance.dashboard.believable import HOSTILE_BOLD, HOSTILE_FORMULA, HOSTILE_IMAGE, HOSTILE_LINK

pytestmark = pytest.mark.browser
ROW = 36  # pixels of one row of the queue, and of its head


def settled(page: Page, charts: int = 0) -> None:
    """Wait until the script has run, and its charts are drawn."""
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
    if charts:
        expect(page.locator(".js-plotly-plot .cartesianlayer")).to_have_count(charts)
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)


def click_row(page: Page, number: int, x: int = 400) -> None:
    """Click a row of the queue, counted from 1 after its head; drawn on a canvas, rows are no elements."""
    canvas = page.locator("[data-testid=stDataFrame] canvas").first
    canvas.wait_for()
    corner = canvas.bounding_box()
    assert corner is not None
    page.mouse.click(corner["x"] + x, corner["y"] + (number + 0.5) * ROW)


def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.wait_for_timeout(500)  # fonts and the last animation frame
    page.screenshot(path=ARTIFACTS / f"{name}.png")


def test_overview_queue_record_verdict_reload(page: Page, server: str, store: AlertStore) -> None:
    page.goto(server)
    settled(page, charts=4)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.locator("[data-testid=stMetricValue]").first).to_have_text("20,014")
    picture(page, "overview")

    page.get_by_role("link", name="Queue", exact=True).click()
    page.locator("[data-testid=stButtonGroup]").get_by_text(re.compile("^Open")).click()
    expect(page).to_have_url(re.compile(r"/queue\?state=open$"))
    settled(page)
    expect(page.locator("[data-testid=stDataFrame] canvas").first).to_be_visible()
    picture(page, "queue")
    third = queries.alerts(store.engine, Filters(state="open"))[2]
    click_row(page, 3)

    expect(page).to_have_url(re.compile(f"alert={third.id}"))
    expect(page.get_by_role("heading", name=str(third.key))).to_be_visible()
    settled(page, charts=2)
    expect(page.locator("table.comparison")).to_contain_text("4,310.25")
    assert page.locator("table.comparison td.differs").count() > 0
    picture(page, "record")

    page.get_by_label("Note").fill("Customer denies it.\nCard <b>blocked</b>.")
    page.get_by_label("Your name").fill("m.keller")
    page.get_by_role("button", name="Fraud", exact=True).click()
    history = page.locator(".history li")
    expect(history).to_have_count(1)
    page.reload()
    expect(history).to_have_count(1)
    expect(history).to_contain_text("m.keller")
    expect(history).to_contain_text("Card <b>blocked</b>.")
    expect(page.locator(".head .verdict")).to_have_text("fraud")
    history.scroll_into_view_if_needed()
    settled(page, charts=2)
    picture(page, "record-history")


def test_filters_survive_a_reload_and_the_way_back(page: Page, server: str) -> None:
    page.goto(f"{server}/queue?order=newest")
    settled(page)
    page.get_by_label("Search key or entity").fill("T-1")
    page.get_by_label("Search key or entity").press("Enter")
    expect(page).to_have_url(re.compile("text=T-1"))
    page.reload()
    settled(page)
    expect(page.get_by_label("Search key or entity")).to_have_value("T-1")
    total = page.locator(".head .about").inner_text()
    click_row(page, 2)
    page.get_by_role("link", name="Back to the queue").click()
    settled(page)
    expect(page.get_by_label("Search key or entity")).to_have_value("T-1")
    expect(page.locator(".head .about")).to_have_text(total)


def test_a_click_on_a_head_sorts_in_the_database(page: Page, server: str) -> None:
    page.goto(f"{server}/queue?state=open")
    settled(page)
    click_row(page, 0, x=520)
    expect(page).to_have_url(re.compile(r"/queue\?state=open&order=newest$"))


def test_keys_walk_the_queue_but_not_while_typing(page: Page, server: str, store: AlertStore) -> None:
    first, second = queries.alerts(store.engine, Filters())[:2]
    page.goto(f"{server}/record?alert={first.id}")
    settled(page, charts=2)
    page.get_by_label("Note").press_sequentially("jk")
    expect(page.get_by_label("Note")).to_have_value("jk")
    page.locator("h1").click()
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(f"alert={second.id}"))


@pytest.mark.parametrize("hostile", [HOSTILE_IMAGE, HOSTILE_LINK, HOSTILE_FORMULA, HOSTILE_BOLD])
def test_hostile_values_show_as_text(page: Page, server: str, store: AlertStore, hostile: str) -> None:
    line = next(line for line in queries.alerts(store.engine, Filters())
                if any(reason["value"] == hostile for reason in line.reasons))
    page.goto(f"{server}/record?alert={line.id}")
    settled(page, charts=2)
    expect(page.locator("table.comparison td", has_text=hostile)).to_have_text(hostile)
    assert page.locator("[data-testid=stMain] :is(img[src=x], a[href^=javascript], .js-plotly-plot a)").count() == 0
    expect(page.locator(".js-plotly-plot").first).to_contain_text(hostile[:12])


def test_dark_theme(page: Page, server: str) -> None:
    page.emulate_media(color_scheme="dark")
    for path, charts in (("", 4), ("queue", 0), ("record", 2)):
        page.goto(f"{server}/{path}")
        settled(page, charts)
        ground = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
        assert ground == "rgb(18, 23, 29)"
        picture(page, f"{path or 'overview'}-dark")


@pytest.mark.parametrize("path", ["", "queue", "record"])
def test_nothing_overflows_at_1280_pixels(page: Page, server: str, path: str) -> None:
    page.goto(f"{server}/{path}")
    settled(page)
    assert page.evaluate("document.scrollingElement.scrollWidth <= 1280")
    cut = page.evaluate("""[...document.querySelectorAll('[data-testid=stMetricValue] > div, .head h1')]
        .filter(element => element.scrollWidth > element.clientWidth + 1).map(element => element.innerText)""")
    assert cut == []
