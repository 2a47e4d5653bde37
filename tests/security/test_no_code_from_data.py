"""Nothing in the package or its apps turns data into code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(file for part in ("anomaly_cl", "apps") for file in (ROOT / part).rglob("*.py"))
# Modules whose readers run what they read, and calls that run text. `pickle.dumps` writes only.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code", "codeop", "runpy",
           "xml.sax", "xmlrpc", "imp"}
WRITES_ONLY = {("apps/benchmark/models.py", "pickle")}  # a digest of settings
BARE = {"eval", "exec", "compile", "__import__"}
METHODS = {("os", "system"), ("os", "popen"), ("torch", "load"), ("yaml", "load"), ("yaml", "load_all"),
           ("yaml", "full_load"), ("yaml", "unsafe_load"),
           ("pd", "read_pickle"), ("pandas", "read_pickle"), ("subprocess", "getoutput"),
           ("subprocess", "getstatusoutput"), ("pd", "eval"), ("pd", "read_hdf")}
ATTRIBUTES = {"load_from_checkpoint", "enable_load_extension", "load_extension", "install_extension"}


def findings(source: str) -> Iterator[str]:
    """What of a module's source could run data, by line."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        yield from (f"{node.lineno}: import {name}" for name in names
                    if name in MODULES or name.partition(".")[0] in MODULES)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.lineno}: from {node.module} import {alias.name}" for alias in node.names
                        if ((node.module or "").partition(".")[0], alias.name) in METHODS)
        if isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    called, given = node.func, {keyword.arg: keyword.value for keyword in node.keywords}
    if isinstance(called, ast.Name) and called.id in BARE:
        yield f"{node.lineno}: {called.id}()"
    if isinstance(called, ast.Attribute):
        owner = called.value.id if isinstance(called.value, ast.Name) else ""
        if (owner, called.attr) in METHODS or called.attr in ATTRIBUTES:
            yield f"{node.lineno}: {owner}.{called.attr}()"
    for name, harmless in (("shell", False), ("allow_pickle", False), ("weights_only", True),
                           ("unsafe_allow_html", False), ("unsafe_allow_javascript", False)):
        if name in given and not (isinstance(given[name], ast.Constant) and given[name].value is harmless):
            yield f"{node.lineno}: {name}="


@pytest.mark.parametrize("source", [
    "import pickle", "from joblib import load", "eval('1')", "exec(text)", "import os; os.system('ls')",
    "subprocess.run(text, shell=True)", "subprocess.run(text, shell=asked)", "yaml.load(text)", "torch.load(file)",
    "from torch import load", "np.load(file, allow_pickle=True)", "Module.load_from_checkpoint(file)",
    "import marshal as m", "__import__(name)", "connection.load_extension('httpfs')", "pd.read_pickle(file)",
])
def test_what_runs_data_is_found(source: str) -> None:
    assert list(findings(source))


@pytest.mark.parametrize("source", [
    "encoder.eval()", "re.compile('a')", "yaml.safe_load(text)", "from safetensors.numpy import load",
    "subprocess.run([a, b], shell=False)", "np.load(file, allow_pickle=False)", "duckdb.connect(':memory:')",
])
def test_what_only_sounds_like_it_passes(source: str) -> None:
    assert not list(findings(source))


def test_nothing_in_the_package_or_its_apps_runs_data() -> None:
    assert len(FILES) > 200
    found = {f"{file.relative_to(ROOT).as_posix()}:{line}" for file in FILES
             for line in findings(file.read_text("utf-8"))}
    allowed = {line for line in found for place, module in WRITES_ONLY
               if line.startswith(f"{place}:") and line.endswith(f"import {module}")}
    assert found - allowed == set()
    assert len(allowed) == len(WRITES_ONLY)
    for place, module in WRITES_ONLY:
        uses = {node.attr for node in ast.walk(ast.parse((ROOT / place).read_text("utf-8")))
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module}
        assert uses == {"dumps"}
