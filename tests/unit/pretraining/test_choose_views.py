import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from anomaly_cl.encoders.tabular import ResidualMLP
from anomaly_cl.encoders.towers import TwoTowers
from anomaly_cl.errors import ModelError, UsageError
from anomaly_cl.losses.triplet import semi_hard
from anomaly_cl.pretraining import fit
from anomaly_cl.pretraining.choose_views import FEWEST_JUDGED, choose_views, separation
from anomaly_cl.pretraining.fit import METHODS, TrainingSettings, encoder_state, pretrain
from anomaly_cl.pretraining.settings import SCARF_VIEWS
from anomaly_cl.pretraining.triplet import TripletSettings
from anomaly_cl.pretraining.variants import VIEWS, shortened, variants
from anomaly_cl.views.copies import ALL_COPIES

WIDTH = 4
COLUMN_OF = np.arange(WIDTH)
QUICK = TrainingSettings(max_steps=6, steps_per_epoch=2, batch_size=32, encoder_width=8)


def rows_of(n, seed=0):
    rng = np.random.default_rng(seed)
    line = rng.normal(size=(n, 1)) * np.array([1, -1, 2, 1])
    return (line + 0.05 * rng.normal(size=(n, WIDTH))).astype(np.float32)


ROWS, HELD_OUT = rows_of(300), rows_of(80, 1)


class Stretched(ResidualMLP):
    """Raw geometry with one direction made larger or smaller."""

    def __init__(self, direction, factor):
        super().__init__(WIDTH, width=2)
        unit = torch.tensor(direction).float() / np.linalg.norm(direction)
        self.matrix = torch.eye(WIDTH) + (factor - 1) * torch.outer(unit, unit)

    def forward(self, rows):
        return rows @ self.matrix


ENCODERS = {
    "raw": Stretched([1, -1, 2, 1], 1.0),
    "good": Stretched([1, -1, 2, 1], 0.2),  # what normal rows vary in counts less, so what they never do counts more
    "hardly other": Stretched([1, -1, 2, 1], 0.999),
    "blind": Stretched([1, -1, 2, 1], 100.0),
}


def test_separation_equals_the_loops():
    bank, normal, strange = (np.random.default_rng(i).normal(i, 1, (30, 3)).astype(np.float32) for i in (0, 1, 2))

    def distance(row):
        return np.mean(sorted(np.linalg.norm(row - other) for other in bank)[:5])

    scores = [distance(row) for row in [*normal, *strange]]
    assert separation(bank, normal, [strange]) == pytest.approx(roc_auc_score([0] * 30 + [1] * 30, scores))


def chosen(*names):
    return choose_views(ENCODERS.__getitem__, names, ROWS, HELD_OUT, COLUMN_OF, seed=0)


def test_views_that_separate_better_are_taken_wherever_they_stand():
    assert chosen("blind", "raw", "good").name == "good"
    assert chosen("good", "raw", "blind").name == "good"


def test_a_tie_goes_to_the_default():
    for names in (("raw", "hardly other"), ("hardly other", "raw")):
        assert chosen(*names).name == names[0]


def test_gains_are_over_raw_distances():
    gains = chosen("raw", "good", "blind").gains
    assert gains["raw"] == pytest.approx(0, abs=1e-3)
    assert gains["good"] > 0.01
    assert gains["blind"] < -0.01


def collapsing(*bad):
    def train(name):
        if name in bad:
            raise ModelError("a trained encoder must tell rows apart", "it collapsed", "train shorter")
        return ENCODERS[name]

    return train


def test_views_that_collapse_are_ruled_out_and_the_error_stands_if_all_do():
    choice = choose_views(collapsing("raw"), ["raw", "blind"], ROWS, HELD_OUT, COLUMN_OF, seed=0)
    assert choice.name == "blind"
    assert choice.gains["raw"] is None
    with pytest.raises(ModelError):
        choose_views(collapsing("raw"), ["raw"], ROWS, HELD_OUT, COLUMN_OF, seed=0)


def test_with_few_held_out_rows_the_default_stays_untried():
    choice = choose_views(collapsing("raw"), ["raw", "good"], ROWS, HELD_OUT[:FEWEST_JUDGED - 1], COLUMN_OF, seed=0)
    assert (choice.name, choice.gains) == ("raw", {})


@pytest.mark.parametrize("method", ["simclr", "moco", "swav"])
def test_auto_trains_as_the_chosen_views_would(method):
    auto = pretrain(method, ROWS, HELD_OUT, COLUMN_OF, seed=1, settings=TrainingSettings(**vars(QUICK) | {
        "views": "auto"}))
    assert auto.views in VIEWS
    by_name = TrainingSettings(**vars(QUICK) | {"views": VIEWS[auto.views]})
    same = pretrain(method, ROWS, HELD_OUT, COLUMN_OF, seed=1, settings=by_name)
    for name, weights in encoder_state(same.encoder)["weights"].items():
        np.testing.assert_array_equal(encoder_state(auto.encoder)["weights"][name], weights)


def test_each_candidate_trains_a_third_of_the_steps(monkeypatch):
    steps, real = [], fit.pretrain

    def counted(*arguments, **options):
        steps.append(options["settings"].max_steps)
        return real(*arguments, **options)

    monkeypatch.setattr(fit, "pretrain", counted)
    counted("simclr", ROWS, HELD_OUT, COLUMN_OF, seed=1, settings=TrainingSettings(**vars(QUICK) | {"views": "auto"}))
    assert steps == [6, *[2] * len(VIEWS)]


@pytest.mark.parametrize("method", ["triplet", "clip", "neighbours"])
def test_methods_without_views_refuse_to_choose_them(method):
    with pytest.raises(UsageError, match=method):
        pretrain(method, ROWS, HELD_OUT, COLUMN_OF, seed=0, settings=TrainingSettings(views="auto"))


def test_a_method_is_not_built_before_its_views_are_chosen():
    with pytest.raises(UsageError, match="auto"):
        METHODS["simclr"].from_settings(torch.tensor(COLUMN_OF), TrainingSettings(views="auto"), 0)


def test_other_words_than_auto_are_no_views():
    with pytest.raises(UsageError, match="best"):
        TrainingSettings(views="best")


def test_views_are_tried_by_methods_that_have_them_and_negatives_by_triplets():
    others = {name: variants(METHODS[name], TrainingSettings(), 5) for name in METHODS}
    for method in ("simclr", "moco", "swav"):
        assert [*others[method]] == [*VIEWS][1:]  # the default is no variant of itself
    assert len({other.method.negatives for other in others["triplet"].values()}) == 4
    assert len({other.method.kinds for other in others["neighbours"].values()}) == len(ALL_COPIES)
    mined = TrainingSettings(method=TripletSettings(mining=semi_hard), views=VIEWS["noise .1"])
    assert SCARF_VIEWS in {other.views for other in variants(METHODS["triplet"], mined, 5).values()}
    assert {other.method.tower_a for other in others["clip"].values()} == {(0, 2, 4), (0, 1)}
    assert variants(METHODS["clip"], TrainingSettings(), 1) == {}


def test_a_short_training_has_a_third_of_the_steps_of_its_method_or_settings():
    simclr, triplet = METHODS["simclr"], METHODS["triplet"]
    assert shortened(TrainingSettings(), simclr).max_steps == 33
    assert shortened(TrainingSettings(), triplet).max_steps == 6
    assert shortened(TrainingSettings(max_steps=2), simclr).max_steps == 1
    assert shortened(TrainingSettings(max_epochs=3, steps_per_epoch=5), simclr).max_steps == 5


def test_towers_have_no_views():
    assert isinstance(pretrain("clip", ROWS, HELD_OUT, COLUMN_OF, seed=0, settings=QUICK).encoder, TwoTowers)
    assert not METHODS["clip"].has_views(QUICK)
