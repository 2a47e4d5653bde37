"""Series of several channels and entities: in units of normal movement, cut into windows, and scored step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from anomaly_cl.detectors.series_bank import POOLED, ChannelStretch, judged_steps
from anomaly_cl.detectors.series_channel import ChannelScorer, window_heads
from anomaly_cl.detectors.series_heads import centred
from anomaly_cl.detectors.series_training import Member, SeriesTraining, Stretch, train_members
from anomaly_cl.encoders.embed import embed
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.windows import WindowPlan, autocorrelation, repeating_length

LEAST_LENGTH = 8
LEAST_WINDOWS = 4  # that the longest normal stretch must hold end to end
STRIDES = 32  # windows that start within one length
OVER_CHANNELS = 4.0  # power of the mean over channels: a channel counts the more, the more surprised it is
ROUNDING = 1e-6  # of a constant channel: what may well be the sensor's last digit
FARTHEST = 1e9  # units of normal movement: what is farther counts as so far, and float32 holds the squares
MOST_SERIES = 64  # that a period is looked for in


class SeriesScorer:
    """Fitted attributes: `centres_` and `spreads_` {entity: (channels,)}, `live_` (channels,) which of them moved,
    `plan_` and `double_` of the windows, `members_` (encoders) and `channels_`, a ChannelScorer each.
    """

    def fit(
        self, stretches: Sequence[Stretch], period: int | None, training: SeriesTraining, seed: int,
        trainer_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn from normal stretches in their own units, the values (steps, channels) finite or NaN.

        `period` None is looked for. `training_scores_` are the scores (steps,) of the stretches, as `score` gives them
        to steps that the model did not learn from; NaN where none can be said, or none is needed in a very long series.
        Raises InputError if they are too short for two windows.
        """
        self._learn_units(stretches)
        moved = [Stretch(each.entity, self.scaled(each.values, each.entity)) for each in stretches]
        length = _window_length(moved, self.live_, period)
        self.plan_ = _plan(length)
        longest = max(len(each.values) for each in stretches)
        self.double_ = _plan(2 * length) if longest >= 2 * LEAST_WINDOWS * length else None
        self.members_ = train_members(moved, self.live_, self.plan_, training, seed, trainer_options or {})
        judged = judged_steps([(each.entity, ~np.isnan(each.values).all(axis=1)) for each in moved], self.plan_)
        self.channels_ = []
        for channel, live in enumerate(self.live_):
            heads = window_heads(self.plan_, self.double_, self.members_ if live else [], training.without,
                                 self._shared_by)
            parts = [ChannelStretch(each.entity, each.values[:, channel]) for each in moved]
            self.channels_.append(ChannelScorer(heads, "point" not in training.without).fit(parts, judged))
        self.training_scores_ = [
            over_channels(np.stack(columns, axis=1))
            for columns in zip(*(scorer.training_surprise_ for scorer in self.channels_), strict=True)
        ]
        return self

    def scaled(self, values: np.ndarray, entity: str) -> np.ndarray:
        """Values (steps, channels) in units of the entity's normal movement."""
        known = entity if entity in self.centres_ else POOLED
        centre, spread = self.centres_[known], self.spreads_[known]
        away = np.clip(values, centre - FARTHEST * spread, centre + FARTHEST * spread) - centre
        still = ~self.live_ & (np.abs(away) <= ROUNDING * np.maximum(np.abs(centre), 1))
        return np.where(still, 0.0, away / spread)

    def channel_surprise(self, values: np.ndarray, entity: str = POOLED) -> np.ndarray:
        """Surprise (steps, channels) of values (steps, channels), in nats; NaN where nothing can be said."""
        moved = self.scaled(values, entity)
        return np.stack([scorer.surprise(moved[:, channel], entity) for channel, scorer in enumerate(self.channels_)],
                        axis=1)

    def score(self, values: np.ndarray, entity: str = POOLED) -> np.ndarray:
        """Score (steps,) of values (steps, channels): the power mean of the channels' surprise."""
        return over_channels(self.channel_surprise(values, entity))

    def embed(self, values: np.ndarray, entity: str = POOLED) -> tuple[np.ndarray, np.ndarray]:
        """First steps (n,) of windows half a length apart, and their embeddings (n, d) float32 by the first encoder.

        Windows with missing values are left out. Raises UsageError without an encoder.
        """
        if not self.members_:
            raise UsageError("windows are embedded by a trained encoder", "there is none",
                             "fit with members=1 or more, on channels that move")
        moved = self.scaled(values, entity)
        starts = np.arange(0, len(moved) - self.plan_.length + 1, max(1, self.plan_.length // 2))
        windows = [self.plan_.cut(moved[:, channel], starts) for channel in np.flatnonzero(self.live_)]
        known = ~np.isnan(np.concatenate(windows, axis=1)).any(axis=1)
        encoder = self.members_[0].encoder
        return starts[known], np.concatenate([embed(encoder, centred(each[known])) for each in windows], axis=1)

    def to_state(self) -> dict[str, Any]:
        entities = sorted(self.centres_)
        return {
            "entities": entities, "centres": np.array([self.centres_[name] for name in entities]),
            "spreads": np.array([self.spreads_[name] for name in entities]), "live": self.live_,
            "length": self.plan_.length, "has_double": self.double_ is not None,
            "members": [{"part": member.part, "encoder": encoder_state(member.encoder)} for member in self.members_],
            "channels": [scorer.to_state() for scorer in self.channels_],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        scorer = cls()
        named = state["entities"]
        scorer.centres_ = dict(zip(named, np.asarray(state["centres"]), strict=True))
        scorer.spreads_ = dict(zip(named, np.asarray(state["spreads"]), strict=True))
        scorer.live_ = np.asarray(state["live"])
        scorer.plan_ = _plan(state["length"])
        scorer.double_ = _plan(2 * state["length"]) if state["has_double"] else None
        scorer.members_ = [Member(encoder_from_state(member["encoder"]), member["part"]) for member in state["members"]]
        heads = window_heads(scorer.plan_, scorer.double_, scorer.members_, channels=scorer._shared_by)
        scorer.channels_ = [ChannelScorer.from_state(each, heads) for each in state["channels"]]
        return scorer

    @property
    def _shared_by(self) -> int:
        """Channels that the members are shared by."""
        return max(1, int(self.live_.sum()))

    def _learn_units(self, stretches: Sequence[Stretch]) -> None:
        """A channel that stood still in one entity, but moved in others, moves by as much as in these; else by 1."""
        entities = sorted({each.entity for each in stretches})
        units = [_units(np.concatenate([each.values for each in stretches if each.entity == name]))
                 for name in entities]
        centres, spreads = (np.stack(each) for each in zip(*units, strict=True))
        moves = spreads > ROUNDING * np.abs(centres)
        self.live_ = moves.any(axis=0)
        usual = np.ma.filled(np.ma.median(np.ma.array(spreads, mask=~moves), axis=0), 1.0)
        self.centres_ = dict(zip(entities, centres, strict=True)) | {POOLED: np.median(centres, axis=0)}
        self.spreads_ = dict(zip(entities, np.where(moves, spreads, usual), strict=True)) | {POOLED: usual}


def _units(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (channels,) of what is measured of values (steps, channels); 0 where nothing is."""
    known = ~np.isnan(values)
    n = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, values, 0).sum(axis=0) / n
    return centre, np.sqrt(np.square(np.where(known, values - centre, 0)).sum(axis=0) / n)


def _plan(length: int) -> WindowPlan:
    return WindowPlan(length, max(1, length // STRIDES))


def over_channels(surprise: np.ndarray) -> np.ndarray:
    """Power mean (steps,) over the channels (steps, channels) that are measured; NaN where none is."""
    known = ~np.isnan(surprise)
    n = known.sum(axis=1)
    powers = sum((np.where(known, surprise, 0) ** OVER_CHANNELS).T, start=np.zeros(()))
    return np.where(n > 0, (powers / np.maximum(n, 1)) ** (1 / OVER_CHANNELS), np.nan)


def _window_length(stretches: Sequence[Stretch], live: np.ndarray, period: int | None) -> int:
    """Steps of a window: the period, within what the longest stretch can hold."""
    longest = max((each.values for each in stretches), key=len, default=np.zeros((0, 1)))
    if len(longest) < LEAST_WINDOWS * LEAST_LENGTH:
        raise InputError(f"a normal series has {LEAST_WINDOWS * LEAST_LENGTH} steps or more in one piece",
                         f"the longest has {len(longest)}", "give more normal steps, or fill its gaps")
    found = period or _period(stretches, live)
    return max(LEAST_LENGTH, min(found, len(longest) // LEAST_WINDOWS))


def _period(stretches: Sequence[Stretch], live: np.ndarray) -> int:
    """The repeating length of the mean autocorrelation of channels that move, of the longest stretches."""
    chosen = sorted(stretches, key=lambda each: -len(each.values))[:MOST_SERIES]
    n = min(len(chosen[0].values), max(len(chosen[0].values) // 2, LEAST_WINDOWS * LEAST_LENGTH))
    curves = [autocorrelation(np.nan_to_num(each.values[:, channel]))
              for each in chosen if len(each.values) >= n for channel in np.flatnonzero(live)]
    shortest = min((len(curve) for curve in curves), default=0)
    mean = np.mean([curve[:shortest] for curve in curves], axis=0) if curves else np.zeros(0)
    return repeating_length(mean)
