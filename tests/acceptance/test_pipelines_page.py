"""The code of docs/pipelines.md runs; the part about Spark does in tests/unit/batch/test_spark_scoring.py."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.conftest import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason='pip install "anomaly_cl[onnx]"')
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in BLOCKS if "pyspark" not in block]
    assert len(blocks) == len(BLOCKS) - 1 >= 7
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/pipelines.md", "exec"), names)
