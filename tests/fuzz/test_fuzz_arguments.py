"""What stands beside an input: conditions, policies, columns to keep, files of roles and secrets."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from anomaly_cl.cli.dashboard_access import Access
from anomaly_cl.detectors.policies import scored_rows
from anomaly_cl.errors import PolicyWarning
from anomaly_cl.table import filter as row_filter
from anomaly_cl.table.read import open_rows
from tests.fuzz.damage import damaged
from tests.fuzz.odd_tables import odd_table
from tests.fuzz.odd_text import CELLS, NAMES
from tests.fuzz.odd_values import changed
from tests.fuzz.records import SCHEMA, payments
from tests.fuzz.running import keeping_secret
from tests.fuzz.test_fuzz_schema import BOMBS

TERMS = (
    "amount", "count", "country", '"when"', "note", "id", "AMOUNT", "nowhere", '"a""b"', "rows.amount", "1", "-1e308",
    "'x'", "NULL", "TRUE",
    "DATE '2026-03-29'", "TIMESTAMP '2026-03-29 02:30:00'", "INTERVAL 1 DAY", "[1, 2]", "{'a': 1}", "1e400", "9" * 60,
    "'" + "x" * 5_000 + "'",
    "(SELECT 1)", "count(*)", "sum(amount) OVER ()", "row_number() OVER ()", "random()", "now()", "rowid", "*",
    "COLUMNS(*)", "?", "$1", "x -> x",
    "current_setting('threads')", "read_text('/etc/passwd')", "getenv('HOME')", "nextval('s')", "error('no')",
    "unnest([1])", "range(3)",
    "CAST(note AS INTEGER)", "amount::DATE", "TRY_CAST(note AS DOUBLE)", "1 / 0", "sqrt(-1)", "ln(0)",
    "regexp_matches(note, '(')", "'é'", "'\U0001f600'",
    "repeat('x', 100)", "list_sum(range(100000000000))", "printf('%s', note)", "chr(0)", "strptime(note, '%Q')",
    "lag(amount)",
)
JOINS = (" = ", " <> ", " < ", " >= ", " AND ", " OR ", " + ", " || ", " IN ", " LIKE ", " BETWEEN 1 AND ",
    " IS NOT DISTINCT FROM ", " IS NULL AND ",
         "; ", " -- ", " /* ", ", ", " UNION SELECT ", ") OR (", " % ", " ~ ", "::", " COLLATE nocase = ", "\n", "\0",
         " NOT ", " ^ ", " << ")
POLICY_VALUES = ("", "0.01", "0.5", "1", "0", "-1", "nan", "inf", "1e-400", "1e308", "1e999", "0x1", "1_0", "٠.٥",
    "10", "1" + "0" * 30, "9" * 5_000, "1:50",
                 "0:0", "1:0", "-1:5", "nan:1", "1e308:1e-308", "1:2:3", ":", "a:b", "100/day", "3/hour", "0/day",
                 "1e3/day", "5/segment", "7/year", "5/", "/day",
                 "0.05,arbitrary", "0.05,tail", "0.05,share=0.1", "0.05,share=nan", "0.05,share",
                 "0.05,arbitrary,arbitrary", "1:50,prior=0.001",
                 "1:50,prior=2", "1:50,prior=", "0.05,,", "0.05,=1", " 0.05 ", "\0", "é", "0.05,x=1")


def _condition(rng: np.random.Generator) -> str:
    draw = rng.random()
    if draw < 0.02:
        return str(rng.choice(["(" * 3_000 + "1" + ")" * 3_000, "NOT " * 5_000 + "true",
            "amount > 0" + " AND amount > 0" * 3_000,
                               "amount IN (" + ", ".join(map(str, range(20_000))) + ")", "x" * 100_000,
                               "-" * 4_000 + "1 > 0"]))
    parts = [TERMS[rng.integers(len(TERMS))]]
    for _ in range(int(rng.integers(4))):
        parts += [JOINS[rng.integers(len(JOINS))], TERMS[rng.integers(len(TERMS))]]
    text = "".join(parts)
    return text if draw < 0.9 else damaged(text.encode(), rng).decode("utf-8", "replace")


@pytest.mark.parametrize("part", [0, 1])
def test_conditions_filter_rows_or_are_refused(cases, part, monkeypatch):
    monkeypatch.setattr(row_filter, "LONGEST_SECONDS", 0.5)
    table = payments(5)

    def act(rng, _folder):
        stream = open_rows(table, SCHEMA, where=_condition(rng))
        kept = [batch.row_numbers for batch in stream]
        assert stream.rows_read == 5 == stream.rows_filtered_out + sum(map(len, kept))

    cases.run("Condition", 100, act)


def test_conditions_on_odd_columns_filter_rows_or_are_refused(cases):
    def act(rng, _folder):
        table = odd_table(rng)
        name = str(rng.choice(table.column_names)).replace('"', '""')
        list(open_rows(table, SCHEMA, where=f'"{name}" {rng.choice(["IS NOT NULL", "> 0", "= note", "IN (1, 2)"])}'))

    cases.run("Condition on odd columns", 80, act)


def test_policies_choose_among_rows_or_are_refused(cases, detector):
    table = open_rows(payments(40), SCHEMA)
    rows = next(iter(table)).rows
    scores = detector.score_table(rows)
    read = scored_rows(scores, rows, SCHEMA, detector.calibration_.n_rows_)

    def act(rng, _folder):
        name = str(rng.choice(["alpha", "fdr", "budget", "cost", "ALPHA ", "beta", ""]))
        text = f"{name}{rng.choice(['=', '=', '=', '', '==', ':'])}{POLICY_VALUES[rng.integers(len(POLICY_VALUES))]}"
        if rng.random() < 0.1:
            text = damaged(text.encode(), rng).decode("utf-8", "replace")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            policy = detector.resolve_policy(text, int(rng.choice([0, 40, 10**9])))
        mask = policy.alerts(read)
        assert mask.dtype == bool
        assert len(mask) == len(rows)
        assert not (mask & ~policy.may_alert(read)).any()
        policy.cut(read)
        policy.in_words()

    cases.run("Policy", 900, act)


def _roles() -> Any:
    return importlib.import_module("access").Roles  # of the dashboard, whose folder is on the path


def test_roles_files_are_used_or_refused(cases):
    roles, whole = _roles(), {"default": "viewer", "users": {"ann@example.org": "admin", "bob": "analyst"},
                              "private": ["admin", "analyst"]}

    def act(rng, folder):
        path = folder / "roles.yaml"
        text = yaml.safe_dump(changed(whole, rng), allow_unicode=True).encode()
        path.write_bytes(text if rng.random() < 0.7 else damaged(text, rng))
        _let_in(roles, path)

    cases.run("Roles file", 250, act)
    texts = {name: text.replace("columns:", "users:") for name, text in BOMBS.items()}
    cases.run_each("Roles file", texts, lambda text, folder: _let_in(roles, _file(folder / "roles.yaml", text)))


def _let_in(roles: Any, path: Path) -> None:
    read = roles.read(path)
    if read.default is not None:
        read.actor("somebody")


def _file(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def test_secrets_files_are_used_or_refused_without_their_secrets(cases):
    secret = "0123456789abcdef0123456789abcdef"
    whole = (f'[auth]\nredirect_uri = "https://alerts.example.org/oauth2callback"\ncookie_secret = "{secret}"\n'
             f'client_id = "x"\nclient_secret = "{secret}"\nserver_metadata_url = "https://id.example.org/m"\n').encode()
    odd = ("[auth]\nredirect_uri = 1", "[[auth]]\nx = 1", "auth = 3",
        "[auth]\nredirect_uri = 'http://[::1/oauth2callback'",
           "[auth]\nredirect_uri = 'https://x:port/oauth2callback'", "", "[auth", "a = " + "[" * 2_000,
           "[" + "a." * 3_000 + "b]")

    def act(rng, folder):
        data = damaged(whole, rng) if rng.random() < 0.8 else odd[rng.integers(len(odd))].encode()
        (folder / "secrets.toml").write_bytes(data)
        _file(folder / "roles.yaml", "default: viewer\n")
        access = Access(folder / "roles.yaml", None, folder / "secrets.toml", "0.0.0.0")
        with keeping_secret(secret):
            access.options()
            access.shown_at(8501)

    cases.run("Secrets file", 250, act)


def test_columns_to_keep_are_kept_or_refused(cases, detector):
    from anomaly_cl.batch.outputs import scored_schema

    def act(rng, _folder):
        table = odd_table(rng)
        keep = [str(rng.choice([*NAMES, *CELLS, *table.column_names])) for _ in range(int(rng.integers(1, 4)))]
        final = scored_schema(open_rows(table, SCHEMA).arrow_schema, detector.schema_, keep)
        assert set(keep) <= set(final.names)

    cases.run("Columns to keep", 80, act)
