"""Overview, map, series and model, run without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import decisions
import insight_queries
import pytest
import series_queries
from access import Actor, Forbidden
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.alerts.store import AlertStore, open_store
from tests.acceptance.dashboard.believable import HOSTILE_BOLD, fill
from tests.acceptance.dashboard.believable_insight import CHANNELS, MODEL, SERIES_MODEL, SERIES_RUN, enrich, fill_series

Open = Callable[..., AppTest]
MAP, SERIES, MODEL_PAGE = "page_map.py", "page_series.py", "page_model.py"
PAGES = ["", "page_queue.py", "page_case.py", MAP, SERIES, MODEL_PAGE]
ANALYST = Actor("m.keller", "analyst", True)


@pytest.fixture(scope="module")
def insight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertStore]:
    """A store with a map, series and a model."""
    with open_store(tmp_path_factory.mktemp("insight") / "alerts.sqlite") as store:
        fill(store, scored=2_000, decided=12)
        enrich(store)
        fill_series(store)
        yield store


def html(app: AppTest) -> str:
    assert not app.exception
    return "".join(element.proto.body for element in app.get("html"))


def figures(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def captions(app: AppTest) -> str:
    return " ".join(element.value for element in app.caption)


def span_of(store: AlertStore, start: str) -> str:
    lines = series_queries.series_of(store.engine, ANALYST, SERIES_RUN)
    number = next(line.number for line in lines if line.name.startswith(start))
    return series_queries.spans(store.engine, ANALYST, SERIES_RUN, number)[0].id


def test_the_overview_counts_the_run_and_the_work(open_page: Open, insight: AlertStore) -> None:
    app = open_page(insight, run="run-newest")
    shown = {metric.label: (metric.value, metric.delta) for metric in reversed(app.metric)}
    assert shown["Rows scored"] == ("2,000", "14 rejected")
    assert shown["Verdicts"][0] == "12"
    assert "to" in shown["Precision so far"][1]
    waiting = insight_queries.workload(insight.engine, ANALYST)
    assert shown["Open cases"][0] == f"{waiting.open_cases:,}"
    assert "Amount shifted" in html(app)


@pytest.mark.parametrize(("policy", "said"), [
    ("budget=5", "All that it flags is in the store"), ("alpha=0.1", "nobody has looked at them"),
    ("fdr=0.05", "in the store"), ("budget=1/hour", "kept no counts"),
])
def test_a_policy_is_tested_on_the_past(open_page: Open, insight: AlertStore, policy: str, said: str) -> None:
    app = open_page(insight, run="run-newest", policy=policy)
    assert f"<th scope='row'>{policy}</th>" in html(app)
    assert said in captions(app).replace("\\", "")
    assert app.text_input[0].value == policy


@pytest.mark.parametrize("policy", ["cost=1:50", "alpha=7", "<b>x</b>", "budget"])
def test_a_policy_that_cannot_be_tested_says_what_to_write(open_page: Open, insight: AlertStore, policy: str) -> None:
    app = open_page(insight, run="run-newest", policy=policy)
    assert not app.exception
    assert len(app.warning) == 1
    assert "<b>" not in app.warning[0].value


def test_a_typed_policy_is_kept_in_the_address(open_page: Open, insight: AlertStore) -> None:
    app = open_page(insight, run="run-newest")
    app.text_input[0].set_value("budget=5").run()
    assert app.query_params["policy"] == "budget=5"
    assert "budget=5" in html(app)


def test_the_map_draws_each_verdict_by_colour_and_symbol(open_page: Open, insight: AlertStore) -> None:
    app = open_page(insight, MAP)
    [figure] = figures(app)
    traces = {trace["name"]: trace for trace in figure["data"]}
    assert set(traces) == {"normal", "open", "fraud", "legitimate", "unsure"}
    marks = [(trace["marker"]["color"], trace["marker"]["symbol"])
             for name, trace in traces.items() if name != "normal"]
    assert len(set(marks)) == len({symbol for _, symbol in marks}) == 4
    assert "41" in figure["layout"]["xaxis"]["title"]["text"]
    assert not app.dataframe


def test_a_box_in_the_address_lists_its_alerts(open_page: Open, insight: AlertStore) -> None:
    lines, number = insight_queries.alerts_within(insight.engine, ANALYST, "run-newest", (0, 0), (9, 9))
    app = open_page(insight, MAP, box="0,0,9,9")
    assert list(app.dataframe[0].value["Record"]) == [line.title for line in lines]
    assert any(f"{number} selected alerts" in element.value for element in app.markdown)
    next(button for button in app.button if button.label == "Clear").click().run()
    assert "box" not in app.query_params
    assert not app.dataframe


@pytest.mark.parametrize("parameters", [
    {"box": "1,2"}, {"box": "nan,0,1,1"}, {"box": "5,5,1,1"}, {"alert": "<b>none</b>"}, {"run": "none"},
    {"mouse": "fly"}, {"box": "50,50,60,60"},
])
def test_the_map_survives_an_address_that_means_nothing(
    open_page: Open, insight: AlertStore, parameters: dict[str, str]
) -> None:
    app = open_page(insight, MAP, **parameters)
    assert not app.exception
    assert len(figures(app)) == 1
    assert not app.dataframe


def test_the_series_shows_every_channel_and_shades_the_spans(open_page: Open, insight: AlertStore) -> None:
    app = open_page(insight, SERIES, run=SERIES_RUN)
    [figure] = figures(app)
    titles = [annotation["text"] for annotation in figure["layout"]["annotations"]]
    assert titles == [*CHANNELS, "surprise"]
    spans = series_queries.spans(insight.engine, ANALYST, SERIES_RUN, 1)
    assert len(figure["layout"]["shapes"]) == len(spans)


def test_an_alert_alone_opens_its_run_series_and_span(open_page: Open, insight: AlertStore) -> None:
    alert_id = span_of(insight, "pump <b>")
    app = open_page(insight, SERIES, alert=alert_id)
    assert (app.query_params["run"], app.query_params["series"]) == (SERIES_RUN, "2")
    whole, detail, reasons = figures(app)
    assert len(whole["layout"]["shapes"]) == 3
    assert [annotation["text"] for annotation in detail["layout"]["annotations"]] == [
        "vibration", "bearing temperature", "surprise of each channel"]
    assert len(reasons["data"][0]["x"]) == 2
    assert "2018-08-03 03:40 to 2018-08-03 05:09" in html(app)


def test_the_stretch_and_the_channels_come_from_the_address(open_page: Open, insight: AlertStore) -> None:
    stretch = {"from": "2018-08-02T00:00", "to": "2018-08-04T00:00"}
    app = open_page(insight, SERIES, series="1", channels="2,0,99,x", **stretch)
    [figure] = figures(app)
    assert [annotation["text"] for annotation in figure["layout"]["annotations"]] == [
        "bearing temperature", "vibration", "surprise"]
    assert figure["layout"]["xaxis"]["range"][0].startswith("2018-08-02")
    next(button for button in app.button if button.label == "Whole series").click().run()
    assert "from" not in app.query_params
    assert not app.exception


@pytest.mark.parametrize("parameters", [
    {"series": "99"}, {"series": "x"}, {"alert": "none"}, {"from": "soon", "to": "later"}, {"channels": "77"},
    {"from": "2018-08-04T00:00", "to": "2018-08-02T00:00"}, {"run": "run-newest"},
])
def test_the_series_survive_an_address_that_means_nothing(
    open_page: Open, insight: AlertStore, parameters: dict[str, str]
) -> None:
    app = open_page(insight, SERIES, **parameters)
    assert not app.exception
    assert len(figures(app)) == 1


def test_a_verdict_on_a_span_is_kept(open_page: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_store(tmp_path_factory.mktemp("span") / "alerts.sqlite") as store:
        fill_series(store)
        alert_id = span_of(store, "pump 7")
        app = open_page(store, SERIES, alert=alert_id)
        app.text_area[0].set_value("Sensor <b>replaced</b>")
        next(button for button in app.button if button.label == "Legitimate").click().run()
        assert not app.exception
        [given] = [one for one in store.verdicts() if one.alert_id == alert_id]
        assert (given.verdict, given.note) == ("legitimate", "Sensor <b>replaced</b>")
        assert "verdict legitimate" in html(app)


def test_a_viewer_reads_a_span_but_does_not_decide(
    open_page: Open, insight: AlertStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOMALY_CL_ROLE", "viewer")
    alert_id = span_of(insight, "pump 7")
    app = open_page(insight, SERIES, alert=alert_id)
    given = [button for button in app.button if button.label in ("Fraud", "Legitimate", "Unsure")]
    assert len(given) == 3
    assert all(button.disabled for button in given)
    assert "needs the role analyst or admin" in captions(app)
    with pytest.raises(Forbidden):
        decisions.decide(insight, Actor("v"), [alert_id], "fraud", reason="", note="", versions={})


def test_the_model_page_tells_what_a_score_means_and_what_is_typical(open_page: Open, insight: AlertStore) -> None:
    app = open_page(insight, MODEL_PAGE, model=MODEL)
    shown = html(app)
    curve, history = figures(app)
    assert curve["layout"]["yaxis"]["type"] == "log"
    assert len(history["data"][0]["x"]) == 24
    for text in ("Corner Grocery", "mahalanobis", "simclr", "online &lt;i&gt;shop&lt;/i&gt;", "small amounts"):
        assert text in shown


def test_a_model_without_facts_is_shown_with_its_runs(open_page: Open, insight: AlertStore) -> None:
    app = open_page(insight, MODEL_PAGE, model=SERIES_MODEL)
    assert "the store keeps its runs only" in html(app)
    assert not figures(app)


@pytest.mark.parametrize(("page", "said"), [
    (MAP, "No run has a map"), (SERIES, "No run has a series"), (MODEL_PAGE, "the store keeps its runs only"),
])
def test_a_store_of_runs_alone_says_what_is_missing(open_page: Open, small: AlertStore, page: str, said: str) -> None:
    assert said in html(open_page(small, page))


def everything_told(app: AppTest) -> str:
    """All that the server sent to the browser, in one text."""
    sent = [element.proto.SerializeToString() for element in _elements(app._tree)]
    return b"\n".join(sent).decode("utf-8", "replace")


def _elements(node: Any) -> Iterator[Any]:
    for child in getattr(node, "children", {}).values():
        yield from _elements(child)
        if getattr(child, "proto", None) is not None:
            yield child


@pytest.fixture
def private(insight: AlertStore) -> Iterator[AlertStore]:
    """The same, while columns that name or measure are private."""
    columns = {"run-newest": ["customer", "amount", "transaction"], "run-older": ["customer"],
               SERIES_RUN: ["pump", "flow"]}
    with Session(insight.engine) as session, session.begin():
        for run_id, names in columns.items():
            session.get_one(Run, run_id).private = names
    yield insight
    with Session(insight.engine) as session, session.begin():
        for run_id in columns:
            session.get_one(Run, run_id).private = []


@pytest.mark.parametrize("page", PAGES)
def test_no_page_sends_a_private_value_to_a_viewer(
    open_page: Open, private: AlertStore, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    with Session(private.engine) as session:
        alerts = session.query(Alert).all()
        secrets = {str(alert.record[name]) for alert in alerts for name in ("customer", "transaction")
                   if name in alert.record}
        secrets |= {f"{alert.amount:,.2f}" for alert in alerts if alert.amount and alert.amount > 1_000}
        secrets |= {str(alert.entity) for alert in alerts if alert.entity_column == "pump"}
    parameters = {MAP: {"box": "-99,-99,99,99"}, SERIES: {"alert": span_of(private, "pump <b>")}}.get(page, {})
    seen = everything_told(open_page(private, page, **parameters))
    if page in ("page_queue.py", "page_case.py", MAP, SERIES):
        assert any(secret in seen for secret in secrets)  # who may see them does
    monkeypatch.setenv("ANOMALY_CL_ROLE", "viewer")
    app = open_page(private, page, **parameters)
    assert not app.exception
    told = everything_told(app)
    assert not [secret for secret in secrets if secret in told]


def test_hostile_names_of_runs_and_series_are_text(open_page: Open, insight: AlertStore) -> None:
    app = open_page(insight, SERIES, alert=span_of(insight, "pump <b>"))
    assert "<b>" not in html(app).replace("<b>2018", "")
    assert not any("pump <b>" in json.dumps(figure) for figure in figures(app))
    shown = open_page(insight, MODEL_PAGE, model=MODEL)
    assert "<i>" not in html(shown)
    assert not any(HOSTILE_BOLD in text for text in (captions(shown), *(one.value for one in shown.markdown)))
