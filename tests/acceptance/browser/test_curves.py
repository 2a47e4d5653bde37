"""The page of curves in a real browser."""

import pyarrow as pa
import pytest
from playwright.sync_api import expect

from anomaly_cl.cli.evaluation_page import page as written
from anomaly_cl.cli.judged import Questions, judge
from anomaly_cl.cli.labelled_rows import LabelledRows
from tests.unit.cli.made_up_evaluation import HOSTILE, scored_frame

pytestmark = pytest.mark.browser


def test_all_curves_are_drawn_offline_and_hostile_names_are_text(page):
    rows = LabelledRows(pa.Table.from_pandas(scored_frame()), "is_fraud")
    asked = Questions(time="when", budget=20, entity="customer", kind="kind", costs="5", amount="amount")
    page.set_content(written("a file", judge(rows, asked)))
    expect(page.locator(".js-plotly-plot .cartesianlayer")).to_have_count(4)
    ticks = page.locator(".js-plotly-plot").last.locator(".ytick text")
    expect(ticks.filter(has_text=HOSTILE[0])).to_have_count(1)
    expect(page.locator("td").filter(has_text=HOSTILE[1])).to_have_count(1)
    assert page.locator("body img, body b, .js-plotly-plot a[href^=http]").count() == 0
