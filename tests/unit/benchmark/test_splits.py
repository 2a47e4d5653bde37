from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_cl.errors import InputError, UsageError
from apps.benchmark.data import find_sets, one_class_split, read_set, set_number, unclean_split

SHARED = Path(__file__).parents[4] / "shared"


def labels(n_normal: int, n_anomalies: int) -> np.ndarray:
    y = np.repeat([0, 1], [n_normal, n_anomalies])
    return np.random.default_rng(0).permutation(y)


@given(st.integers(10, 300), st.integers(1, 100), st.integers(0, 5))
def test_training_rows_are_normal_and_no_row_is_used_twice(n_normal: int, n_anomalies: int, seed: int) -> None:
    y = labels(n_normal, n_anomalies)
    train, test, _ = one_class_split(y, seed)
    assert not y[train].any()
    used = np.r_[train, test]
    assert sorted(used) == list(range(len(y)))


def test_large_sets_are_cut_to_4000_and_6000_rows() -> None:
    y = labels(20_000, 3_000)
    train, test, _ = one_class_split(y, 0)
    assert (len(train), len(test)) == (4_000, 6_000)
    assert len(np.unique(np.r_[train, test])) == 10_000


def test_rare_anomalies_are_added_again() -> None:
    y = labels(60_000, 6)
    _, test, _ = one_class_split(y, 0)
    assert y[test].sum() == 6


def test_seeds_give_other_splits() -> None:
    y = labels(50, 5)
    assert set(one_class_split(y, 0).train) != set(one_class_split(y, 1).train)


@pytest.mark.parametrize(("n_normal", "n_anomalies"), [(80, 13), (5_000, 2_000), (20_000, 7), (15_000, 60)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_split_is_that_of_the_shared_protocol(
    tmp_path: Path, n_normal: int, n_anomalies: int, seed: int
) -> None:
    tool = SHARED / "tools" / "adbench_protocol.py"
    if not tool.exists():
        pytest.skip(f"{tool} is not here")
    spec = importlib.util.spec_from_file_location("adbench_protocol", tool)
    assert spec is not None
    assert spec.loader is not None
    protocol = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protocol)
    y = labels(n_normal, n_anomalies)
    np.savez(tmp_path / "1_rows.npz", X=np.arange(len(y))[:, None], y=y)
    train, test, test_labels = protocol.load_split(tmp_path / "1_rows.npz", seed)
    ours = one_class_split(y, seed)
    np.testing.assert_array_equal(ours.train, train.ravel())
    np.testing.assert_array_equal(ours.test, test.ravel())
    np.testing.assert_array_equal(y[ours.test], test_labels)


@given(st.integers(20, 300), st.integers(2, 100), st.sampled_from([0.0, 0.01, 0.05, 0.5]))
def test_anomalies_that_train_are_not_tested(n_normal: int, n_anomalies: int, share: float) -> None:
    y = labels(n_normal, n_anomalies)
    train, test, left_in = unclean_split(y, 0, share)
    assert y[train].sum() == left_in
    assert not set(train) & set(test)
    assert y[test].sum() == n_anomalies - n_anomalies // 2


def test_unclean_training_reaches_the_share() -> None:
    y = labels(2_000, 500)
    for share in (0.01, 0.05):
        assert y[unclean_split(y, 0, share).train].mean() == pytest.approx(share, abs=0.001)


def test_all_shares_have_one_test_and_the_same_normal_rows() -> None:
    y = labels(2_000, 500)
    clean, unclean = unclean_split(y, 3, 0), unclean_split(y, 3, 0.05)
    np.testing.assert_array_equal(clean.test, unclean.test)
    np.testing.assert_array_equal(clean.train, unclean.train[:len(clean.train)])


def test_a_share_of_one_is_refused() -> None:
    with pytest.raises(UsageError, match="below 1"):
        unclean_split(labels(20, 5), 0, 1.0)


def test_sets_come_in_order_of_their_numbers(sets: Path) -> None:
    assert [path.stem for path in find_sets(sets)] == ["9_odd", "10_even"]
    assert [path.stem for path in find_sets(sets, ["10_even"])] == ["10_even"]
    assert set_number("10_even") == 10


def test_unknown_and_missing_sets_are_errors(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="11_no"):
        find_sets(sets, ["11_no"])
    with pytest.raises(InputError, match="none"):
        find_sets(tmp_path)
    with pytest.raises(InputError, match="number"):
        set_number("wine")


def test_missing_values_are_zeros(tmp_path: Path) -> None:
    np.savez(tmp_path / "1_a.npz", X=[[np.nan, 1.0]], y=[[0]])
    X, y = read_set(tmp_path / "1_a.npz")
    assert X.tolist() == [[0.0, 1.0]]
    assert y.shape == (1,)


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "1_a.npz", X=[[1.0]])
    with pytest.raises(InputError, match="lacks"):
        read_set(tmp_path / "1_a.npz")
