"""anomaly-cl score"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anomaly_cl.cli.events import say_history
from anomaly_cl.cli.options import History, HistoryWhere, Inputs, Json, Store, Where
from anomaly_cl.cli.score_spark import Engine, require_engine, score_by_spark
from anomaly_cl.cli.screen import note, policy_warnings, progress, say, say_json
from anomaly_cl.errors import UsageError


def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder.")],
    inputs: Inputs,
    out: Annotated[str, typer.Option(
        metavar="FILE", help="Scored file to write, ending in .parquet; a folder, or a URI of one, with Spark.")],
    where: Where = None,
    history: History = None,
    history_where: HistoryWhere = None,
    verdicts: Annotated[Path | None, typer.Option(
        metavar="FILE", show_default=False, help="What was found of earlier records, for a model made by confirm; "
        "three columns: key, fraud or legitimate, when that was known.")] = None,
    verdicts_of: Annotated[str | None, typer.Option(
        metavar="URL", show_default=False, help="Take the verdicts of this alert store instead, if it has some.",
    )] = None,
    keep: Annotated[list[str] | None, typer.Option(
        metavar="COLUMN", help="Column to carry over into the scored file. Repeatable.")] = None,
    alerts_at: Annotated[str | None, typer.Option(
        metavar="POLICY", show_default="alpha=0.01",
        help="alpha=RATE (share of normal rows alerted), fdr=LEVEL[,arbitrary][,tail][,share=RATE] (share of alerts "
             "that are false), budget=N[/hour|/day|/week|/segment], or cost=FALSE_ALARM:MISSED[,prior=RATE].",
    )] = None,
    store: Store = None,
    amount: Annotated[str | None, typer.Option(
        metavar="COLUMN", show_default="the first number whose name says so",
        help="For --store: column of what is at stake in a record.")] = None,
    explain: Annotated[int | None, typer.Option(
        metavar="N", min=0, show_default="1000",
        help="For --store: how many alerts, the riskiest, are explained in full; see explain.")] = None,
    plane: Annotated[str | None, typer.Option(
        "--map", metavar="pca|umap", show_default="pca",
        help="For --store: how alerts are drawn among normal rows; umap takes longer, and needs the extra umap.",
    )] = None,
    batch_rows: Annotated[int, typer.Option(metavar="N", help="Rows read at once.")] = 65_536,
    resume: Annotated[bool, typer.Option(
        "--resume", help="Go on where a killed or failed run of the same arguments was; from the start where there was "
        "none.")] = False,
    engine: Annotated[Engine, typer.Option(
        help="Where to score: on this machine, or by Spark, which reads and writes s3a:// and the like too; needs the "
             "extra spark.")] = Engine.LOCAL,
    master: Annotated[str | None, typer.Option(
        metavar="URL", show_default="local[*]", help="For --engine spark: where it runs.")] = None,
    json: Json = False,
) -> None:
    """Score rows: a calibrated score, p-value and risk for each, with reasons for the alerts.

    Writes the scored file, and beside it `*.rejects.parquet` and `*.manifest.json`, which get their names when all is
    complete. A run that was killed can go on: give the same again with --resume.

    A model of events judges records against the past of their entities: give all earlier ones with --history. Records
    of INPUT are past of the later ones; those that --where leaves out are not read at all.

    So does a model of series with the steps before; it also writes `*.spans.parquet`, a row for each span of alerted
    steps, and each span is one alert in the store.

    Example: `anomaly-cl score model july.csv --out july.parquet --alerts-at alpha=0.001 --store alerts.sqlite`
    """
    from anomaly_cl.batch.investigation import Shown
    from anomaly_cl.batch.score import score_file
    from anomaly_cl.detectors.loading import load

    if verdicts is not None and verdicts_of is not None:
        raise UsageError("verdicts come from --verdicts or --verdicts-of", "both are given", "give one of them")
    asked: dict[str, Any] = {name: value for name, value in (("amount", amount), ("explain", explain), ("plane", plane))
             if value is not None}
    if asked and store is None:
        raise UsageError("--amount, --explain and --map are about what goes to a store", "there is no --store",
                         "give one, or leave them out")
    require_engine(engine, master, {"--store": store, "--verdicts": verdicts, "--verdicts-of": verdicts_of,
                                    "--resume": resume or None})
    if engine is Engine.SPARK:
        return _say(score_by_spark(model, inputs, out, where=where, history=history, history_where=history_where,
                                   keep=keep or [], policy=alerts_at, master=master), out, json)
    shown, detector = Shown(**asked), load(model)
    told: Any = verdicts
    if verdicts_of is not None:
        from anomaly_cl.alerts.confirmed import stored_verdicts

        table = stored_verdicts(verdicts_of)
        told = table if table.num_rows else None
    with policy_warnings(), progress("scoring") as done:
        manifest = score_file(detector, inputs, out, where=where, history=history or None, history_where=history_where,
                              verdicts=told, keep=keep or [], policy=alerts_at, store=store,
                              shown=shown, batch_rows=batch_rows, resume=resume, progress=done, notice=note)
    return _say(manifest, out, json)


def _say(manifest: dict[str, Any], out: str, json: bool) -> None:
    """What became of the rows."""
    from anomaly_cl.batch.outputs import spans_beside

    if json:
        return say_json(manifest)
    rows = manifest["rows"]
    say(f"read {rows['read']:,} rows: {rows['scored']:,} scored, {rows['filtered_out']:,} filtered out, "
        f"{rows['rejected']:,} rejected")
    if "history" in manifest:
        say_history(manifest["history"]["rows"])
    say(f"{manifest['alerts']:,} alerts at {manifest['policy']} in {out}{_expected(manifest['cut'])}")
    if "series" in manifest:
        say(f"{manifest['series']['spans']:,} spans of alerted steps in {spans_beside(Path(out))}")
    elif (drift := manifest.get("drift", {"verdict": "fine"}))["verdict"] != "fine":
        say(f"drift: {drift['sentence']}")
    if "stored" in manifest:
        say(f"{manifest['stored']['added']:,} alerts added to the store, {manifest['stored']['already_known']:,} known")
    return None


def _expected(cut: dict[str, Any]) -> str:
    """What a policy by cost expects of its choice."""
    if "expected_cost" not in cut:
        return ""
    return (f"\nabout {cut['expected_false_alarms']:,.0f} of them false, at an expected cost of "
            f"{cut['expected_cost']:,.0f} (without alerts {cut['cost_without_alerts']:,.0f}), taking a share of "
            f"{cut['prior']:.2g} to be anomalies")
