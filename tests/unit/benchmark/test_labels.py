from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from apps.benchmark.__main__ import main
from apps.benchmark.data import find_sets, read_set, set_aside, unclean_split
from apps.benchmark.labels import Classifier, LabelJob, label_jobs, label_models
from apps.benchmark.models import Model
from apps.benchmark.peers.devnet import MARGIN, REFERENCES, DevNet, deviation_loss
from apps.benchmark.results import measure


class Remembers:
    """Keeps what it was given."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit_confirmed(self, X: np.ndarray, anomalies: np.ndarray) -> Remembers:
        self.given = X, anomalies
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return X[:, 0]


def test_confirmed_anomalies_are_never_tested_and_the_test_is_the_same_for_any_number(sets: Path) -> None:
    data = find_sets(sets)[0]
    X, y = read_set(data)
    given = {}
    for labels in (0, 2, 5, 99):
        job = LabelJob(data, f"m-{labels}", Model(Remembers, "pyod"), 0, labels=labels)
        split = job.split(y)
        given[labels] = job.fitted(X, y, split).given
        np.testing.assert_array_equal(split.test, unclean_split(y, 0, 0.0).test)
        np.testing.assert_array_equal(given[labels][0], X[split.train])
        assert not (given[labels][1][:, None] == X[split.test]).all(axis=2).any()
        assert measure(job).error == ""
    assert [len(anomalies) for _, anomalies in given.values()] == [0, 2, 5, 6]
    np.testing.assert_array_equal(given[5][1][:2], given[2][1])
    assert (y[set_aside(y, 0)] == 1).all()


def test_every_model_learns_from_labels(sets: Path) -> None:
    jobs = label_jobs(find_sets(sets)[:1], [0], [3])
    assert [job.name for job in jobs] == ["unrefined", *(f"{name}-3" for name in label_models())]
    for job in jobs:
        if job.name != "DevNet-PyOD-3":  # only warns, in ways that it may
            result = measure(job)
            assert result.error == ""
            assert result.test_anomalies == 6


def test_the_command_leaves_a_table(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["labels", "--data", str(sets), "--out", str(tmp_path), "--models", "unrefined", "DevNet", "--counts", "2",
              "4", "--jobs", "1"])
    assert end.value.code == 0
    table = (tmp_path / "labels.md").read_text()
    for name in ("unrefined", "DevNet-2", "DevNet-4"):
        assert f"| {name} |" in table
    with pytest.raises(SystemExit) as end:
        main(["labels", "--data", str(sets), "--out", str(tmp_path), "--models", "Devnet"])
    assert end.value.code == 2


def test_the_deviation_loss_equals_the_loop() -> None:
    scores, labels = torch.randn(9), torch.tensor([0.0, 1, 0, 0, 1, 0, 1, 0, 0])
    reference = torch.randn(REFERENCES, generator=torch.Generator().manual_seed(3))
    total = 0.0
    for score, label in zip(scores.tolist(), labels.tolist(), strict=True):
        deviation = (score - reference.mean().item()) / reference.std().item()
        total += max(0.0, MARGIN - deviation) if label else abs(deviation)
    found = deviation_loss(scores, labels, torch.Generator().manual_seed(3)).item()
    assert found == pytest.approx(total / 9, rel=1e-4)


def test_devnet_ranks_more_of_the_labelled_kind_above_normal_rows_and_repeats_with_its_seed() -> None:
    rng = np.random.default_rng(0)
    normal, anomalies = rng.normal(size=(200, 3)), rng.normal(3, 1, size=(40, 3))
    fitted = [Classifier(DevNet, 1).fit_confirmed(normal, anomalies[:8]) for _ in range(2)]
    first, again = (each.decision_function(anomalies[8:]) for each in fitted)
    np.testing.assert_array_equal(first, again)
    assert np.median(first) > np.quantile(fitted[0].decision_function(normal), 0.99)
