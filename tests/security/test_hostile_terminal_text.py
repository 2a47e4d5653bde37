"""Names and values in data that would steer the terminal of whoever reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner

from anomaly_cl.cli import app as commands
from anomaly_cl.cli import screen
from anomaly_cl.errors import InputError
from anomaly_cl.schema import Schema

TITLE, CLEAR, TURNED = "\x1b]0;owned\x07", "\x9b2J", "\u202egpj.exe"


def test_what_is_said_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = f"a{TITLE}b{CLEAR}c{TURNED}"
    screen.say(hostile)
    screen.say_pairs(hostile, {hostile: hostile})
    screen.say_columns(hostile, [hostile], [[hostile]])
    commands.say_error(InputError(hostile, hostile, hostile))
    table = Table(title=hostile, caption=hostile)
    table.add_column(hostile, hostile)
    table.add_row(hostile)
    screen.output.print(table)
    found = "".join(capsys.readouterr())
    assert not set("\x1b\x07\x9b\u202e") & set(found)
    assert found.count("owned") >= 8
    assert "\\x1b]0;owned" in found


def test_other_text_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Zoë paid 10 €\n[bold]日本\U0001f4a5[/bold]\nمی\u200cخواهم"
    screen.say(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_a_schema_is_printed_so_that_it_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"id,a{CLEAR}b,{TURNED}\n" + "".join(f"r{n},{n % 7}.5,x{n % 3}\n" for n in range(30)))
    ended = CliRunner().invoke(commands.app, ["schema", str(file)])
    assert [column.name for column in Schema.from_yaml(ended.output).columns] == ["id", f"a{CLEAR}b", TURNED]
    assert not set("\x1b\x07\x9b") & set(ended.output)
