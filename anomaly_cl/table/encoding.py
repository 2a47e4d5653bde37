"""Text of any encoding as UTF-8 bytes, broken places marked so that they can be found again row by row."""

from __future__ import annotations

import codecs
import io
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# A byte that its encoding cannot mean is carried as a private-use character. One outside the Basic Multilingual Plane
# is valid UTF-8 (the CSV reader needs that) and all but never in real text.
_MARK = 0x10FE00
_MARKED = re.compile("[\U0010fe00-\U0010feff]")
_MARKED_UTF8 = re.compile(rb"\xf4\x8f[\xb8-\xbb][\x80-\xbf]")
_ERRORS = "anomaly_cl.mark_broken_bytes"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_TEXT_BYTES = bytes({*range(256)} - {*range(32)} | {*b"\t\n\r\f\x1b\x1f"})  # all but control characters
_LETTERS = "àáâãäåæçèéêëìíîïñòóôõöøœùúûüýšžßÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØŒÙÚÛÜÝŠŽ"
_WESTERN = re.compile(rf"(?<=[A-Za-z])[{_LETTERS}]|[{_LETTERS}](?=[A-Za-z])|[€£¥§°±²³µ·«»‘’“”–—…™©®¡¿ªº\xa0]")


def _mark_broken(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_MARK + byte) for byte in error.object[error.start:error.end]), error.end


codecs.register_error(_ERRORS, _mark_broken)


def sniff_encoding(sample: bytes) -> str | None:
    """The encoding of the first bytes of a text: by its byte order mark, else UTF-16, UTF-8 or cp1252; None if no text.

    Bytes that are no UTF-8 mean cp1252 only if nearly all of them are then letters within words or common signs;
    otherwise the text is taken as UTF-8 with broken places.
    """
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        for encoding in ("utf-16-le", "utf-16-be"):
            text, broken = decode(sample, encoding)
            if not broken and "\0" not in text and re.search(r"[\n\r,;\t|]", text):
                return encoding
    if len(sample.translate(None, _TEXT_BYTES)) > 0.01 * len(sample):
        return None
    text, broken = decode(sample, "utf-8")
    if not broken:
        return "utf-8"
    western = sample.decode("cp1252", "replace")
    foreign = sum(character > "\x7f" for character in western)
    multibyte = any("\x7f" < character < chr(_MARK) for character in text)
    return "cp1252" if not multibyte and len(_WESTERN.findall(western)) >= 0.9 * foreign else "utf-8"


def decode(sample: bytes, encoding: str) -> tuple[str, bool]:
    """The text of a sample that may end within a character, and whether it has broken places (marked)."""
    text = codecs.getincrementaldecoder(encoding)(errors=_ERRORS).decode(sample)
    return text, _MARKED.search(text) is not None


def original_bytes(text: str) -> bytes:
    """Marked text as it was: the broken bytes themselves among UTF-8."""
    return _MARKED_UTF8.sub(lambda mark: bytes([ord(mark[0].decode()) - _MARK]), text.encode())


def restore_broken(column: pa.StringArray) -> pa.Array:
    """The column, or a binary one with its original bytes if it has marked cells."""
    marked = pc.match_substring_regex(column, _MARKED.pattern)
    if not pc.any(marked).as_py():
        return column
    originals = [original_bytes(text) for text in column.filter(marked).to_pylist()]
    return pc.replace_with_mask(column.cast(pa.binary()), marked, pa.array(originals, pa.binary()))


class Utf8Stream(io.RawIOBase):
    """A binary file of some encoding, read as UTF-8; `has_broken` once it met a broken place, `tail` the last bytes."""

    def __init__(self, file: Any, encoding: str):
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)(errors=_ERRORS)
        self._rest = b""
        self.has_broken = False
        self.tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            block = self._file.read(size if size > 0 else None)
            self._rest = self._decoder.decode(block, final=not block).encode()
            self.has_broken |= b"\xf4\x8f" in self._rest
            if not block:
                break
        size = size if size >= 0 else len(self._rest)
        head, self._rest = self._rest[:size], self._rest[size:]
        self.tail = (self.tail + head)[-64:] if len(head) < 64 else head[-64:]
        return head
