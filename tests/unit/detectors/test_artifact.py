import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.detectors import artifact
from anomaly_cl.errors import ModelError, UsageError

STATE = {"settings": {"k": 5, "name": "Zoë", "list": [1, None, 2.5]}, "heads": [{"bank": np.eye(3, dtype=np.float32)}],
         "empty": np.zeros((0, 4))}
TABLES = {"reference": pa.table({"a": [1.0, 2.0], "b": ["x", None]}), "calibration": pa.table({"score": [0.5]})}


@pytest.fixture
def folder(tmp_path):
    artifact.save_model(tmp_path / "model", STATE, TABLES)
    return tmp_path / "model"


def test_what_is_saved_is_loaded(folder):
    state, tables = artifact.load_model(folder)
    assert state["settings"] == STATE["settings"]
    np.testing.assert_array_equal(state["heads"][0]["bank"], np.eye(3))
    assert state["heads"][0]["bank"].dtype == np.float32
    assert state["empty"].shape == (0, 4)
    assert tables == TABLES


def _files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_any_changed_byte_of_any_file_is_refused_with_the_files_name(folder):
    rng = np.random.default_rng(0)
    assert _files(folder) == ["calibration.arrow", "model.json", "reference.arrow", "weights.safetensors"]
    for name in _files(folder):
        path = folder / name
        whole = path.read_bytes()
        for position in {0, len(whole) - 1, *rng.integers(len(whole), size=40).tolist()}:
            changed = bytearray(whole)
            changed[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(changed))
            with pytest.raises(ModelError, match=name):
                artifact.load_model(folder)
        for content in (whole[:-1], whole + b" ", b""):
            path.write_bytes(content)
            with pytest.raises(ModelError, match=name):
                artifact.load_model(folder)
        path.write_bytes(whole)
    artifact.load_model(folder)


def test_a_missing_file_is_named(folder):
    for name in _files(folder):
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(ModelError, match=name):
            artifact.load_model(folder)
        (folder / name).write_bytes(whole)


def _rewrite(folder, change):
    """Alter the description and sign it again, as a hostile or a newer writer could."""
    import hashlib

    head = json.loads((folder / "model.json").read_text())
    change(head)
    head["digest"] = "0" * 64
    text = json.dumps(head).encode()
    (folder / "model.json").write_bytes(text.replace(b"0" * 64, hashlib.sha256(text).hexdigest().encode(), 1))


def test_a_future_format_is_refused_by_its_number(folder):
    _rewrite(folder, lambda head: head.update(format_version=99))
    with pytest.raises(ModelError, match="format 99"):
        artifact.load_model(folder)


def test_a_wrong_shape_is_refused_with_both_shapes(folder):
    _rewrite(folder, lambda head: head["state"]["heads"][0]["bank"].update(shape=[4, 3]))
    with pytest.raises(ModelError, match=r"\[4, 3\].*\[3, 3\]"):
        artifact.load_model(folder)


def test_a_path_out_of_the_folder_is_refused(folder):
    _rewrite(folder, lambda head: head["files"].update({"../secret.arrow": "0"}))
    with pytest.raises(ModelError, match="lie in its folder"):
        artifact.load_model(folder)


def test_a_model_replaces_a_model_but_nothing_else(folder, tmp_path):
    artifact.save_model(folder, {"new": 1}, {})
    assert artifact.load_model(folder)[0] == {"new": 1}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds something else"):
        artifact.save_model(tmp_path / "other", STATE, TABLES)
    assert _files(tmp_path) == ["model", "other"]


def test_the_digest_names_the_state(folder):
    assert artifact.digest(STATE) == artifact.digest(json.loads(json.dumps(STATE["settings"])) and dict(STATE))
    other = {**STATE, "heads": [{"bank": np.eye(3, dtype=np.float64)}]}
    assert artifact.digest(other) != artifact.digest(STATE)


def test_a_folder_copied_elsewhere_still_loads(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert artifact.load_model(tmp_path / "copy")[0]["settings"] == STATE["settings"]
