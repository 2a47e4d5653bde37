"""What a person does in the browser, and pictures of what they see."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

ARTIFACTS = Path(__file__).parents[3] / "artifacts"
ROW = 36  # pixels of one row of a table, and of its head
# asked of the page at once: an assertion that is tried again describes the whole page each time, while it is drawn
SETTLED = """charts => {
    const count = selector => document.querySelectorAll(selector).length;
    return count("[data-testid=stApp][data-test-script-state=notRunning]") === 1
        && count("[data-testid=stSkeleton]") === 0
        && (charts === 0 || count(".js-plotly-plot .cartesianlayer") === charts);
}"""
ON_SQLITE = pytest.mark.parametrize("dashboard", ["sqlite"], indirect=True)


def settled(page: Page, charts: int = 0) -> None:
    """Wait until the script has run, and its charts are drawn."""
    page.wait_for_function(SETTLED, arg=charts, polling=100)


def click_row(page: Page, number: int, x: int = 400) -> None:
    """Click a row of the first table, counted from 1 after its head; drawn on a canvas, rows are no elements."""
    canvas = page.locator("[data-testid=stDataFrame] canvas").first
    canvas.wait_for()
    corner = canvas.bounding_box()
    assert corner is not None
    page.mouse.click(corner["x"] + x, corner["y"] + (number + 0.5) * ROW)


def history(page: Page) -> Locator:
    """The lines of what people did with the case."""
    return page.locator(".history li")


def picture(page: Page, name: str, *, full: bool = False) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.wait_for_timeout(500)  # fonts and the last animation frame
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=full)
