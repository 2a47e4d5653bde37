"""Runs that are killed at some moment and gone on with, against the same run that nothing stopped."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps.benchmark.kills.cases import Case
from apps.benchmark.kills.processes import NEVER, Ended, Moment, run_command
from apps.benchmark.kills.stores import NewStore, content_of

SCORED, MANIFEST = "scored.parquet", "scored.manifest.json"
AGAIN = 1 / 3  # share of the killed runs whose successor is killed too
STORING = f"os.remove .{SCORED}.PID.draft"  # after which the process writes to the store, if to any
NAMING = f"os.remove {MANIFEST}"
Tell = Callable[[str], None]


@dataclass
class Outcome:
    """What became of killed runs: how many there were, were killed again, went on with scores (of a store: had all in
    it already), and ended as if never killed; the rows not scored again, in all; and the rows of a run.
    """

    name: str
    kills: int = 0
    again: int = 0
    went_on: int = 0
    equal: int = 0
    resumed_rows: int = 0
    rows: int = 0


class Killed:
    """A case with the outcome of a run that nothing stopped."""

    def __init__(self, case: Case, folder: Path):
        self.case, self.folder = case, folder
        self.whole = self.run("whole")
        self.files = files_of(folder / "whole")
        self.manifest = json.loads((folder / "whole" / MANIFEST).read_text())

    def run(self, name: str, *more: object, moment: Moment = NEVER) -> Ended:
        """Score into a folder of this name; raises RuntimeError if that fails otherwise than by the kill."""
        out = self.folder / name
        out.mkdir(parents=True, exist_ok=True)
        ended = run_command([*self.case.words, "--out", out / SCORED, *more], out, moment)
        if ended.code and not ended.killed:
            raise RuntimeError(f"{self.case.name}: exit code {ended.code}: {ended.said}")
        return ended

    def renew(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def is_equal(self, name: str) -> bool:
        """Whether a folder holds what the run that nothing stopped left, and no file beside."""
        return files_of(self.folder / name) == self.files


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of every file of a folder, of the manifest without what differs between two runs."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    if MANIFEST in found:
        manifest = json.loads(found[MANIFEST])
        for name in ("started_at", "seconds", "resumed_rows", "stored"):
            manifest.pop(name, None)
        found[MANIFEST] = json.dumps(manifest).encode()
    return found


def kill_scoring(killed: Killed, kills: int, rng: np.random.Generator, tell: Tell) -> Outcome:
    """Kill as many runs at moments spread evenly over the whole run, each third one again, and go on with each."""
    outcome = Outcome(killed.case.name, rows=killed.manifest["rows"]["scored"])
    for moment in _moments(kills, killed.whole.seconds, rng):
        killed.renew("killed")
        if not killed.run("killed", moment=Moment(moment)).killed:
            continue  # it had ended before
        outcome.kills += 1
        if rng.random() < AGAIN:
            outcome.again += killed.run("killed", "--resume", moment=Moment(rng.uniform(0, moment))).killed
        _go_on(killed, outcome)
        if outcome.kills % 10 == 0 or outcome.kills == kills:
            tell(f"{outcome.name}: {outcome.kills} killed, {outcome.equal} equal")
        if outcome.kills == kills:
            break
    return outcome


def kill_steps(killed: Killed, tell: Tell, first: int = 1) -> Outcome:
    """Kill a run before each of its steps with files from the first, one run a step, and go on with each."""
    outcome = Outcome(f"{killed.case.name}, before each step with files", rows=killed.manifest["rows"]["scored"])
    for step in range(first, len(killed.whole.steps) + 1):
        killed.renew("killed")
        outcome.kills += killed.run("killed", moment=Moment(step=step)).killed
        _go_on(killed, outcome)
    tell(f"{outcome.name}: {outcome.kills} killed, {outcome.equal} equal")
    return outcome


def kill_storing(killed: Killed, kills: int, new_store: NewStore, rng: np.random.Generator, tell: Tell, name: str
                 ) -> Outcome:
    """Kill as many runs while they write to a new store each; the store is as it was or complete, and then complete."""
    whole = new_store()
    ended = killed.run("stored", "--store", whole)
    expected = content_of(whole)
    untouched = content_of(new_store())
    outcome = Outcome(name, rows=sum(map(len, expected.values())))
    begun, done = (next(at for at, step in ended.steps if step == mark) for mark in (STORING, NAMING))
    for moment in _moments(kills, done - begun, rng):
        killed.renew("killed")
        url = new_store()
        first = killed.run("killed", "--store", url, moment=Moment(moment, after=STORING))
        if not first.killed:
            continue
        outcome.kills += 1
        found = content_of(url)
        whole_or_nothing = found in (expected, untouched)
        outcome.went_on += found == expected
        killed.run("killed", "--store", url, "--resume")
        outcome.equal += whole_or_nothing and content_of(url) == expected and killed.is_equal("killed")
        if outcome.kills % 10 == 0 or outcome.kills == kills:
            tell(f"{outcome.name}: {outcome.kills} killed, {outcome.equal} equal")
        if outcome.kills == kills:
            break
    return outcome


def _go_on(killed: Killed, outcome: Outcome) -> None:
    said = killed.run("killed", "--resume").said
    found = re.search(r"going on after ([\d,]+) rows", said)
    outcome.went_on += found is not None
    outcome.resumed_rows += int(found[1].replace(",", "")) if found else 0
    outcome.equal += killed.is_equal("killed")


def _moments(n: int, seconds: float, rng: np.random.Generator) -> Iterator[float]:
    """Moments in random order, one in each of n equal parts of the time; and then from the start, as long as need be.
    """
    while True:
        yield from (rng.permutation(n) + rng.random(n)) * seconds / n
