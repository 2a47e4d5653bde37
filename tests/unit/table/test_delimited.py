"""How text files are sniffed and split."""

import numpy as np
import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Schema
from anomaly_cl.table import delimited
from anomaly_cl.table.delimited import open_delimited
from anomaly_cl.table.encoding import Utf8Stream, original_bytes, sniff_encoding
from anomaly_cl.table.read import open_rows, read_table

SCHEMA = Schema((Column("a", "categorical", "string"), Column("b", "categorical", "string")))


def write(tmp_path, content, name="rows.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_are_sniffed(tmp_path, encoding, ends):
    path = write(tmp_path, ends.join(["a;b", "Müller;10 €", "façade;naïve", ""]).encode(encoding))
    assert read_table(path, SCHEMA).to_pylist() == [{"a": "Müller", "b": "10 €"}, {"a": "façade", "b": "naïve"}]


@pytest.mark.parametrize(("sample", "encoding"), [
    (b"a,b\n1,2\n", "utf-8"), ("a,b\nCafé,2\n".encode(), "utf-8"), ("a,b\nCafé,2\n".encode()[:-4], "utf-8"),
    ("a,b\nCafé,2\n".encode("cp1252"), "cp1252"), ("Café".encode() + b",\xe9", "utf-8"), (b"a,b\n\xff,\xfe\n", "utf-8"),
    (b"a\0b\0\n\0", "utf-16-le"), (b"\0a\0b\0\n", "utf-16-be"), (b"\x89PNG\0\0\0\r", None), (b"", "utf-8"),
])
def test_the_encoding_of_a_sample(sample, encoding):
    assert sniff_encoding(sample) == encoding


@pytest.mark.parametrize(("text", "separator", "names"), [
    ("a,b\n1,2\n", ",", ("a", "b")), ("a;b\n1,5;2,5\n3,5;4,5\n", ";", ("a", "b")),
    ("a\tb\nx, y\tz\n", "\t", ("a", "b")),
    ("a|b|c\n1|2|3\n", "|", ("a", "b", "c")), ("text\nhello, world\nbye\n", "\x1f", ("text",)),
    ('"a, b";c\n1;2\n', ";", ("a, b", "c")), (" a , b\n1,2\n", ",", ("a", "b")),
    (",b\n0,2\n", ",", ("Unnamed: 0", "b")),
    ("0,1,2\n5,6,7\n", ",", ("0", "1", "2")), ("\n\na,b\n1,2\n", ",", ("a", "b")),
])
def test_separator_and_names_are_sniffed(tmp_path, text, separator, names):
    file = open_delimited(str(write(tmp_path, text.encode())))
    assert (file.separator, file.names) == (separator, names)


def test_records_with_a_wrong_field_count_or_broken_bytes_are_rejected_with_their_text(tmp_path):
    path = write(tmp_path, b'a,b\nx,1\ny\n"p\nq",2\n\nz,3,\xff\nw,\xfe\xe9\nv,4\n')
    rejected = []
    stream = open_rows(path, SCHEMA, on_reject=rejected.extend)
    rows = [(number, row["a"]) for batch in stream
            for number, row in zip(batch.row_numbers.tolist(), batch.rows.to_pylist(), strict=True)]
    assert rows == [(0, "x"), (2, "p\nq"), (5, "v")]
    assert [(row.row_number, row.column, row.rule, row.raw_value) for row in rejected] == [
        (1, None, "1 fields where 2 are expected", "y"),
        (3, None, "3 fields where 2 are expected", "z,3,\\xff"),
        (4, "b", "broken encoding", "\\xfe\\xe9"),
    ]
    assert stream.rows_read == 6


def test_with_one_column_an_empty_line_is_a_missing_value(tmp_path):
    path = write(tmp_path, b"a\nx\n\ny, z\n")
    table = read_table(path, Schema((Column("a", "text", "string"),)))
    assert table.column("a").to_pylist() == ["x", None, "y, z"]


@pytest.mark.parametrize("block", [64, 100, 1 << 20])
def test_block_borders_do_not_move_row_numbers(tmp_path, monkeypatch, block):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", block)
    lines = [f"{i},{i}" if i % 7 else f"{i}" for i in range(200)]
    path = write(tmp_path, "\n".join(["a,b", *lines]).encode())
    rejected = []
    numbers = np.concatenate([batch.row_numbers for batch in open_rows(path, SCHEMA, on_reject=rejected.extend)])
    assert numbers.tolist() == [i for i in range(200) if i % 7]
    assert [row.row_number for row in rejected] == list(range(0, 200, 7))


def test_a_record_longer_than_a_block_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 64)
    path = write(tmp_path, b"a,b\n1," + b"x" * 500 + b"\n2,3\n")
    with pytest.raises(InputError, match="cannot be read as delimited text"):
        list(open_rows(path, SCHEMA))


def test_a_quoted_line_break_in_the_last_cell_is_no_open_quote(tmp_path):
    for tail in (b'1,"x\ny"', b'1,"x\ny"\n', b'1,"x\ny"\n1,2,3\n', b'1,5" pipe\n'):
        assert read_table(write(tmp_path, b"a,b\n" + tail), SCHEMA).num_rows == 1


def test_broken_bytes_survive_transcoding():
    class OneByteFile:
        def __init__(self, data):
            self.data = data

        def read(self, size=None):
            head, self.data = self.data[:1], self.data[1:]
            return head

    data = "é".encode() + b"\xff" + "€".encode() + b"\xe2\x82"
    stream = Utf8Stream(OneByteFile(data), "utf-8")
    text = b"".join(iter(lambda: stream.read(5), b"")).decode()
    assert stream.has_broken
    assert original_bytes(text) == data
