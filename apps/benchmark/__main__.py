"""The benchmark's command line: python -m apps.benchmark tabular --data DIR --out DIR"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anomaly_cl.errors import AnomalyCLError, UsageError
from apps.benchmark.guarantees.command import guarantees

if TYPE_CHECKING:
    from apps.benchmark.results import Job, Result

LISTS = ("--seeds", "--only", "--models", "--contaminate", "--counts", "--thresholders", "--weeks", "--methods",
         "--rows", "--columns", "--large", "--model", "--peers", "--sizes")
KeyColumn = Annotated[str, typer.Option("--key", metavar="COLUMN", help="Names the transaction.")]
TimeColumn = Annotated[str, typer.Option("--time", metavar="COLUMN", help="When it happened.")]
CustomerColumn = Annotated[str, typer.Option("--customer", metavar="COLUMN", help="Whose card it was.")]
TerminalColumn = Annotated[str, typer.Option("--terminal", metavar="COLUMN", help="Where it happened.")]
AmountColumn = Annotated[str, typer.Option("--amount", metavar="COLUMN", help="How much was paid.")]
FraudColumn = Annotated[str, typer.Option("--fraud", metavar="COLUMN", help="1 = fraud, 0 = genuine.")]
KindColumn = Annotated[str, typer.Option("--kind", metavar="COLUMN", help="The kind of fraud, 0 = none.")]
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(guarantees, name="guarantees")


@app.callback()
def benchmark() -> None:
    """Measure our detector, its ablations and its peers on the same splits of the same data."""


@app.command()
def tabular(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of <number>_<name>.npz with X and y.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of splits and models.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="SET ...", help="These data sets only.")] = None,
    models: Annotated[list[str] | None, typer.Option(metavar="NAME ...", help="These models only.")] = None,
    contaminate: Annotated[list[float] | None, typer.Option(
        metavar="SHARE ...", help="Also train ours, KNN and IForest with this share of anomalies.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Worker processes, one thread each.")] = 2,
    limit: Annotated[float, typer.Option(metavar="SECONDS", help="Longest that one run may take.")] = 3600,
    again: Annotated[bool, typer.Option("--again", help="Repeat failed runs and those of a changed program.")] = False,
) -> None:
    """One-class detection on tables: fit on normal rows, rank unseen normal rows below anomalies.

    Example: `python -m apps.benchmark tabular --data adbench --out results --seeds 0 1 2 --models ours KNN-1`
    """
    from apps.benchmark.data import find_sets
    from apps.benchmark.models import choose
    from apps.benchmark.report import write_report
    from apps.benchmark.run import jobs as plan

    planned = list(plan(find_sets(data, only), choose(models), sorted(set(seeds or [0, 1, 2])),
                        contaminate or ()))
    try:
        _run(planned, out, jobs, limit, again=again)
    finally:  # a run that is stopped has a report of what it did
        if any(job.file(out).exists() for job in planned):
            write_report(out)
            typer.echo(f"report: {out / 'table.md'}")


@app.command()
def labels(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of <number>_<name>.npz with X and y.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of splits and models.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="SET ...", help="These data sets only.")] = None,
    models: Annotated[list[str] | None, typer.Option(metavar="NAME ...", help="These models only.")] = None,
    counts: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Numbers of confirmed anomalies.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Worker processes, one thread each.")] = 2,
    limit: Annotated[float, typer.Option(metavar="SECONDS", help="Longest that one run may take.")] = 3600,
    again: Annotated[bool, typer.Option("--again", help="Repeat failed runs and those of a changed program.")] = False,
) -> None:
    """Few labels: our detector refined by confirmed anomalies, DevNet and LightGBM, on the same rows.

    Half of the anomalies of a set are never tested; the confirmed ones are drawn from them.

    Example: `python -m apps.benchmark labels --data adbench --out results --counts 5 20`
    """
    from apps.benchmark.data import find_sets
    from apps.benchmark.labels import COUNTS, label_jobs, write_label_report

    planned = label_jobs(find_sets(data, only), sorted(set(seeds or [0])), sorted(set(counts or COUNTS)), models)
    _run(planned, out, jobs, limit, again=again)
    write_label_report(out)
    typer.echo(f"report: {out / 'labels.md'}")


def _run(planned: Sequence[Job], out: Path, n_workers: int, limit: float, *, again: bool) -> None:
    """Do the jobs that are not done, and tell of each."""
    from apps.benchmark.run import is_done, run

    open_jobs = [job for job in planned if not is_done(job, out, again=again)]
    typer.echo(f"{len(planned)} runs, {len(planned) - len(open_jobs)} of them done before")
    done = 0

    def tell(job: Job, result: Result) -> None:
        nonlocal done
        done += 1
        outcome = result.error or (f"AUC-ROC {result.auc_roc:6.2f}  AUC-PR {result.auc_pr:6.2f}  "
                                   f"fit {result.fit_seconds:.2f} s  score {result.score_seconds:.2f} s")
        unclean = "" if job.share is None else f" unclean {job.share:g}"
        typer.echo(f"[{done}/{len(open_jobs)}] {job.data.stem} {job.name} seed {job.seed}{unclean}: {outcome}")

    run(open_jobs, out, n_workers, limit, tell)


@app.command()
def thresholds(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")],
    runs: Annotated[int, typer.Option(metavar="N", min=2, help="Runs of each case.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the simulation.")] = 0,
) -> None:
    """False alerts and found anomalies of each policy and of contamination quantiles, on simulated scores.

    Example: `python -m apps.benchmark thresholds --out results`
    """
    from apps.benchmark.thresholds import write_report

    write_report(out, runs, seed)
    typer.echo(f"report: {out / 'thresholds.md'}")


@app.command()
def false_alarms(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of <number>_<name>.npz with X and y.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of splits and models.")] = None,
    largest: Annotated[int, typer.Option(metavar="N", min=1, help="The data sets of the most rows.")] = 10,
    pythresh: Annotated[bool, typer.Option("--pythresh/--no-pythresh", help="Compare with pythresh.")] = True,
    thresholders: Annotated[list[str] | None, typer.Option(
        metavar="NAME ...", help="These thresholders of pythresh only.")] = None,
) -> None:
    """False alarms of our policies, contamination quantiles and pythresh's thresholders, on the same scores.

    Example: `python -m apps.benchmark false-alarms --data adbench --out results --seeds 0 1 2`
    """
    from apps.benchmark import false_alarms, false_alarms_report
    from apps.benchmark.data import find_sets
    from apps.benchmark.peers.thresholders import thresholders as choose

    makers = choose(thresholders) if pythresh else {}
    sets = false_alarms.largest(find_sets(data), largest)
    frame = false_alarms.measure(sets, sorted(set(seeds or [0, 1, 2])), makers, out, typer.echo)
    typer.echo(f"report: {false_alarms_report.write_report(frame, out)}")


@app.command()
def events(
    data: Annotated[Path, typer.Option(metavar="FILE", help="Parquet file of card transactions with labels.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    weeks: Annotated[list[str] | None, typer.Option(metavar="DATE ...", help="First days of training weeks.")] = None,
    models: Annotated[list[str] | None, typer.Option(metavar="NAME ...", help="These models only.")] = None,
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of the models.")] = None,
    key: KeyColumn = "TRANSACTION_ID", time: TimeColumn = "TX_DATETIME", customer: CustomerColumn = "CUSTOMER_ID",
    terminal: TerminalColumn = "TERMINAL_ID", amount: AmountColumn = "TX_AMOUNT", fraud: FraudColumn = "TX_FRAUD",
    kind: KindColumn = "TX_FRAUD_SCENARIO",
    limit: Annotated[float, typer.Option(metavar="SECONDS", help="Longest that one run may take.")] = 3600,
    again: Annotated[bool, typer.Option("--again", help="Repeat failed runs and those of a changed program.")] = False,
) -> None:
    """Card fraud by the fraud handbook's protocol: a week to train, 7 days of delay, a week to test.

    Example: `python -m apps.benchmark events --data transactions.parquet --out results --models ours KNN-AMT5`
    """
    from apps.benchmark.events.command import measure_events
    from apps.benchmark.events.protocol import Names

    names = Names(key, time, customer, terminal, amount, fraud, kind)
    typer.echo(f"report: {measure_events(data, names, out, weeks, models, seeds, limit, typer.echo, again=again)}")


@app.command()
def history(
    data: Annotated[Path, typer.Option(metavar="FILE", help="Parquet file of card transactions with labels.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results, as of `events`.")],
    key: KeyColumn = "TRANSACTION_ID", time: TimeColumn = "TX_DATETIME", customer: CustomerColumn = "CUSTOMER_ID",
    terminal: TerminalColumn = "TERMINAL_ID", amount: AmountColumn = "TX_AMOUNT", fraud: FraudColumn = "TX_FRAUD",
    kind: KindColumn = "TX_FRAUD_SCENARIO",
) -> None:
    """Seconds and memory of all history columns of all transactions, in a new process of two threads.

    Example: `python -m apps.benchmark history --data transactions.parquet --out results`
    """
    from apps.benchmark.events.command import keep_history
    from apps.benchmark.events.protocol import Names

    cost = keep_history(data, Names(key, time, customer, terminal, amount, fraud, kind), out)
    typer.echo(cost.in_words())


@app.command()
def series(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of .npz with values, labels and train_end.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    models: Annotated[list[str] | None, typer.Option(metavar="NAME ...", help="These models only.")] = None,
    only: Annotated[list[str] | None, typer.Option(
        metavar="TEXT ...", help="Only series with one of these in their names.")] = None,
    published: Annotated[Path | None, typer.Option(
        metavar="CSV", help="Published VUS-PR: columns series and one a method.")] = None,
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of the models.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Worker processes, one thread each.")] = 1,
    limit: Annotated[float, typer.Option(metavar="SECONDS", help="Longest that one run may take.")] = 3600,
    again: Annotated[bool, typer.Option("--again", help="Repeat failed runs and those of a changed program.")] = False,
) -> None:
    """Anomalies in series by TSB-AD's protocol: fit on the normal prefix, score every step, VUS-PR first.

    Example: `python -m apps.benchmark series --data univariate --out results --published published.csv --seeds 0 1 2`
    """
    from apps.benchmark.series.command import Asked, measure_series

    asked = Asked(only, models, sorted(set(seeds or [0])), published, jobs, limit, again)
    typer.echo(f"report: {measure_series(data, out, asked, typer.echo)}")


@app.command()
def explanations(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of <number>_<name>.npz with X and y.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    only: Annotated[list[str] | None, typer.Option(metavar="SET ...", help="These data sets only.")] = None,
    methods: Annotated[list[str] | None, typer.Option(metavar="NAME ...", help="These methods only.")] = None,
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of rows and models.")] = None,
) -> None:
    """Which columns made a row strange: anomalies planted in known columns, ours beside SHAP, ECOD and |z|.

    KernelSHAP, which takes minutes a data set, explains one row of each kind and number of columns of the first seed.

    Example: `python -m apps.benchmark explanations --data adbench --out results --seeds 0 1 2`
    """
    from apps.benchmark.explanations.command import measure_explanations

    asked = sorted(set(seeds or [0]))
    typer.echo(f"report: {measure_explanations(data, out, only, methods, asked, typer.echo)}")


@app.command()
def channels(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of simulated plants.")] = None,
    machines: Annotated[int, typer.Option(metavar="N", min=1, help="Machines of a plant.")] = 4,
    channels: Annotated[int, typer.Option(metavar="N", min=1, help="Channels of a machine.")] = 6,
    days: Annotated[int, typer.Option(metavar="N", min=1, help="Days to watch, after 30 normal ones.")] = 120,
) -> None:
    """Which channel made a series strange: simulated anomalies of machines in known channels, ours beside |z|.

    Example: `python -m apps.benchmark channels --out results --seeds 0 1 2`
    """
    from apps.benchmark.explanations.channels import measure
    from apps.benchmark.explanations.channels_report import write_channels
    from apps.benchmark.guarantees.span_kinds import Plant

    frame = measure(Plant(machines, channels, watched_days=days), sorted(set(seeds or [0])), out, typer.echo)
    typer.echo(f"report: {write_channels(frame, channels, out)}")


@app.command()
def speed(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    rows: Annotated[list[int] | None, typer.Option(metavar="N ...", min=1, help="Rows that are scored.")] = None,
    columns: Annotated[list[int] | None, typer.Option(
        metavar="N ...", min=5, show_default="25", help="Columns; a fifth are categorical.")] = None,
    large: Annotated[list[int] | None, typer.Option(
        metavar="N ...", min=1, help="Instead: memory and rows/s of scoring so many rows of 25 columns.")] = None,
    model: Annotated[list[str] | None, typer.Option(
        metavar="NAME ...", help="Settings of ours: default, fast.")] = None,
    settings: Annotated[str | None, typer.Option(
        metavar="JSON", help="Other settings of ours, as of TabularDetector.")] = None,
    peers: Annotated[list[str] | None, typer.Option(metavar="NAME ...", help="These peers only.")] = None,
    repeat: Annotated[int, typer.Option(metavar="N", min=1, help="How often each scoring is measured.")] = 3,
    alerts_at: Annotated[str | None, typer.Option(
        metavar="POLICY", show_default="alpha=0.01", help="How ours cuts alerts, as of `anomaly-cl score`.")] = None,
    data_dir: Annotated[Path | None, typer.Option(
        metavar="DIR", show_default="OUT/data", help="Folder of the simulated rows, which are kept.")] = None,
    cores: Annotated[int, typer.Option(metavar="N", min=1, help="Cores that the processes may use.")] = 2,
) -> None:
    """Rows a second and peak memory of scoring and fitting, beside PyOD's IForest, ECOD and KNN, on the same rows.

    Example: `python -m apps.benchmark speed --out results --rows 10000 100000 1000000 --columns 10 50 200`

    Example: `python -m apps.benchmark speed --out results --large 1000000 5000000 20000000 --model fast --repeat 1`
    """
    from apps.benchmark.speed import contenders
    from apps.benchmark.speed.command import Place, measure_speed
    from apps.benchmark.speed.plan import Asked

    if large and (rows or columns):
        raise UsageError("--large takes the place of --rows and --columns", "both are given", "give one of them")
    asked = Asked(large or rows or [10_000, 100_000, 1_000_000], columns or (), contenders.ours(model, settings),
                  contenders.peers(peers), repeat, large=bool(large))
    place = Place(out, data_dir or out / "data", alerts_at)
    typer.echo(f"report: {measure_speed(asked, place, cores, typer.echo)}")


@app.command()
def coreset(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of <number>_<name>.npz with X and y.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    seeds: Annotated[list[int] | None, typer.Option(metavar="N ...", help="Seeds of splits and models.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="SET ...", help="These data sets only.")] = None,
    models: Annotated[list[str] | None, typer.Option(
        metavar="NAME ...", help="These models only: fast, KNN-5, exact.")] = None,
    rows: Annotated[int, typer.Option(metavar="N", min=200, help="Training rows at most.")] = 20_000,
    sizes: Annotated[list[int] | None, typer.Option(
        metavar="N ...", min=100, show_default="1024 2048 4096 8192 20000", help="Normal rows that are kept.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Worker processes, one thread each.")] = 2,
    limit: Annotated[float, typer.Option(metavar="SECONDS", help="Longest that one run may take.")] = 3600,
    again: Annotated[bool, typer.Option("--again", help="Repeat failed runs and those of a changed program.")] = False,
) -> None:
    """What it costs to measure distances to a part of the normal rows: the fast search and kNN by size of the bank.

    Only data sets of 0.6 normal rows to each of --rows take part.

    Example: `python -m apps.benchmark coreset --data adbench --out results --sizes 1024 4096 20000`
    """
    from apps.benchmark.coreset import SIZES, coreset_jobs, large_sets
    from apps.benchmark.coreset_report import write_coreset_report
    from apps.benchmark.data import find_sets

    planned = coreset_jobs(large_sets(find_sets(data, only), rows), sorted(set(seeds or [0])), rows,
                           sorted(set(sizes or SIZES)), models)
    try:
        _run(planned, out, jobs, limit, again=again)
    finally:  # a run that is stopped has a report of what it did
        if any(job.file(out).exists() for job in planned):
            typer.echo(f"report: {write_coreset_report(planned, out)}")


@app.command()
def tails(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the result, tails.md.")],
    rows: Annotated[int, typer.Option(metavar="N", min=100, help="Calibration rows.")] = 5000,
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Samples of each distribution.")] = 200,
) -> None:
    """Extrapolated p-values beyond the calibration rows, against distributions whose tails are known.

    Example: `python -m apps.benchmark tails --out results`
    """
    from apps.benchmark.tails import write_tails

    typer.echo(f"report: {write_tails(out, rows, runs, typer.echo)}")


@app.command()
def dashboard(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the store, some GB, and of the report.")],
    alerts: Annotated[int, typer.Option(metavar="N", min=10_000, help="Alerts of the store.")] = 1_000_000,
    plans: Annotated[bool, typer.Option("--plans", help="Say how SQLite answers each slow query.")] = False,
) -> None:
    """Server time of each page of the dashboard, of its queries and of writes, on a store of many alerts.

    Example: `python -m apps.benchmark dashboard --alerts 1000000 --out results`
    """
    from apps.benchmark.dashboard.command import measure_dashboard

    typer.echo(f"report: {measure_dashboard(out, alerts, typer.echo, plans=plans)}")


@app.command()
def kills(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; what is in it is not run again.")],
    kills: Annotated[int, typer.Option(
        metavar="N", min=1, help="Killed runs that score, and as many that write to each store.")] = 100,
    rows: Annotated[int, typer.Option(metavar="N", min=1000, help="Rows of the input.")] = 1_500,
    cost_rows: Annotated[int, typer.Option(metavar="N", min=1000, help="Rows to measure the cost on.")] = 300_000,
    server: Annotated[str | None, typer.Option(
        metavar="URL", help="Also kill runs that write to PostgreSQL: any database of a server, on which others are "
        "made and dropped.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the moments.")] = 0,
) -> None:
    """Kill runs of `anomaly-cl score` at random moments, go on with each, and compare with one that nothing stopped.

    Example: `python -m apps.benchmark kills --kills 100 --out results`
    """
    from apps.benchmark.kills.command import measure_kills

    typer.echo(f"report: {measure_kills(out, kills, rows, cost_rows, server, seed, typer.echo)}")


def spread(arguments: Sequence[str], lists: Sequence[str] = LISTS) -> list[str]:
    """Name a list's option before each of its values, as click wants it.

    >>> spread(["tabular", "--seeds", "0", "1", "--jobs", "2"])
    ['tabular', '--seeds', '0', '--seeds', '1', '--jobs', '2']
    """
    spread_out: list[str] = []
    current = None
    for argument in arguments:
        if argument.startswith("--"):
            current = argument if argument in lists else None
            spread_out += [] if current else [argument]
        else:
            spread_out += [current, argument] if current else [argument]
    return spread_out


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors of the user's making end it with their exit code."""
    try:
        app(spread(sys.argv[1:] if arguments is None else arguments))
    except AnomalyCLError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from error


if __name__ == "__main__":
    main()
