"""Models whose files are changed together with their digests: refused as models, whatever their content does."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.detectors.loading import load
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import ModelError

BLANK = "0" * 64


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forged") / "model"
    rows = np.random.default_rng(0).normal(size=(300, 3))
    TabularDetector(pretraining="none", bank_rows=100, calibration="split").fit(rows).save(folder)
    return folder


def _forged(model, target, change=lambda state: None, files=None):
    """A copy whose state is changed, or some of whose files are, with digests that are right."""
    target.mkdir()
    contents = {path.name: path.read_bytes() for path in model.iterdir()} | (files or {})
    head = json.loads(contents.pop("model.json"))
    change(head["state"])
    head |= {"digest": BLANK, "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}}
    text = json.dumps(head).encode()
    contents["model.json"] = text.replace(BLANK.encode(), hashlib.sha256(text).hexdigest().encode(), 1)
    for name, data in contents.items():
        (target / name).write_bytes(data)
    return target


def test_a_model_written_again_with_right_digests_loads(model, tmp_path):
    assert load(_forged(model, tmp_path / "same")).model_id_ == load(model).model_id_


@pytest.mark.parametrize("change", [
    lambda state: state.update(kind=["tabular"]),
    lambda state: state["scorer"]["encoder"]["columns"]["0"].update(deviation_="wide"),
    lambda state: state["scorer"]["encoder"]["columns"]["0"].pop("mean_"),
    lambda state: state["scorer"]["encoder"]["columns"]["0"].update(mean_=None, knots_={"$array": []}),
    lambda state: state["scorer"]["encoder"].update(schema="[" * 100_000),
    lambda state: state.update(settings=3),
    lambda state: state.update(calibration="none"),
], ids=["kind", "text for a number", "a number left out", "an array of no name", "deep", "settings", "calibration"])
def test_a_state_that_cannot_score_is_refused(model, tmp_path, change):
    with pytest.raises(ModelError):
        load(_forged(model, tmp_path / "forged", change))


def _table(model, name):
    return pa.ipc.open_file(pa.BufferReader((model / name).read_bytes())).read_all()


def _written(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("change", [
    lambda table: table.slice(0, 5), lambda table: table.drop_columns(["x0"]),
    lambda table: table.set_column(0, "x0", pa.array(["a"] * table.num_rows)),
    lambda table: table.set_column(0, "x0", pa.array(np.zeros(table.num_rows, np.float32))),
], ids=["rows", "column", "text", "type"])
def test_reference_rows_that_are_not_those_of_the_bank_are_refused(model, tmp_path, change):
    content = _written(change(_table(model, "reference.arrow")))
    with pytest.raises(ModelError):
        load(_forged(model, tmp_path / "forged", files={"reference.arrow": content}))


def test_arrow_content_that_is_damaged_under_a_right_digest_is_refused(model, tmp_path):
    whole = (model / "reference.arrow").read_bytes()
    with pytest.raises(ModelError, match="must be readable"):
        load(_forged(model, tmp_path / "forged", files={"reference.arrow": whole[:-40] + bytes(40)}))
