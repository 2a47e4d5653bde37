"""Every page, light and dark, at 1280x800: pictures of them are left in artifacts/."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.browser.conftest import Dashboard
from tests.acceptance.browser.walking import ON_SQLITE, picture, settled

pytestmark = pytest.mark.browser
PAGES = {"overview": 5, "queue": 0, "case": 3, "map": 1, "series": 1, "model": 2}
GROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}
CUT = """[...document.querySelectorAll('[data-testid=stMetricValue] > div, .head h1, table th')]
    .filter(element => element.scrollWidth > element.clientWidth + 1).map(element => element.innerText)"""


@ON_SQLITE
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_drawn_and_nothing_overflows(
    page: Page, dashboard: Dashboard, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    for name, charts in PAGES.items():
        page.goto(f"{dashboard.address}/{'' if name == 'overview' else name}")
        settled(page, charts)
        expect(page.locator("[data-testid=stException]")).to_have_count(0)
        ground = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
        assert ground == GROUND[scheme]
        assert page.evaluate("document.scrollingElement.scrollWidth <= 1280"), name
        assert page.evaluate(CUT) == [], name
        picture(page, name if scheme == "light" else f"{name}-dark")
