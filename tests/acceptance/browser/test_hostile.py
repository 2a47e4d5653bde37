"""Strings that try to be more than text: in pages, charts, tables and files they are text."""

from __future__ import annotations

import csv
import io

import pytest
import queries
from access import Actor
from filters import Filters
from playwright.sync_api import Page, expect

from tests.acceptance.browser.conftest import HOSTILE_ENTITY, Dashboard
from tests.acceptance.browser.walking import history, settled
from tests.acceptance.dashboard.believable import HOSTILE_BOLD, HOSTILE_FORMULA, HOSTILE_IMAGE, HOSTILE_LINK

pytestmark = pytest.mark.browser
ADMIN = Actor("m.keller", "admin", sees_private=True)
ALIVE = "[data-testid=stMain] :is(img[src=x], a[href^=javascript], .js-plotly-plot a, script)"


def test_hostile_values_show_as_text(page: Page, dashboard: Dashboard) -> None:
    lines = queries.alerts(dashboard.store.engine, ADMIN, Filters())
    for hostile in (HOSTILE_IMAGE, HOSTILE_LINK, HOSTILE_FORMULA, HOSTILE_BOLD):
        line = next(line for line in lines if any(reason["value"] == hostile for reason in line.reasons))
        page.goto(f"{dashboard.address}/case?alert={line.id}")
        settled(page, charts=3)
        expect(page.locator("table.comparison td", has_text=hostile)).to_have_text(hostile)
        expect(page.locator("p.lead")).to_contain_text(hostile)
        expect(page.locator(".js-plotly-plot").first).to_contain_text(hostile[:12])
        assert page.locator(ALIVE).count() == 0


def test_what_people_write_shows_as_text(page: Page, dashboard: Dashboard) -> None:
    case = queries.cases(dashboard.store.engine, ADMIN, Filters(view="cases", state="new"))[15]
    page.goto(f"{dashboard.address}/case?case={case.id}")
    settled(page, charts=3)
    page.get_by_role("combobox", name="Reason").fill(HOSTILE_LINK)
    page.get_by_role("combobox", name="Reason").press("Enter")
    page.get_by_label("Note", exact=True).fill(HOSTILE_IMAGE)
    page.get_by_label("Your name").fill(HOSTILE_BOLD)
    page.get_by_role("button", name="Unsure").click()
    for hostile in (HOSTILE_LINK, HOSTILE_IMAGE, HOSTILE_BOLD):
        expect(history(page).filter(has_text=hostile).first).to_be_visible()
    assert page.locator(ALIVE).count() == 0
    assert page.locator(".history b:has-text('bold')").count() == 0


def test_formulas_are_harmless_in_the_exported_list(page: Page, dashboard: Dashboard) -> None:
    for view, column in (("cases", "entity"), ("alerts", "key")):
        page.goto(f"{dashboard.address}/queue?view={view}&state=all")
        settled(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV").click()
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
        assert [row for row in rows if row[column] == f"'{HOSTILE_ENTITY}"] != []
        assert [value for row in rows for value in row.values() if value.lstrip()[:1] in ("=", "+", "@")] == []
