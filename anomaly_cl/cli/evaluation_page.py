"""An evaluation as one HTML page that needs no other file and no network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from anomaly_cl.cli.evaluation_figures import figures
from anomaly_cl.cli.judged import Judged
from anomaly_cl.cli.screen import shown

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222b33; background: #fff; max-width: 940px; margin: 32px auto;
       padding: 0 24px; }
h1 { font-size: 22px; overflow-wrap: anywhere; } h2 { font-size: 17px; margin: 36px 0 4px; }
.numbers { display: flex; flex-wrap: wrap; gap: 8px 48px; } .numbers h2 { margin-top: 16px; }
td, th { padding: 1px 24px 1px 0; text-align: left; overflow-wrap: anywhere; } th { font-weight: 600; }
td + td, th + th { text-align: right; font-variant-numeric: tabular-nums; }
"""
CONFIG = {"displaylogo": False, "responsive": True, "scrollZoom": False}


def page(title: str, judged: Judged) -> str:
    """The numbers as tables, then a figure for each curve; plotly's script comes with the first."""
    tables = {"Whole file": asdict(judged.whole), **judged.tables()}
    numbers = "".join(f"<div><h2>{html.escape(name)}</h2>{_table(pairs)}</div>" for name, pairs in (
        (name, [(key.replace("_", " "), shown(value)) for key, value in values.items()])
        for name, values in tables.items()))
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in judged.notes())
    drawn = "".join(
        f"<h2>{html.escape(heading)}</h2>"
        + figure.to_html(full_html=False, include_plotlyjs=number == 0, config=CONFIG, div_id=f"figure-{number}")
        for number, (heading, figure) in enumerate(figures(judged).items()))
    if judged.kinds is not None:
        numbers += f"<div><h2>Recall by kind</h2>{_table(judged.kind_rows(), judged.kind_headings())}</div>"
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f"<style>{STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n"
            f'<div class="numbers">{numbers}</div>{notes}\n{drawn}</body></html>\n')


def _table(rows: Iterable[Sequence[str]], headings: Sequence[str] = ()) -> str:
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"
