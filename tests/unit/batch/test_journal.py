"""The journal of scores: what is in it is given back, and only for the rows that it was written for."""

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.batch import journal as journals
from anomaly_cl.batch.digest import digest_of_rows
from anomaly_cl.batch.journal import Journal
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.read import Batch

ABOUT = {"model": "m", "where": None}


def batches(n=3, seed=0):
    rng = np.random.default_rng(seed)
    return [Batch(pa.record_batch({"a": rng.normal(size=2), "spare": rng.normal(size=2)}),
                  np.array([10 * i, 10 * i + 1])) for i in range(n)]


def scores(batch):
    return Scores(*(batch.rows.column("a").to_numpy() * k for k in (1.0, 2.0, -0.0, np.nan)))


def begun(path, about=ABOUT, *, resume=True, told=None):
    return Journal(path, about, resume=resume, notice=(lambda text: None) if told is None else told.append)


def killed(path, given=None, about=ABOUT):
    """A journal as a killed run leaves it."""
    with suppress(KeyboardInterrupt), begun(path, about, resume=False) as journal:
        for batch in given or batches():
            journal.record(batch, ["a"], scores(batch))
        raise KeyboardInterrupt
    return path.read_bytes()


def test_a_journal_gives_back_the_scores_and_takes_more(tmp_path):
    path, told = tmp_path / "j", []
    killed(path, batches(2))
    with suppress(KeyboardInterrupt), begun(path, told=told) as journal:
        for i, batch in enumerate(batches(4)):
            found = journal.known(batch, ["a"])
            assert (found is None) == (i >= 2)
            if found:
                for name in ("score", "p_value", "p_tail", "risk"):
                    assert getattr(found, name).tobytes() == getattr(scores(batch), name).tobytes()
            journal.record(batch, ["a"], found or scores(batch))
        journal.require_used()
        raise KeyboardInterrupt
    assert path.read_bytes() == killed(tmp_path / "whole", batches(4))
    assert told == ["going on after 4 rows that are scored already"]


def test_a_journal_cut_short_or_altered_anywhere_is_whole_up_to_there(tmp_path):
    path, given = tmp_path / "j", batches(3)
    whole = killed(path, given)
    frame = (len(whole) - len(killed(tmp_path / "none", batches(0) or [given[0]]))) // 2
    ends = [len(whole) - frame * k for k in (3, 2, 1, 0)]
    for size in range(len(whole)):
        for content in (whole[:size], whole[:size] + bytes([whole[size] ^ 1]) + whole[size + 1:],
                        whole[:size] + bytes(len(whole) - size)):
            path.write_bytes(content)
            left = sum(end <= size for end in ends[1:])
            with suppress(KeyboardInterrupt), begun(path) as journal:
                assert journal.batches_known == left
                for i, batch in enumerate(given):
                    found = journal.known(batch, ["a"])
                    assert (found is not None) == (i < left)
                    journal.record(batch, ["a"], found or scores(batch))
                raise KeyboardInterrupt
            assert path.read_bytes() == whole


def test_a_finished_run_leaves_no_journal_and_a_failed_one_only_with_rows(tmp_path):
    with begun(tmp_path / "j") as journal:
        journal.record(batches()[0], ["a"], scores(batches()[0]))
    assert not (tmp_path / "j").exists()
    with pytest.raises(ZeroDivisionError), begun(tmp_path / "j"):
        raise ZeroDivisionError
    assert not (tmp_path / "j").exists()
    killed(tmp_path / "j")
    with pytest.raises(ZeroDivisionError) as raised, begun(tmp_path / "j"):
        raise ZeroDivisionError
    assert raised.value.__notes__ == [f"6 scored rows are kept in {tmp_path / 'j'}: --resume goes on with them"]


def gone_on(path, given):
    """A run that goes on and ends."""
    with begun(path) as journal:
        for batch in given:
            journal.record(batch, ["a"], journal.known(batch, ["a"]))
        journal.require_used()


@pytest.mark.parametrize("changed", [batches(3, seed=1)[1], batches(3)[2], Batch(batches(3)[1].rows.slice(0, 1),
                                                                                batches(3)[1].row_numbers[:1])])
def test_other_rows_are_refused(tmp_path, changed):
    killed(tmp_path / "j")
    with pytest.raises(InputError, match=r"rows 10 to 11 differ.*leave out --resume") as raised:
        gone_on(tmp_path / "j", [batches()[0], changed])
    assert not hasattr(raised.value, "__notes__")
    assert (tmp_path / "j").exists()


def test_an_input_that_ends_too_early_is_refused(tmp_path):
    killed(tmp_path / "j")
    with pytest.raises(InputError, match="ends before the 6 rows"):
        gone_on(tmp_path / "j", batches()[:1])


def test_a_journal_about_something_else_is_refused_or_begun_anew(tmp_path):
    before = killed(tmp_path / "j")
    with pytest.raises(UsageError, match=r"model 'm' \(now 'n'\)"):
        begun(tmp_path / "j", ABOUT | {"model": "n"})
    assert (tmp_path / "j").read_bytes() == before
    told = []
    with begun(tmp_path / "j", ABOUT | {"model": "n"}, resume=False, told=told) as journal:
        assert journal.known(batches()[0], ["a"]) is None
    assert told == []


def test_people_are_told_what_becomes_of_a_journal(tmp_path):
    told = []
    with begun(tmp_path / "j", told=told):
        pass
    with begun(tmp_path / "j", resume=False, told=told):
        pass
    killed(tmp_path / "j")
    with begun(tmp_path / "j", resume=False, told=told):
        pass
    assert told == ["there is nothing to go on with: all rows are scored",
                    "6 rows that an interrupted run scored are scored again; --resume would have gone on"]


def test_two_never_have_a_journal_open(tmp_path, monkeypatch):
    with begun(tmp_path / "j"):
        with pytest.raises(UsageError, match="one process at a time"):
            begun(tmp_path / "j", resume=False)
        opened = journals.os.path.samestat
        # the owner ends and another begins between opening the file and locking it
        answers = iter([False, True])
        monkeypatch.setattr(journals.os.path, "samestat", lambda *stats: next(answers) and opened(*stats))
        monkeypatch.setattr(journals.fcntl, "flock", lambda *_: None)
        begun(tmp_path / "j").__exit__(None, None, None)


ARRAYS = [
    pa.array([1.5, None, 3.0]), pa.array(["a", None, "bc"]), pa.array([True, None, False]), pa.array([None, 1, 2]),
    pa.array(["x", None, "y"]).dictionary_encode(), pa.array([[1.0, 2.0], None, []], pa.list_(pa.float32())),
    pa.array([[1.0, 2.0], [3.0, None], None], pa.list_(pa.float32(), 2)),
    pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    pa.array([0, None, 10**15], pa.timestamp("us", "UTC")), pa.nulls(3),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.type))
def test_equal_cells_have_equal_digests_wherever_they_lie_in_memory(array):
    def digest(column):
        return digest_of_rows(pa.record_batch([column], ["c"]), ["c"])

    apart = pa.concat_arrays([array.slice(1), array, array])
    assert digest(apart.slice(2, 3)) == digest(array)
    others = {digest(array.take(pa.array(order))) for order in ([0, 1, 2], [0, 2, 1], [1, 1, 1], [0, 0, 0], [2, 2, 0])}
    assert len(others) == (1 if array.null_count == 3 else 5)


def test_what_lies_under_a_null_is_no_part_of_a_digest():
    def array(value):
        return pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([1, value]))])

    one, other = (digest_of_rows(pa.record_batch([array(value)], ["c"]), ["c"]) for value in (2, 3))
    assert one == other
