"""Model folders: JSON, safetensors and Arrow, each file checked by its digest; loading one never runs code.

    model.json             format version, settings, library versions, sha256 of every other file, and of itself
    weights.safetensors    every fitted array
    reference.arrow        the normal rows shown as neighbours
    calibration.arrow      the fused scores of the calibration rows
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from anomaly_cl.errors import ModelError, UsageError
from anomaly_cl.table.integrity import readable_names
from anomaly_cl.table.write import sync, writing

FORMAT_VERSION = 1
MODEL, WEIGHTS = "model.json", "weights.safetensors"
LIBRARIES = ("anomaly_cl", "torch", "pytorch-lightning", "scikit-learn", "numpy", "scipy", "pyarrow")
RETRAIN = "train the model again, or restore the folder from a copy"
_NO_DIGEST = "0" * 64
_ARRAY = "$array"


def save_model(folder: str | Path, state: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> None:
    """Write a model folder; a model that stands there already is replaced, anything else is refused.

    `state` is a nested dict of JSON values with NumPy arrays as leaves; `tables` are Arrow files by stem.
    Raises UsageError if the folder holds something other than a model or cannot be written to, InputError if the disk
    is full.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / MODEL).exists())):
        raise UsageError("a model is written to a new folder or over an older model",
                         f"{folder} holds something else", "choose another folder")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    plain = _without_arrays(dict(state), "", arrays)
    files = {WEIGHTS: save_arrays(arrays)} | {f"{name}.arrow": _arrow_bytes(table) for name, table in tables.items()}
    head = {
        "format_version": FORMAT_VERSION,
        "digest": _NO_DIGEST,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "versions": {name: version(name) for name in LIBRARIES},
        "state": plain,
    }
    model = json.dumps(head, indent=1, allow_nan=False, ensure_ascii=False).encode()
    files[MODEL] = model.replace(_NO_DIGEST.encode(), hashlib.sha256(model).hexdigest().encode(), 1)
    with writing(folder):
        _replace_folder(folder, files)


def load_model(folder: str | Path) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Read a model folder back as (state, tables).

    Raises ModelError, naming the file, if one is missing, altered, or written by a newer version.
    """
    folder = Path(folder)
    model = _read(folder, MODEL)
    try:
        head = json.loads(model)
        found, digest, listed = head["format_version"], str(head["digest"]), dict(head["files"])
        state = head["state"] | {}  # a mapping, that is
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{MODEL} must be a model description", f"{folder / MODEL} cannot be read ({error})",
                         RETRAIN) from error
    if not isinstance(found, int) or found > FORMAT_VERSION:
        raise ModelError(f"this version reads model format {FORMAT_VERSION} and older",
                         f"{folder / MODEL} has format {found!r}", "upgrade anomaly_cl, or train the model again")
    blank = model.replace(digest.encode(errors="replace"), _NO_DIGEST.encode(), 1)
    _check(folder, MODEL, hashlib.sha256(blank).hexdigest() == digest)
    contents = {}
    for name, expected in listed.items():
        if Path(name).name != name or not name.isprintable():
            raise ModelError("the files of a model lie in its folder", f"{folder / MODEL} names {name!r}", RETRAIN)
        contents[name] = _read(folder, name)
        _check(folder, name, hashlib.sha256(contents[name]).hexdigest() == expected)
    arrays = _parse(folder, WEIGHTS, contents, load_arrays)
    tables = {Path(name).stem: _parse(folder, name, contents, _arrow_table)
              for name in contents if name.endswith(".arrow")}
    return _with_arrays(state, arrays, folder), tables


def describe_model(folder: str | Path) -> dict[str, Any]:
    """Format version, library versions and file sizes of a model folder, for reading by people."""
    folder = Path(folder)
    head = json.loads(_read(folder, MODEL))
    sizes = {name: (folder / name).stat().st_size for name in [MODEL, *head["files"]]}
    return {"format_version": head["format_version"], "versions": head["versions"], "bytes": sizes}


def digest(state: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that name a fitted state: equal states, equal names."""
    arrays: dict[str, np.ndarray] = {}
    plain = _without_arrays(dict(state), "", arrays)
    total = hashlib.sha256(json.dumps(plain, sort_keys=True, allow_nan=False).encode())
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()[:16]


def _without_arrays(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """The same value with each array moved to `arrays` and a reference to it in its place."""
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return {_ARRAY: path, "shape": list(value.shape), "dtype": value.dtype.str}
    if isinstance(value, dict):
        return {str(key): _without_arrays(item, f"{path}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _with_arrays(value: Any, arrays: Mapping[str, np.ndarray], folder: Path) -> Any:
    if isinstance(value, dict) and _ARRAY in value:
        name, shape, dtype = (value.get(part) for part in (_ARRAY, "shape", "dtype"))
        array = arrays.get(name) if isinstance(name, str) else None
        if array is None or list(array.shape) != shape or array.dtype.str != dtype:
            raise ModelError(
                f"array {name!r} must have shape {shape} and type {dtype}",
                f"{folder / WEIGHTS} has " + ("none" if array is None else f"{list(array.shape)}, {array.dtype.str}"),
                RETRAIN,
            )
        return array
    if isinstance(value, dict):
        return {key: _with_arrays(item, arrays, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays, folder) for item in value]
    return value


def _read(folder: Path, name: str) -> bytes:
    file = folder / name
    if file.exists() and not file.is_file():  # a pipe would wait for ever, a device would fill the memory
        raise ModelError("a model folder holds files", f"{file} is something else", "restore the folder from a copy")
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"a model folder holds {name}", f"{folder / name}: {error.strerror}",
                         "check the folder's name, or restore it from a copy") from error


def _check(folder: Path, name: str, unchanged: bool) -> None:
    if not unchanged:
        raise ModelError("the files of a model are never changed", f"{folder / name} differs from its digest", RETRAIN)


def _parse(folder: Path, name: str, contents: Mapping[str, bytes], reader: Any) -> Any:
    try:
        return reader(contents[name])
    except (KeyError, ValueError, OSError, SafetensorError, pa.ArrowException) as error:
        raise ModelError(f"{name} must be readable", f"{folder / name}: {error}", RETRAIN) from error


def _arrow_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _arrow_table(content: bytes) -> pa.Table:
    table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
    readable_names(table.schema)
    table.validate(full=True)  # offsets that lie would end the process later
    return table


def _replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write beside the folder first, so that a model is there whole or not at all."""
    beside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    beside.mkdir()  # as the user's umask wants it: a model holds rows
    try:
        for name, content in files.items():
            with open(beside / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if folder.exists():
            older = beside.with_name(beside.name + "-older")
            folder.rename(older)
            beside.rename(folder)
            shutil.rmtree(older)
        else:
            beside.rename(folder)
        sync(folder.parent)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
