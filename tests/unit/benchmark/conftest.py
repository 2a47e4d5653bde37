from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def write_set(folder: Path, name: str, seed: int, n_normal: int = 60, n_anomalies: int = 12) -> None:
    rng = np.random.default_rng(seed)
    X = np.r_[rng.normal(size=(n_normal, 4)), rng.normal(4, 1, size=(n_anomalies, 4))]
    order = rng.permutation(len(X))
    np.savez(folder / f"{name}.npz", X=X[order], y=np.repeat([0, 1], [n_normal, n_anomalies])[order])


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two tiny data sets, one of an odd and one of an even number."""
    folder = tmp_path_factory.mktemp("sets")
    write_set(folder, "10_even", 0)
    write_set(folder, "9_odd", 1)
    return folder
