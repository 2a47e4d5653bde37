"""Schemas in YAML that mean nothing, or would mean too much, are refused in bounded time and words."""

import pytest

from anomaly_cl.errors import AnomalyCLError, InputError
from anomaly_cl.schema import Schema

# each list holds nine times the one before: written out, 9 ** 12 words
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))


@pytest.mark.parametrize("text", [
    "columns: {a: *a11}", "columns: *a11", "columns: {a: {kind: numeric, type: double, reason: *a11}}",
    "columns: {a: {kind: numeric, type: double, role: *a11}}", "columns: {a: {kind: *a11, type: double}}",
    "columns: {a: {kind: numeric, type: double, missing: *a11}}",
])
def test_aliases_that_grow_without_bound_are_refused_in_few_words(text):
    with pytest.raises(AnomalyCLError) as told:
        Schema.from_yaml(LAUGHS + text)
    assert len(str(told.value)) < 1_000


@pytest.mark.parametrize("text", ["columns: " + "[" * 5_000, "columns: " + "{a: " * 2_000])
def test_depth_is_refused(text):
    with pytest.raises(InputError, match="valid YAML"):
        Schema.from_yaml(text)


@pytest.mark.parametrize("size", ["0", "true", "x", "99999999999", "0x" + "f" * 5_000])
def test_a_size_that_no_vector_has_is_refused(size):
    with pytest.raises(InputError, match="size of vector column 'a'"):
        Schema.from_yaml(f"columns: {{a: {{kind: vector, type: x, size: {size}}}}}")


@pytest.mark.parametrize("setting", ["type: 3.5", "type: {}", "type: double, reason: []"])
def test_words_that_are_none_are_refused(setting):
    with pytest.raises(InputError, match="must be a text"):
        Schema.from_yaml(f"columns: {{a: {{kind: numeric, {setting}}}}}")
