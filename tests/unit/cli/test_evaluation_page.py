import html
import re

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.cli.evaluation_figures import figures
from anomaly_cl.cli.evaluation_page import page
from anomaly_cl.cli.judged import Questions, judge
from anomaly_cl.cli.labelled_rows import LabelledRows
from tests.unit.cli.made_up_evaluation import HOSTILE, scored_frame

ASKED = Questions(time="when", budget=20, entity="customer", kind="kind", costs="5", amount="amount")


@pytest.fixture(scope="module")
def rows() -> LabelledRows:
    return LabelledRows(pa.Table.from_pandas(scored_frame()), "is_fraud")


@pytest.fixture(scope="module")
def text(rows) -> str:
    return page("<b>scored</b> against is_fraud", judge(rows, ASKED))


def test_the_page_needs_no_network_and_carries_the_script_once(text):
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", text)
    assert text.count("plotly.js v") == 1
    assert len(text) < 6_000_000


def test_text_of_the_file_is_escaped(text):
    assert "<b>scored</b>" not in text
    for name in HOSTILE:
        assert name not in text
        assert html.escape(name) in text


def test_a_figure_for_each_thing_asked(rows):
    assert list(figures(judge(rows, Questions()))) == ["Precision and recall"]
    assert list(figures(judge(rows, Questions(time="when")))) == [
        "Precision and recall", "Precision and recall at each budget"]
    assert list(figures(judge(rows, ASKED))) == [
        "Precision and recall", "Precision and recall at each budget", "Money saved at each budget", "Recall by kind"]


def test_curves_pass_through_the_numbers_at_the_budget(rows):
    asked = judge(rows, ASKED)
    curve = asked.curves
    at = int(np.flatnonzero(curve.budgets.budgets == 20)[0])
    assert curve.budgets.precision[at] == pytest.approx(asked.budget.precision)
    assert curve.budgets.recall[at] == pytest.approx(asked.budget.recall)
    assert curve.budgets.saved[at] == pytest.approx(asked.saved_by_budget.saved)
    assert curve.card_precision[at] == asked.cards.card_precision


def test_people_see_the_kinds_with_most_rows_and_json_all():
    frame = scored_frame()
    frame["kind"] = [f"kind {number % 50}" for number in range(len(frame))]
    judged = judge(LabelledRows(pa.Table.from_pandas(frame), "is_fraud"), Questions(kind="kind"))
    counts = frame.loc[frame["is_fraud"] == 1, "kind"].value_counts()
    assert len(judged.kind_rows()) == 20
    assert judged.notes() == [f"{len(counts) - 20} more kinds have fewer rows: see --json"]
    assert {line["kind"]: line["rows"] for line in judged.as_dict()["recall_by_kind"]} == counts.to_dict()
