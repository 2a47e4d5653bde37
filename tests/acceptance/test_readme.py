"""README's examples do what it says."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.acceptance.test_command_line import run
from tests.conftest import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_python_blocks_run():
    blocks = _blocks("python")
    assert len(blocks) >= 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


def test_the_commands_run(folder):
    import shlex

    lines = [line for block in _blocks("sh") for line in block.splitlines() if line.strip()]
    assert len(lines) >= 5
    for line in lines:
        name, *words = shlex.split(line)
        assert name == "anomaly-cl"
        run(*words)
    assert (folder / "scored.manifest.json").exists()


def test_the_map_names_rooms_that_exist():
    rooms = set(re.findall(r"`((?:anomaly_cl|apps|tests)/[\w/]*)`", TEXT))
    assert len(rooms) > 10
    for room in rooms:
        assert (ROOT / room).exists(), room


def test_every_package_is_on_the_map():
    for package in (ROOT / "anomaly_cl").iterdir():
        if package.is_dir() and (package / "__init__.py").exists():
            assert f"{package.name}/`" in TEXT, package.name
