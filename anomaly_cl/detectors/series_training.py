"""The encoders of a series detector: each learns from all but one part of the normal series, which it later judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from anomaly_cl.detectors.series_heads import centred
from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.series import WindowEncoder
from anomaly_cl.encoders.windows import KERNELS, TwoHalves, window_encoder
from anomaly_cl.features.windows import WindowPlan
from anomaly_cl.pretraining.clip import CLIP
from anomaly_cl.pretraining.fit import METHODS, OF_INJECTIONS, contrast_injections, pretrain
from anomaly_cl.pretraining.injections import InjectionsSettings
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.pretraining.triplet import Triplet, TripletSettings
from anomaly_cl.views.windows import WINDOW_VIEWS, InjectedWindow

INJECTIONS = "injections"
MOST_WINDOWS = 6_000  # to train on, evenly spaced
HELD_OUT = 256  # windows that a training is followed by
LEAST_MOVE = 1e-3  # of a window that moves, in standard deviations of its channel


class Stretch(NamedTuple):
    """Values (steps, channels) of one entity, a step apart, in units of normal movement; NaN where not measured."""

    entity: str
    values: np.ndarray


@dataclass(frozen=True)
class SeriesTraining:
    """How encoders are trained: by `method`, "injections" or one of METHODS, `members` of them (0: none).

    encoder: which `window_encoder`; by "clip" there is one for each half of a window. `without` names heads that are
    left out.
    """

    method: str = INJECTIONS
    members: int = 3
    settings: TrainingSettings | None = None
    without: tuple[str, ...] = ()
    encoder: str = KERNELS


class Member(NamedTuple):
    """An encoder of windows less their mean, (n, points), and the part of the series that it did not learn from."""

    encoder: Encoder
    part: int


def parts_of(lengths: Sequence[int], members: int) -> list[np.ndarray]:
    """The part 0, 1, .. of each step of the stretches, (steps,) each: equal shares, in order of time.

    There is a part for each member, and two for a single one, which has to learn from something.
    """
    total, parts = sum(lengths), max(members, 2)
    numbers = np.minimum(np.arange(total) * parts // max(total, 1), parts - 1)
    return np.split(numbers, np.cumsum(lengths)[:-1])


def train_members(
    stretches: Sequence[Stretch], live: np.ndarray, plan: WindowPlan, training: SeriesTraining, seed: int,
    trainer_options: Mapping[str, Any],
) -> list[Member]:
    """Encoders of windows of the channels that are `live` (channels,), shared by these.

    Member k learns from windows that lie at least a window's length from part k: no window that covers a step of the
    part shares a step with any that was learned from.
    """
    if not live.any():
        return []
    parts = parts_of([len(stretch.values) for stretch in stretches], training.members)
    seeds = np.random.SeedSequence(seed).generate_state(2 * training.members)
    members = []
    for k in range(training.members):
        free = [_away_from(part == k, plan.length) for part in parts]
        windows, places = _windows(stretches, free, live, plan)
        encoder = _trained(windows, places, plan, training, (int(seeds[2 * k]), int(seeds[2 * k + 1])), trainer_options)
        members.append(Member(encoder, k))
    return members


def _trained(
    windows: np.ndarray, places: np.ndarray, plan: WindowPlan, training: SeriesTraining, seeds: tuple[int, int],
    trainer_options: Mapping[str, Any],
) -> Encoder:
    moving = np.flatnonzero(np.ptp(windows, axis=1) > LEAST_MOVE)  # flat ones are no measure of what was learned
    held_out = windows[moving[np.linspace(0, len(moving) - 1, min(len(moving), HELD_OUT)).astype(int)]]
    if training.method == INJECTIONS:
        own = InjectionsSettings(places, plan.length, kernel_seed=seeds[1])
        settings = training.settings
        if training.encoder != KERNELS:
            settings = replace(settings or OF_INJECTIONS, encoder=_untrained(windows, training, seeds))
        return contrast_injections(windows, held_out, own, seed=seeds[0], settings=settings,
                                   trainer_options=trainer_options).encoder
    settings = _settings_of_rows(training, _untrained(windows, training, seeds))
    return pretrain(training.method, windows, held_out, np.arange(windows.shape[1]), seed=seeds[0], settings=settings,
                    trainer_options=trainer_options).encoder


def _untrained(windows: np.ndarray, training: SeriesTraining, seeds: tuple[int, int]) -> WindowEncoder | TwoHalves:
    """The encoder of windows (n, width) that training starts from, standardised on them."""
    hidden = None if training.settings is None else training.settings.encoder_width
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds[0])
        encoder = (TwoHalves(windows.shape[1], training.encoder, hidden, seeds[1])
                   if METHODS.get(training.method) is CLIP
                   else window_encoder(training.encoder, windows.shape[1], hidden, seeds[1]))
    if len(windows):
        encoder.standardise(torch.from_numpy(windows))
    return encoder


def _settings_of_rows(training: SeriesTraining, encoder: Encoder) -> TrainingSettings:
    """The settings of a method of METHODS, with what windows have in place of what rows of tables have."""
    settings = training.settings or TrainingSettings()
    method = settings.method
    if method is None and METHODS[training.method] is Triplet:
        method = TripletSettings(negatives=(InjectedWindow(),))
    return replace(settings, encoder=encoder, views=settings.views or WINDOW_VIEWS, method=method)


def _away_from(part: np.ndarray, gap: int) -> np.ndarray:
    """Which steps (steps,) are more than a gap from the part."""
    near = np.convolve(part, np.ones(2 * gap + 1), mode="full")[gap:gap + len(part)]
    return near < 0.5


def _windows(
    stretches: Sequence[Stretch], free: Sequence[np.ndarray], live: np.ndarray, plan: WindowPlan
) -> tuple[np.ndarray, np.ndarray]:
    """Centred windows (n, width) of live channels within free steps, all measured, and their places (n,) in time.

    At most MOST_WINDOWS, evenly spaced; the others are never cut out.
    """
    found, offset = [], 0
    for stretch, steps in zip(stretches, free, strict=True):
        starts = plan.starts(len(steps))
        taken = np.concatenate([[0], np.cumsum(~steps)])
        starts = starts[taken[starts + plan.length] == taken[starts]] if len(starts) else starts
        for channel in np.flatnonzero(live):
            values = stretch.values[:, channel]
            found.append((values, plan.measured(values, starts), offset))
            offset += len(steps) + plan.length
    ends = np.cumsum([len(starts) for _, starts, _ in found])
    kept = np.linspace(0, ends[-1] - 1, min(ends[-1], MOST_WINDOWS)).astype(int)
    windows, places = [], []
    parts = np.split(kept, np.searchsorted(kept, ends[:-1]))
    for (values, starts, offset), part, end in zip(found, parts, ends, strict=True):
        chosen = starts[part - end + len(starts)]
        windows.append(centred(plan.cut(values, chosen)))
        places.append(offset + chosen)
    return np.concatenate(windows), np.concatenate(places)
