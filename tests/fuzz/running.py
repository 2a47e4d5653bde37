"""Runs cases in child processes, so that a crash, a hang or a flood of memory is a finding and not the end."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
import resource
import select
import signal
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from anomaly_cl.errors import AnomalyCLError

SILENCE = 40  # seconds without the end of a case, on a busy machine, that are a hang
MOST_MEMORY = 1 << 30  # bytes by which a batch of cases may raise the peak of the process
ADDRESSES = 6 << 30  # bytes that a child can ask for beyond what it began with
LONGEST_MESSAGE = 20_000  # characters of an error
CRASH = "crash.txt"  # what Python says of a fatal signal
SHOWN = 8  # findings, each with another cause

Act = Callable[[np.random.Generator, Path], object]
Do = Callable[[int], object]


@dataclass
class Cases:
    """Runs cases of a kind; each draws from a generator of its own, so that any can be run again alone."""

    seed: int
    scale: float
    only: int | None
    folder: Path
    name: str
    tally: dict[str, Counter[str]] = field(default_factory=dict)

    def run(self, kind: str, n: int, act: Act) -> None:
        """`n` cases (times the scale) of `act(rng, folder)`, which returns, or raises an AnomalyCLError."""
        numbers = list(range(max(1, round(n * self.scale)))) if self.only is None else [self.only]
        self._run(kind, numbers, lambda number: act(self.rng(number), self.folder))

    def run_each(self, kind: str, named: Mapping[str, Any], act: Callable[[Any, Path], object]) -> None:
        """Each of these cases once, whatever the scale, as `act(case, folder)`."""
        listed = list(named.values())
        self._run(kind, list(range(len(listed))) if self.only is None else [self.only],
                  lambda number: act(listed[number], self.folder))

    def rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), number])

    def _run(self, kind: str, numbers: list[int], do: Do) -> None:
        endings, findings = self.tally.setdefault(kind, Counter()), {}
        while numbers:
            number = -1
            for number, ending, cause in self._batch(numbers, do):
                endings[ending] += 1
                if ending == "finding":
                    findings.setdefault(_signature(cause), f"case {number}: {cause}")
            numbers = [left for left in numbers if left > number]
        if findings:
            told = "\n\n".join(list(findings.values())[:SHOWN])
            pytest.fail(f"{endings['finding']} findings of {len(findings)} causes among {endings.total()} cases"
                        f" (again: --fuzz-seed {self.seed} --fuzz-case N {self.name})\n{told}", pytrace=False)

    def _batch(self, numbers: list[int], do: Do) -> Iterator[tuple[int, str, str]]:
        """Cases in one child, as far as it comes: number, ending, and the cause of a finding."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            self._child(numbers, do, writer)
        os.close(writer)
        done = 0
        try:
            for ending, cause in _lines(reader):
                yield numbers[done], ending, cause
                done += 1
        finally:
            os.close(reader)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        if done < len(numbers):
            how = os.waitstatus_to_exitcode(status)
            said = "hang: no end" if how == -signal.SIGKILL else f"crash: the process ended with {how}"
            yield numbers[done], "finding", f"{said}\n{_crash_report(self.folder)}"

    def _child(self, numbers: list[int], do: Do, writer: int) -> NoReturn:
        try:
            faulthandler.enable((self.folder / CRASH).open("w"))
            limit = _address_space() + ADDRESSES
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            before = _peak()
            for number in numbers:
                ending, cause = ended(lambda number=number: do(number))
                if _peak() - before > MOST_MEMORY:
                    ending, cause = "finding", f"memory: {(_peak() - before) >> 20} MiB more"
                    before = _peak()
                os.write(writer, (json.dumps([ending, cause]) + "\n").encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)


def ended(act: Callable[[], object]) -> tuple[str, str]:
    """How a case ended: "scores", an exit code, or "finding" with its cause."""
    try:
        act()
    except AnomalyCLError as error:
        if wrong := unclear(error):
            return "finding", f"{wrong}: {error!r:.2000}"
        return str(error.exit_code), ""
    except BaseException:
        return "finding", traceback.format_exc()[-6_000:]
    return "scores", ""


@contextlib.contextmanager
def keeping_secret(secret: str) -> Iterator[None]:
    """A finding where an error's message holds the secret."""
    try:
        yield
    except AnomalyCLError as error:
        if secret in str(error):
            raise RuntimeError("a secret is in the message") from error
        raise


def unclear(error: AnomalyCLError) -> str:
    """What an error for users lacks; empty for nothing."""
    if error.exit_code not in (2, 3, 4):
        return f"exit code {error.exit_code}"
    parts = (error.rule, error.value, error.remedy)
    if not all(isinstance(part, str) and part.strip() for part in parts):
        return "a part of the message is empty"
    return "the message is too long" if len(str(error)) > LONGEST_MESSAGE else ""


def _lines(reader: int) -> Iterator[list[str]]:
    rest = b""
    while select.select([reader], [], [], SILENCE)[0]:
        block = os.read(reader, 1 << 16)
        if not block:
            return
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield json.loads(line)


def _signature(cause: str) -> Any:
    """What findings of one cause have in common: the error, and the last lines of ours that it went through."""
    places = re.findall(r'anomaly_cl/(\S+)", line (\d+)', cause)
    last = cause.strip().splitlines()[-1] if cause.strip() else ""
    return tuple(places[-2:]), re.sub(r"\d+|'[^']*'", "", last)[:60]


def _crash_report(folder: Path) -> str:
    path = folder / CRASH
    return "\n".join(path.read_text().splitlines()[:12]) if path.exists() else ""


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
