from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.detectors.explaining import Judgement
from anomaly_cl.detectors.series_explaining import SURPRISES, step_explanations
from anomaly_cl.detectors.series_scorer import OVER_CHANNELS, over_channels
from anomaly_cl.detectors.series_table import SURPRISE, USUAL, channel_reasons

CHANNELS = ("heat", "load", "speed")


def explained(surprise, values, threshold=4.0):
    columns = {}
    for j, name in enumerate(CHANNELS):
        columns |= {name: values[:, j], SURPRISE + name: surprise[:, j], USUAL + name: np.full(len(values), 3.2)}
    rows, score = pa.table(columns), over_channels(surprise)
    judgement = Judgement(lambda cells: over_channels(cells.matrices[SURPRISES]), lambda scores, rows: np.exp(-scores),
                          score, np.full(len(score), threshold), 0.01)
    return step_explanations(rows, CHANNELS, surprise, channel_reasons(rows, CHANNELS, OVER_CHANNELS, score), judgement)


def test_as_few_channels_are_silenced_as_all_subsets_need():
    surprise = np.random.default_rng(0).gamma(1.5, 3, size=(60, 3))
    for row, found in zip(surprise, explained(surprise, np.full((60, 3), 9.0)), strict=True):
        fewest = next(size for size in range(4) for silent in combinations(range(3), size)
                      if over_channels(np.where(np.isin(range(3), silent), 0, row)[None])[0] < 4.0)
        assert (len(found.counterfactual.changes) if found.counterfactual else 0) == fewest
        if found.counterfactual:
            silent = [CHANNELS.index(change.column) for change in found.counterfactual.changes]
            after = over_channels(np.where(np.isin(range(3), silent), 0, row)[None])[0]
            assert found.counterfactual.score == after < 4.0


@pytest.mark.parametrize(("value", "words"), [
    (7.1, "heat 7.1 is 2.2 times its usual 3.2"), (-1.0, "heat -1, usually 3.2"), (None, "heat without a reading"),
    (3.3, "an unusual course of heat (now 3.3, usually 3.2)"),
])
def test_channels_are_told_beside_what_they_usually_show(value, words):
    values = np.array([[np.nan if value is None else value, 3.2, 3.2]])
    found = explained(np.array([[20.0, 0.1, np.nan]]), values)[0]
    assert found.sentence.startswith(words)
    assert [change.words for change in found.counterfactual.changes] == ["heat as usual"]
    assert found.neighbours == ()


def test_a_usual_step_is_said_to_be_usual():
    found = explained(np.array([[1.0, 0.5, 0.2]]), np.full((1, 3), 3.2))[0]
    assert found.sentence.startswith("Not unusual: of 1,000 normal steps 462 look at least as odd; least usual is ")
    assert found.counterfactual is None
