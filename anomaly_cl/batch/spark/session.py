"""Spark for one run: its session, its file systems, and its errors in the words of this package."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from anomaly_cl.errors import AnomalyCLError, InputError, ModelError, UsageError

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame, SparkSession

# Times without a zone are what they say, names are told apart as in files, and all files must agree on types.
SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.caseSensitive": "true",
            "spark.sql.parquet.mergeSchema": "true"}
_MASTER = re.compile(r"local(\[[\w*, ]+\])?|yarn|(spark|k8s)://.+")
_OWN_WORDS = re.compile(r"anomaly_cl\.errors\.(\w+): (.+)")
_RAISED = re.compile(r"[A-Za-z_][\w.]*: .")  # the last line of a traceback in a Python worker
_JAVA = re.compile(r"^(?:[\w.$]+(?:Exception|Error): )+")


@contextmanager
def spark_session(master: str | None = None) -> Iterator[SparkSession]:
    """A session with settings, views and functions of its own, of the application that runs already or of a new one,
    which ends with it.

    `master` None is that of the environment (spark-submit, spark-defaults.conf), else local[*]. Raises UsageError
    where pyspark is not installed, or no Spark can be had.
    """
    if master is not None and not _MASTER.fullmatch(master):
        raise UsageError("a master is local, yarn, or the URL of a cluster", f"it is {master!r}",
                         "write for example local[*], spark://host:7077 or k8s://https://host:443")
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise UsageError("the Spark engine needs pyspark", "it is not installed",
                         'install it with pip install "anomaly_cl[spark]"') from error
    running = SparkSession.getActiveSession()
    if running is None:
        builder = SparkSession.builder.appName("anomaly-cl").config("spark.ui.showConsoleProgress", "false")
        builder = builder.config("spark.log.level", "FATAL")  # what fails is told by us
        try:
            running = (builder.master(master) if master else builder).getOrCreate()
        except Exception as error:  # pyspark tells of a missing Java and of a bad master by many kinds of errors
            raise UsageError("Spark must start: it needs Java 17 or newer, and a master that can be reached",
                             f"{master or 'the default master'}: {_first_line(error)}",
                             "set JAVA_HOME, or correct --master") from error
        try:
            yield _with_settings(running)
        finally:
            running.stop()
    else:
        yield _with_settings(running)


def _with_settings(running: SparkSession) -> SparkSession:
    context = running.sparkContext
    if str(context.master).startswith("local") and "PYSPARK_PYTHON" not in os.environ:
        context.pythonExec = sys.executable  # and not whatever python3 is on the path
    session = running.newSession()
    for name, value in SETTINGS.items():
        session.conf.set(name, value)
    return session


@contextmanager
def told_by_us() -> Iterator[None]:
    """Raises InputError for what Spark raises, with the first line that says something."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.logger import PySparkLogger

    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):  # they would print Java's stack
        PySparkLogger.getLogger(name).setLevel("CRITICAL")
    try:
        yield
    except (PySparkException, Py4JError) as error:
        if ours := _OWN_WORDS.search(str(error)):
            raise _again(*ours.groups()) from error
        raise InputError("Spark must be able to read the input, run the query and write the output",
                         _first_line(error), "correct the path or the file, or see Spark's own log") from error


def _again(kind: str, text: str) -> AnomalyCLError:
    """An error of ours that a Python worker raised."""
    rule, *value, remedy = text.split("; ") if text.count("; ") > 1 else (text, "", "see the input")
    found = {each.__name__: each for each in (InputError, UsageError, ModelError)}.get(kind, InputError)
    return found(rule, "; ".join(value), remedy)


class Kept:
    """Context manager for frames that are computed once, and for what was shipped; all is forgotten in the end."""

    def __enter__(self) -> Self:
        self._frames: list[DataFrame] = []
        self._shipped: list[Broadcast[Any]] = []
        return self

    def __exit__(self, *raised: object) -> None:
        for frame in self._frames:
            frame.unpersist()
        for each in self._shipped:
            each.destroy()

    def once(self, frame: DataFrame) -> DataFrame:
        """The frame, computed when it is first needed and then kept, in memory or on disk."""
        self._frames.append(frame.persist())
        return self._frames[-1]

    def ship(self, session: SparkSession, content: dict[str, bytes]) -> Broadcast[dict[str, bytes]]:
        """Content for every executor."""
        self._shipped.append(session.sparkContext.broadcast(content))
        return self._shipped[-1]


def _first_line(error: Exception) -> str:
    text = str(error)
    lines = [line.strip().removeprefix(": ") for line in text.splitlines()
             if line.strip() and not line.startswith("An error occurred while calling")] or [type(error).__name__]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    raised = [line for line in lines if _RAISED.match(line)] if "Traceback (most recent call last)" in text else []
    return _JAVA.sub("", [*lines[:1], *causes, *raised][-1])


class FileSystem:
    """Files wherever Spark reaches them: local paths, hdfs://, s3a:// and the like, by Hadoop's own connectors."""

    def __init__(self, session: SparkSession):
        self._jvm: Any = session.sparkContext._jvm
        self._settings = session._jsparkSession.sessionState().newHadoopConf()

    def matches(self, pattern: str) -> list[Any]:
        """The status of each file or folder that a path or pattern means."""
        path = self._path(pattern)
        return list(path.getFileSystem(self._settings).globStatus(path) or ())

    def files(self, pattern: str) -> dict[str, dict[str, int]]:
        """All data files that a path or pattern means, {path: size and time of change}, in order of their names."""
        found: dict[str, dict[str, int]] = {}
        for status in self.matches(pattern):
            files = status.getPath().getFileSystem(self._settings).listFiles(status.getPath(), True)
            while files.hasNext():
                file = files.next()
                inside = str(file.getPath()).removeprefix(str(status.getPath())).split("/")
                if not any(part[:1] in ("_", ".") for part in inside):
                    found[str(file.getPath())] = {"bytes": file.getLen(), "modified": file.getModificationTime()}
        return dict(sorted(found.items()))

    def head(self, file: str, n_bytes: int) -> bytes:
        """The first bytes of a file, unpacked if its name says that it is packed."""
        path = self._path(file)
        stream = path.getFileSystem(self._settings).open(path)
        codec = self._jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(self._settings).getCodec(path)
        opened = stream if codec is None else codec.createInputStream(stream)
        try:
            return bytes(opened.readNBytes(n_bytes))
        finally:
            opened.close()

    def exists(self, name: str) -> bool:
        path = self._path(name)
        return bool(path.getFileSystem(self._settings).exists(path))

    def delete(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""
        path = self._path(name)
        path.getFileSystem(self._settings).delete(path, True)

    def write_json(self, name: str, content: Any) -> None:
        path = self._path(name)
        stream = path.getFileSystem(self._settings).create(path, True)
        try:
            stream.write(bytearray(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8"))
        finally:
            stream.close()

    def absolute(self, name: str) -> str:
        """The whole URI of a path."""
        path = self._path(name)
        return str(path.getFileSystem(self._settings).makeQualified(path))

    def _path(self, name: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(str(name))
