"""Commands as users type them, on odd files and arguments: an exit code and words, never a traceback or silence."""

from __future__ import annotations

import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from anomaly_cl.cli import main
from anomaly_cl.errors import AnomalyCLError, InputError, ModelError, UsageError
from tests.fuzz.damage import damaged
from tests.fuzz.odd_tables import as_arrow, as_parquet, odd_table
from tests.fuzz.odd_text import NAMES, written
from tests.fuzz.odd_values import changed
from tests.fuzz.records import SCHEMA, payments
from tests.fuzz.test_fuzz_arguments import JOINS, POLICY_VALUES, TERMS
from tests.fuzz.test_fuzz_schema import BOMBS

ERRORS: dict[int, type[AnomalyCLError]] = {2: UsageError, 3: InputError, 4: ModelError}


def command(*words: object) -> str:
    """What the command prints; raises the error of its exit code after checking how it was told."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["anomaly-cl", *map(str, words)]
    code: Any = None
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = before
    said = err.getvalue()
    assert "Traceback" not in said, said
    if code == 0:
        return out.getvalue()
    assert code in ERRORS, f"exit code {code}: {said}"
    assert len(said.strip()) > 10, "the error is silent"
    raise ERRORS[code]("told", said[-2_000:], "see above")


def _input(rng: np.random.Generator, folder: Path) -> Path:
    """A file that is sound, odd or damaged."""
    name = str(rng.choice(["input.csv", "input.csv.gz", "input.parquet", "input.arrow", "input", "input.xlsx"]))
    path = folder / name
    shutil.rmtree(path, ignore_errors=True)
    draw = rng.random()
    table = odd_table(rng) if draw < 0.4 else payments(12)
    try:
        data = as_parquet(table, rng) if "parquet" in name else as_arrow(table,
            rng) if "arrow" in name else written(rng).data
    except Exception:
        data = as_parquet(payments(3), rng)
    path.write_bytes(damaged(data, rng) if 0.4 < draw < 0.6 else data)
    if draw > 0.97:
        path.unlink()
    return path


@pytest.mark.parametrize("part", [0, 1])
def test_score_ends_in_a_whole_scored_file_or_in_an_error(cases, model, part):
    def act(rng, folder):
        out = folder / "scored.parquet"
        for old in folder.glob("scored*"):
            old.unlink()
        words: list[object] = ["score", model, _input(rng, folder), "--out", out, "--json"]
        if rng.random() < 0.15:
            words += ["--where", TERMS[rng.integers(len(TERMS))] + JOINS[rng.integers(len(JOINS))] + "1"]
        if rng.random() < 0.15:
            words += ["--alerts-at", f"{rng.choice(['alpha', 'fdr', 'budget', 'cost'])}={rng.choice(POLICY_VALUES)}"]
        if rng.random() < 0.15:
            words += ["--keep", str(rng.choice([*NAMES, "note", "amount"]))]
        if rng.random() < 0.1:
            words += ["--batch-rows", str(rng.choice(["0", "-1", "1", "x", "1e3", "9" * 30]))]
        if rng.random() < 0.1:
            words[4] = str(rng.choice([str(folder), str(folder / "no" / "x.parquet"), "x.csv", "",
                "a" * 400 + ".parquet"]))
        try:
            said = json.loads(command(*words))
        except AnomalyCLError:
            assert not out.exists(), "a scored file is left behind an error"
            raise
        rows, scored = said["rows"], pq.read_table(out)
        assert rows["in"] == rows["scored"] + rows["rejected"]
        assert rows["read"] == rows["in"] + rows["filtered_out"]
        assert scored.num_rows == rows["scored"]
        assert np.isfinite(scored["score"].to_numpy()).all()
        assert pq.read_metadata(out.with_suffix(".rejects.parquet")).num_rows == rows["rejected"]

    cases.run("Command score", 25, act)


def test_schema_shows_a_schema_or_an_error(cases):
    def act(rng, folder):
        assert command("schema", _input(rng, folder), "--yaml").strip()

    cases.run("Command schema", 25, act)


def test_commands_with_odd_words_end_in_an_error_or_an_answer(cases, model):
    names = ("score", "schema", "inspect", "explain", "verdicts", "drift", "dashboard", "recalibrate", "nonsense",
        "--nonsense", "")
    words = ("--out", "--where", "--json", "--store", "--yaml", "--keep", "-x", "--", "", "\0", "é", "\ud83d", "*",
        "[", "~", "..", "/dev/null", "/",
             "input.csv", "-1", "nan", "x" * 5_000, "--role", "root", "--port", "99999999", "--address", "0.0.0.0",
             "--roles", "--secrets", str(model))

    def act(rng, folder):
        chosen = [words[i] for i in rng.integers(len(words), size=rng.integers(1, 6))]
        name = str(rng.choice(names))
        if name == "dashboard":
            chosen = ["--roles", str(folder / "none"), *chosen]  # so that none is opened
        command(name, *chosen)

    cases.run("Command of odd words", 100, act)


def test_fit_refuses_odd_schemas_or_learns(cases):
    whole = SCHEMA.to_dict()
    bombs = list(BOMBS.values())

    def act(rng, folder):
        import yaml

        path = folder / "schema.yaml"
        text = yaml.safe_dump(changed(whole, rng)) if rng.random() < 0.6 else bombs[rng.integers(len(bombs))]
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        command("fit", _input(rng, folder), "--out", folder / "fitted", "--schema", path, "--pretraining", "none")

    cases.run("Command fit", 15, act)
