"""A journal of scores beside the scored file, so that a run that was killed can go on where it was.

A file of frames: a mark, the length of what follows and the CRC-32 of both. The first frame holds, as JSON, what all
scores depend on; each other one the scores of one batch, after the number of its rows, the first and last of their
numbers and a digest of what was scored.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np

from anomaly_cl.batch.digest import DIGEST_BYTES, digest_of_rows
from anomaly_cl.detectors.scored import Scores
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.table.read import Batch
from anomaly_cl.table.write import discard, writing

MARK = b"acl1"
SYNC_SECONDS = 5.0
_HEAD = struct.Struct("<4sQI")
_ABOUT = struct.Struct(f"<qqq{DIGEST_BYTES}s")
_NAMES = [field.name for field in fields(Scores)]
Notice = Callable[[str], None]


class Record(NamedTuple):
    """Scores of one batch, and what tells which batch that was: number of rows, first and last row number, digest."""

    batch: tuple[int, int, int, bytes]
    scores: Scores

    @classmethod
    def from_bytes(cls, content: bytes) -> Record:
        arrays = np.frombuffer(content, "<f8", offset=_ABOUT.size).reshape(len(_NAMES), -1)
        return cls(_ABOUT.unpack_from(content), Scores(*np.array(arrays, np.float64)))

    def to_bytes(self) -> bytes:
        return b"".join([_ABOUT.pack(*self.batch),
                         *(np.asarray(getattr(self.scores, name), "<f8").tobytes() for name in _NAMES)])


def told_of(batch: Batch, read: Sequence[str]) -> tuple[int, int, int, bytes]:
    """What tells a batch from others; see `Record`."""
    numbers = batch.row_numbers
    first, last = (int(numbers[0]), int(numbers[-1])) if len(numbers) else (-1, -1)
    return len(numbers), first, last, digest_of_rows(batch.rows, read)


class Journal:
    """The scores of an earlier run, and then those of this one; use it in a with statement.

    While it is open, no other process opens it. It stays where an exception is raised after some rows were scored, and
    is gone at the end otherwise.

    Args:
        path: where it lies.
        about: what all scores depend on beside the rows, as plain data.
        resume: whether to go on with what is there. Else it is begun anew.
        notice: told in words what becomes of what is there.

    Raises UsageError if another process has it open, or if `resume` is set and it is about something else.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], *, resume: bool, notice: Notice):
        self.path, self.about = path, dict(about)
        self.rows_known = self.batches_known = self.rows_recorded = 0
        self._to_skip = 0
        self._refused = False
        self._file = _locked(path)
        try:
            with writing(path):
                self._begin(resume, notice)
        except BaseException:
            if not self._scan()[2]:
                discard(path)
            self._file.close()
            raise
        self._known = self._records()
        self._synced = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None or not self.rows_known + self.rows_recorded:
            discard(self.path)
        elif isinstance(error, Exception) and not self._refused:
            error.add_note(f"{self.rows_known + self.rows_recorded:,} scored rows are kept in {self.path}: --resume "
                           "goes on with them")
        self._file.close()

    def known(self, batch: Batch, read: Sequence[str]) -> Scores | None:
        """The scores of the next batch of the input, None when those of the earlier run are at their end.

        read: names of the columns that scores depend on. Raises InputError if they are not those of this batch.
        """
        record = next(self._known, None)
        if record is None:
            return None
        if record.batch != told_of(batch, read):
            raise self._other_rows(f"rows {record.batch[1]:,} to {record.batch[2]:,} differ from those in {self.path}")
        return record.scores

    def record(self, batch: Batch, read: Sequence[str], scores: Scores) -> None:
        """Keep the scores of the next batch of the input, unless they are those of the earlier run."""
        if self._to_skip:
            self._to_skip -= 1
            return
        with writing(self.path):
            self._append(Record(told_of(batch, read), scores).to_bytes())
            self.rows_recorded += batch.rows.num_rows
            if time.monotonic() > self._synced + SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def require_used(self) -> None:
        """Raises InputError if the input has ended before the scores of the earlier run."""
        if self._to_skip:
            raise self._other_rows(f"the input ends before the {self.rows_known:,} rows of {self.path}")

    def _other_rows(self, found: str) -> InputError:
        self._refused = True
        return InputError("a run goes on with the rows that it began with", found,
                          "leave out --resume to score all rows anew, or give input, history and verdicts as before")

    def _begin(self, resume: bool, notice: Notice) -> None:
        """Look at what is there, keep what is whole of it or nothing, and be ready to append."""
        before, ends, rows = self._scan()
        if resume and rows and before != self.about:
            raise UsageError("a run goes on as it began: same model, condition, settings and versions",
                             f"{self.path} was begun with {_differing(before or {}, self.about)}",
                             "give them as before, or leave out --resume to score all rows anew")
        if resume and rows:
            self.rows_known, self.batches_known = rows, len(ends) - 1
            self._to_skip = self.batches_known
            os.ftruncate(self._file.fileno(), ends[-1])
            notice(f"going on after {rows:,} rows that are scored already")
            return
        if resume:
            notice("there is nothing to go on with: all rows are scored")
        elif rows and before == self.about:
            notice(f"{rows:,} rows that an interrupted run scored are scored again; --resume would have gone on")
        os.ftruncate(self._file.fileno(), 0)
        self._append(json.dumps(self.about).encode())

    def _scan(self) -> tuple[dict[str, Any] | None, list[int], int]:
        """What the file is about, where each of its whole frames ends, and the number of rows in them."""
        about, ends, rows = None, [], 0
        with open(self.path, "rb") as file:
            while (content := _frame(file)) is not None:
                if about is None:
                    about = json.loads(content)
                else:
                    rows += _ABOUT.unpack_from(content)[0]
                ends.append(file.tell())
        return about, ends, rows

    def _records(self) -> Iterator[Record]:
        """The records of the earlier run."""
        if not self.batches_known:
            return
        with open(self.path, "rb") as file:
            _frame(file)
            for _ in range(self.batches_known):
                content = _frame(file)
                if content is None:
                    raise InputError("a journal is read as it was found", f"{self.path} was changed meanwhile",
                                     "leave out --resume to score all rows anew")
                yield Record.from_bytes(content)

    def _append(self, content: bytes) -> None:
        left = memoryview(_HEAD.pack(MARK, len(content), _checksum(content)) + content)
        while left:  # a write may be cut short, the last one before the disk is full is
            left = left[os.write(self._file.fileno(), left):]


def _frame(file: BinaryIO) -> bytes | None:
    """The content of the next frame; None at the end, or where a write was cut short."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    mark, length, checksum = _HEAD.unpack(head)
    if mark != MARK or length > os.fstat(file.fileno()).st_size - file.tell():
        return None
    content = file.read(length)
    return content if _checksum(content) == checksum else None


def _checksum(content: bytes) -> int:
    """CRC-32 of length and content: that of nothing alone would be zero, as a part of a file is that was never written.
    """
    return zlib.crc32(content, zlib.crc32(struct.pack("<Q", len(content))))


def _locked(path: Path) -> BinaryIO:
    """The file, made if need be, and open in no other process. Raises UsageError if it is."""
    while True:
        with writing(path):
            file = open(path, "ab", buffering=0)  # noqa: SIM115 the journal closes it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                    return file
            except BlockingIOError:
                file.close()
                raise UsageError("a scored file is written by one process at a time", f"another has {path} open",
                                 "wait until it has ended, or give another --out") from None
            except FileNotFoundError:
                pass
        file.close()  # its owner removed it after it was opened here


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, what of two descriptions differs."""
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return ", ".join(f"{name} {before.get(name)!r} (now {now.get(name)!r})" for name in names)
