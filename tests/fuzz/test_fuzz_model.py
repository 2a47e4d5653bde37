"""Model folders: damaged files, and files forged with right digests, so that what reads their content is met."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from anomaly_cl.detectors.loading import load
from tests.fuzz.damage import damaged
from tests.fuzz.odd_tables import TYPES, odd_column
from tests.fuzz.odd_values import changed
from tests.fuzz.records import payments, scored_or_rejected

PARTS = [0, 1]
BLANK = "0" * 64


@pytest.fixture
def files(model: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in model.iterdir()}


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    target = folder / "model"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name, content in files.items():
        (target / name).write_bytes(content)
    return target


def _signed(files: dict[str, bytes], change_head: Callable[[Any], Any] = lambda head: head) -> dict[str, bytes]:
    """The same files with their digests made right again; NaN and Infinity are written as Python writes them."""
    head = json.loads(files["model.json"])
    head["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()
                     if name != "model.json"}
    head = change_head(head)
    if isinstance(head, dict):
        head["digest"] = BLANK
    text = json.dumps(head, ensure_ascii=False).encode("utf-8", "replace")
    return files | {"model.json": text.replace(BLANK.encode(), hashlib.sha256(text).hexdigest().encode(), 1)}


def _used(folder: Path, files: dict[str, bytes]) -> None:
    detector = load(_write(folder, files))
    # whatever the numbers of a forged model are, in floating point they may tell rows apart by their neighbours
    scored_or_rejected(detector, payments(5, seed=3), 5, alone=False)
    if hashlib.sha256(files["model.json"]).digest()[0] < 64:  # of every fourth, as it takes long
        detector.explain_table(detector.reference_.slice(0, 1))


@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_model_is_refused(cases, files, part):
    def act(rng, folder):
        name = str(rng.choice(sorted(files)))
        content = damaged(files[name], rng)
        _used(folder, files | {name: content} if rng.random() < 0.9 else {n: c for n, c in files.items() if n != name})

    cases.run("Model damaged", 250, act)


@pytest.mark.parametrize("part", PARTS)
def test_a_model_whose_state_is_forged_is_refused_or_scores(cases, files, part):
    def act(rng, folder):
        def change(head: Any) -> Any:
            if rng.random() < 0.1:
                return changed(head, rng)
            if rng.random() < 0.4:
                part = str(rng.choice([key for key in head["state"] if key != "scorer"]))
                return head | {"state": head["state"] | {part: _first(changed([head["state"][part]], rng))}}
            return head | {"state": changed(head["state"], rng)}

        _used(folder, _signed(files, change))

    cases.run("Model forged: state", 110, act)


def test_a_model_whose_arrays_are_forged_is_refused_or_scores(cases, files):
    arrays = load_arrays(files["weights.safetensors"])

    def act(rng, folder):
        found = dict(arrays)
        name = str(rng.choice(sorted(found)))
        array, agree = _odd_array(found[name], rng), rng.random() < 0.6
        found[name] = array

        def change(head: Any) -> Any:
            return _referring(head, name, array) if agree else head

        content = save_arrays(found) if rng.random() < 0.8 else damaged(files["weights.safetensors"], rng)
        _used(folder, _signed(files | {"weights.safetensors": content}, change))

    cases.run("Model forged: arrays", 90, act)


def test_a_model_whose_tables_are_forged_is_refused_or_scores(cases, files):
    def act(rng, folder):
        name = str(rng.choice(["reference.arrow", "calibration.arrow"]))
        content = files[name]
        if rng.random() < 0.4:
            content = damaged(content, rng)
        else:
            content = _written(_odd(pa.ipc.open_file(content).read_all(), rng))
        _used(folder, _signed(files | {name: content}))

    cases.run("Model forged: tables", 90, act)


def test_what_is_no_model_folder_is_refused(cases, model, files):
    def make(path: Path, name: str) -> Path:
        if name == "a file":
            (path / "m").write_text("x")
            return path / "m"
        folder = path / name
        folder.mkdir()
        if name == "folders for files":
            for each in files:
                (folder / each).mkdir()
        elif name == "links to nowhere":
            for each in files:
                (folder / each).symlink_to(path / "nowhere")
        return folder

    named = {name: name for name in ("a file", "an empty folder", "folders for files", "links to nowhere")}
    cases.run_each("No model folder", named, lambda name, folder: load(make(folder, name)))
    heads = {"a list": "[]", "deep": "[" * 100_000, "deep and closed": "[" * 5_000 + "]" * 5_000, "a number": "1",
             "a huge number": '{"format_version": ' + "9" * 10_000 + "}",
             "newer": '{"format_version": 99, "digest": "", "files": {}}',
             "nothing": "", "NUL": "\0", "no files": '{"format_version": 1, "digest": "", "files": {}}',
             "other files": '{"format_version": 1, "digest": "", "files": {"../model.json": ""}}',
             "files in pairs": '{"format_version": 1, "digest": "", "files": [["a", "b"]]}',
             "twice": '{"format_version": 1, "format_version": 1, "digest": "", "files": {}, "state": []}'}
    cases.run_each("No model folder", heads, lambda text, folder: _used(folder, files | {"model.json": text.encode()}))


def _first(values: Any) -> Any:
    return values[0] if isinstance(values, list) and values else None


def _odd_array(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    draw = rng.integers(8)
    if draw == 0:
        return array[:-1] if array.ndim and len(array) else np.zeros(3, array.dtype)
    if draw == 1:
        return np.concatenate([array, array]) if array.ndim else array.reshape(1)
    if draw == 2:
        return array.reshape(-1) if array.ndim != 1 else array.reshape(1, -1)
    if draw == 3:
        with np.errstate(all="ignore"):
            return array.astype(rng.choice(["float16", "float32", "float64", "int8", "int64", "uint8", "bool"]))
    if draw == 4:
        return array[..., :0]
    other = array.copy() if array.dtype.kind == "f" else array.astype(np.float64)
    if draw == 5 or array.dtype.kind != "f":
        return (array[::-1] if array.ndim else array).copy() if draw == 5 else np.full_like(array,
            rng.choice([0, 1, 100]))
    if other.size:
        places = rng.integers(other.size, size=rng.choice([1, other.size]))
        other.reshape(-1)[places] = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, 1e-30])
    return other


def _referring(tree: Any, name: str, array: np.ndarray) -> Any:
    """The same with the reference to the array of this name agreeing with it."""
    if isinstance(tree, dict):
        if tree.get("$array") == name:
            return {"$array": name, "shape": list(array.shape), "dtype": array.dtype.str}
        return {key: _referring(value, name, array) for key, value in tree.items()}
    return [_referring(value, name, array) for value in tree] if isinstance(tree, list) else tree


def _odd(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    draw, place = rng.integers(5), int(rng.integers(table.num_columns))
    if draw == 0:
        return table.slice(0, int(rng.choice([0, 1, 5])))
    if draw == 1 and table.num_columns > 1:
        return table.drop_columns([table.column_names[place]])
    if draw == 2:
        return pa.concat_tables([table, table])
    name = table.column_names[place]
    return table.set_column(place, name if draw == 3 else "other",
                            odd_column(str(rng.choice(TYPES)), table.num_rows, rng))


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
