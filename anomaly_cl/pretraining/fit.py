"""Pretraining from arrays to encoder: seeds, the Lightning Trainer, early stopping, best weights, collapse."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor

from anomaly_cl.encoders.embed import BLOCK_ROWS, embed, one_thread
from anomaly_cl.encoders.encoder import Encoder
from anomaly_cl.encoders.pasts import RecordAndPast
from anomaly_cl.encoders.series import KernelResidual, WindowEncoder
from anomaly_cl.encoders.state import encoder_from_state, encoder_state
from anomaly_cl.encoders.towers import MatchedParts
from anomaly_cl.errors import InputError, ModelError, UsageError
from anomaly_cl.pretraining.batches import training_loader, validation_loader
from anomaly_cl.pretraining.choose_views import choose_views
from anomaly_cl.pretraining.clip import CLIP
from anomaly_cl.pretraining.collapse import PROBE_ROWS, check_not_collapsed
from anomaly_cl.pretraining.few_labels import SHORT, FewLabels, FewLabelsSettings
from anomaly_cl.pretraining.injections import AgainstInjections, InjectionsSettings
from anomaly_cl.pretraining.moco import MoCo
from anomaly_cl.pretraining.module import ContrastiveModule, starting_encoder
from anomaly_cl.pretraining.neighbours import Neighbours
from anomaly_cl.pretraining.pairs import Pairs, evenly_mixed, pairs_of_entities
from anomaly_cl.pretraining.pasts import PastsCLIP, PastsSettings
from anomaly_cl.pretraining.settings import AUTO, FEWEST_ROWS, TrainingSettings, unwatched
from anomaly_cl.pretraining.simclr import SimCLR
from anomaly_cl.pretraining.swav import SwAV
from anomaly_cl.pretraining.triplet import Triplet
from anomaly_cl.pretraining.variants import VIEWS, shortened
from anomaly_cl.schema import Column

__all__ = [
    "METHODS", "Pairs", "PretrainResult", "TrainingSettings", "embed", "encoder_from_state", "encoder_state",
    "pretrain",
]

METHODS: dict[str, type[ContrastiveModule]] = {
    "neighbours": Neighbours, "simclr": SimCLR, "moco": MoCo, "swav": SwAV, "triplet": Triplet, "clip": CLIP,
}
OWN_OPTIONS = ("max_epochs", "max_steps")
WATCHED = 256  # held-out rows that a training is followed by, where they decide nothing
METRICS = ("train_loss", "val_loss", "rank", "spread")
OF_INJECTIONS = TrainingSettings(encoder_width=128, steps_per_epoch=50)


@dataclass(frozen=True)
class PretrainResult:
    """An encoder on the CPU in evaluation mode, and how it came about.

    `history` has a dict an epoch: epoch (from 0), train_loss, val_loss, rank, spread. `untrained_because` says why the
    encoder is the untrained one, which is raw geometry; it is empty after training. `prototypes` float32 (groups,
    n_outputs) are the mean embeddings of the groups of normal behaviour that SwAV found; other methods have none.
    `matching` (a `MatchedParts`) projects the embedding of CLIP's towers so that parts of one record can be compared.
    `views` names those that were chosen by the rows; it is empty if the settings said which.
    """

    encoder: Encoder
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    untrained_because: str = ""
    prototypes: np.ndarray | None = None
    matching: MatchedParts | None = None
    views: str = ""

    @property
    def trained(self) -> bool:
        return not self.untrained_because

    @property
    def stopped_epoch(self) -> int | None:
        """The last epoch that was run (from 0), or None."""
        return len(self.history) - 1 if self.history else None


def pretrain(
    method: str,
    rows: np.ndarray,
    held_out: np.ndarray,
    column_of: np.ndarray,
    *,
    seed: int,
    settings: TrainingSettings | None = None,
    columns: Sequence[Column] | None = None,
    pairs: Pairs | None = None,
    entities: Sequence[np.ndarray] = (),
    trainer_options: Mapping[str, Any] | None = None,
) -> PretrainResult:
    """Train an encoder by one of METHODS on normal rows (n, width), stopping early on other normal rows `held_out`.

    `column_of` (width,) gives the position of the input column of each output, and `columns` what these are, for
    settings that name them. `pairs` are rows that the user knows to be of the same kind, or of different kinds; they
    add a triplet loss to that of any method, and so do `entities` with the setting `entity_pairs`: each int (n,), the
    numbers of whom the rows are about, below 0 where unknown. Everything random comes from `seed`; torch's global
    generators are left as they were. `trainer_options` go to `pytorch_lightning.Trainer` (accelerator,
    devices, strategy, logger, enable_progress_bar, callbacks ...); without them nothing is printed or written. With
    fewer than 8 rows in either part, rows that are all alike, or too few columns for the method, there is nothing to
    contrast: the untrained encoder is returned.

    Raises UsageError for an unknown method or option or for shapes that do not fit, InputError for numbers that are not
    finite, and ModelError if the run diverged or collapsed.
    """
    if method not in METHODS:
        raise UsageError(f"the pretraining method is among {sorted(METHODS)}", f"it is {method!r}", "choose one")
    settings, options, name = settings or TrainingSettings(), trainer_options or {}, ""
    if settings.encoder is not None and METHODS[method].in_all_spaces:
        raise UsageError(f"{method!r} makes its encoder of all spaces itself", "the settings give one",
                         "leave it out, or choose another method")
    if settings.views == AUTO:
        _checked(rows, held_out, column_of)
        name, settings = _chosen_views(method, settings, rows, held_out, column_of, seed, options)
    trained = _contrast(METHODS[method], rows, held_out, column_of, seed, settings, columns, pairs, entities, options)
    return replace(trained, views=name)


def contrast_confirmed(
    rows: np.ndarray,
    held_out: np.ndarray,
    anomalies: np.ndarray,
    column_of: np.ndarray,
    *,
    seed: int,
    trainer_options: Mapping[str, Any] | None = None,
) -> PretrainResult:
    """Train an encoder to tell normal rows (n, width) from a few confirmed anomalies (m, width); see `FewLabels`.

    Everything else is as in `pretrain`.
    """
    if not len(anomalies) or np.shape(anomalies)[1:] != np.shape(rows)[1:] or not np.isfinite(anomalies).all():
        raise UsageError("confirmed anomalies are finite rows of the same width, one at least",
                         f"found {np.shape(anomalies)}", "encode them as the normal rows")
    return _contrast(FewLabels, rows, held_out, column_of, seed, replace(SHORT, method=FewLabelsSettings(anomalies)),
                     None, None, (), trainer_options or {})


def contrast_pasts(
    rows: np.ndarray,
    held_out: np.ndarray,
    pasts: PastsSettings,
    *,
    seed: int,
    settings: TrainingSettings | None = None,
    trainer_options: Mapping[str, Any] | None = None,
) -> PretrainResult:
    """Train a `RecordAndPast` on rows (n, width) of `EntityHistory.rows`, each with a past; see `PastsCLIP`.

    Everything else is as in `pretrain`. If the pasts are no longer told apart, that is a collapse too.
    """
    settings = replace(settings or TrainingSettings(encoder_width=64, patience=6), method=pasts)
    result = _contrast(PastsCLIP, rows, held_out, np.arange(np.shape(rows)[1]), seed, settings, None, None, (),
                       trainer_options or {})
    if not isinstance(result.encoder, RecordAndPast):  # there was nothing to contrast
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return replace(result, encoder=pasts.encoder(settings).eval())
    with torch.inference_mode():
        probe = result.encoder.past_of(_evenly_spaced(torch.tensor(held_out, dtype=torch.float32), PROBE_ROWS))
        check_not_collapsed(result.encoder.tower_b.pooled(probe), result.encoder.tower_b(probe))
    return result


def contrast_injections(
    rows: np.ndarray,
    held_out: np.ndarray,
    own: InjectionsSettings,
    *,
    seed: int,
    settings: TrainingSettings | None = None,
    trainer_options: Mapping[str, Any] | None = None,
) -> PretrainResult:
    """Train a `KernelResidual`, or the encoder of windows that the settings give, on windows (n, points), each with a
    place in `own`; see `AgainstInjections`.

    Everything else is as in `pretrain`. Where there is nothing to contrast, the encoder is the untrained one, with its
    features standardised.
    """
    settings = replace(settings or OF_INJECTIONS, method=own)
    result = _contrast(AgainstInjections, rows, held_out, np.arange(np.shape(rows)[1]), seed, settings, None, None, (),
                       trainer_options or {})
    if not isinstance(result.encoder, WindowEncoder):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            untrained = KernelResidual(np.shape(rows)[1], own.kernels, settings.encoder_width, own.kernel_seed)
        if len(rows):
            untrained.standardise(torch.tensor(rows, dtype=torch.float32))
        return replace(result, encoder=untrained.eval())
    return result


def _contrast(
    kind: type[ContrastiveModule], rows: np.ndarray, held_out: np.ndarray, column_of: np.ndarray, seed: int,
    settings: TrainingSettings, columns: Sequence[Column] | None, pairs: Pairs | None, entities: Sequence[np.ndarray],
    trainer_options: Mapping[str, Any],
) -> PretrainResult:
    training, validation = _checked(rows, held_out, column_of)
    settings = replace(settings, max_steps=kind.steps_for(settings, training.shape[1]))
    batch_size = settings.batch_size or kind.default_batch
    settings = settings if columns is None else kind.for_columns(settings, columns)
    weight_seed, view_seed, order_seed, prepare_seed, pair_seed = _child_seeds(seed, 5)
    if settings.entity_pairs and not entities:
        raise UsageError("pairs of entities need to know whom each row is about", "no entities are given",
                         "give a column the role entity, or leave entity_pairs out")
    known = _known_pairs(pairs, entities if settings.entity_pairs else (), len(training), pair_seed)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(weight_seed)
        record = _Record()
        trainer = _trainer(settings, [record, *_stopping(kind, settings)], trainer_options)
        reason = _nothing_to_contrast(training, validation, column_of, kind.least_columns)
        if reason:
            untrained = starting_encoder(training.shape[1], settings, view_seed)
            return PretrainResult(untrained.eval(), untrained_because=reason)
        module = kind.from_settings(torch.tensor(column_of, dtype=torch.long), settings, view_seed)
        with _quiet(), one_thread():
            module.prepare(training, torch.Generator().manual_seed(prepare_seed))
            trainer.fit(
                module,
                training_loader(training, batch_size, settings.epoch_steps, order_seed, known),
                validation_loader(_evenly_spaced(validation, settings.held_out_rows if kind.stops_early else WATCHED),
                                  batch_size),
            )
    if not record.history:
        raise UsageError("training must end at least one epoch, in this process", f"none ended with {trainer_options}",
                         "choose another strategy, or give it more time")
    _check_finite(record.history)
    if kind.stops_early:
        module.load_state_dict(record.best_state)
    encoder = module.trained_encoder.cpu().eval()
    probe = _evenly_spaced(validation, PROBE_ROWS)
    check_not_collapsed(probe, torch.from_numpy(embed(encoder, probe.numpy())))
    matching = module.matching
    return PretrainResult(encoder, record.history, record.best_epoch if kind.stops_early else None,
                          prototypes=_prototypes(module.cpu(), training),
                          matching=None if matching is None else matching.cpu().eval())


def _chosen_views(
    method: str, settings: TrainingSettings, rows: np.ndarray, held_out: np.ndarray, column_of: np.ndarray, seed: int,
    trainer_options: Mapping[str, Any],
) -> tuple[str, TrainingSettings]:
    """Name of the views that suit the rows best after a short training, and the settings with them."""
    kind = METHODS[method]
    if not kind.has_views(settings):
        raise UsageError(f"views are chosen for methods that make pairs by views; {method!r} makes them otherwise",
                         f"views are {settings.views!r}", "leave views out, or choose another method")
    candidates = {name: replace(settings, views=views) for name, views in VIEWS.items()}

    def train(name: str) -> Encoder:
        short = replace(shortened(candidates[name], kind), entity_pairs=False)
        return pretrain(method, rows, held_out, column_of, seed=seed, settings=short,
                        trainer_options=unwatched(trainer_options)).encoder

    chosen = choose_views(train, list(candidates), rows, held_out, column_of, seed).name
    return chosen, candidates[chosen]


class _Record(Callback):
    """Keeps each epoch's numbers, and the weights of the epoch with the least loss on held-out rows."""

    def __init__(self) -> None:
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.best_state: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        lacking = sorted(set(METRICS) - set(trainer.callback_metrics))
        if lacking:
            raise UsageError("every epoch ends with a validation", f"epoch {trainer.current_epoch} has no {lacking}",
                             "leave out the trainer options that skip batches or validations")
        numbers = {name: float(trainer.callback_metrics[name]) for name in METRICS}
        self.history.append({"epoch": trainer.current_epoch} | numbers)
        if self.best_epoch is None or numbers["val_loss"] < self.history[self.best_epoch]["val_loss"]:
            self.best_epoch, self.best_state = trainer.current_epoch, copy.deepcopy(pl_module.state_dict())


def _stopping(kind: type[ContrastiveModule], settings: TrainingSettings) -> list[Callback]:
    return [EarlyStopping("val_loss", patience=settings.patience)] if kind.stops_early else []


def _trainer(settings: TrainingSettings, own: Sequence[Callback], options: Mapping[str, Any]) -> pl.Trainer:
    unknown = sorted(set(options) - set(signature(pl.Trainer).parameters))
    reserved = sorted(set(options) & set(OWN_OPTIONS))
    if unknown or reserved:
        raise UsageError(f"trainer options are arguments of pytorch_lightning.Trainer other than {list(OWN_OPTIONS)}",
                         f"found {unknown + reserved}", "correct the name, or use TrainingSettings")
    given = options.get("callbacks") or []
    defaults = {
        "devices": 1, "logger": False, "enable_checkpointing": False, "enable_model_summary": False,
        "enable_progress_bar": False, "num_sanity_val_steps": 0, "gradient_clip_val": 1.0,
        "log_every_n_steps": settings.epoch_steps,
    }
    own_options = {
        "max_epochs": settings.epochs,
        "callbacks": [*(given if isinstance(given, Sequence) else [given]), *own],
    }
    try:
        with _quiet():
            return pl.Trainer(**(defaults | dict(options) | own_options))
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise UsageError("trainer options must suit Lightning and this machine", str(error).splitlines()[0],
                         "correct the option, or leave it out") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's notes on hardware, and without warnings of what neither we nor the user can mend."""
    log = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers")  # rows in memory need none
            warnings.filterwarnings("ignore", message=".*LeafSpec")  # between Lightning and torch
            yield
    finally:
        log.setLevel(level)


def _checked(rows: np.ndarray, held_out: np.ndarray, column_of: np.ndarray) -> tuple[Tensor, Tensor]:
    shapes = np.shape(rows), np.shape(held_out), np.shape(column_of)
    if [len(shape) for shape in shapes] != [2, 2, 1] or len({shape[-1] for shape in shapes}) > 1 or not shapes[2][0]:
        raise UsageError("rows (n, width), held-out rows (m, width) and column_of (width,) have one width, above 0",
                         f"found {shapes}", "encode both parts with the same features")
    for matrix, name in ((rows, "training"), (held_out, "held-out")):
        if not np.isfinite(matrix).all():
            raise InputError(f"{name} rows must be finite", f"{(~np.isfinite(matrix)).sum()} values are not",
                             "encode the rows with TableEncoder, or leave them out")
    return torch.tensor(rows, dtype=torch.float32), torch.tensor(held_out, dtype=torch.float32)


def _known_pairs(pairs: Pairs | None, entities: Sequence[np.ndarray], n_rows: int, seed: int) -> Pairs | None:
    """The user's pairs and those of rows about the same entity, in equal shares."""
    if pairs is not None:
        pairs.check(n_rows)
    if wrong := [np.shape(numbers) for numbers in entities if np.shape(numbers) != (n_rows,)]:
        raise UsageError(f"entities are numbers (n,) of the {n_rows} training rows", f"found shapes {wrong}",
                         "give each row a number")
    rng = np.random.default_rng(seed)
    tables = [pairs, *(pairs_of_entities(np.asarray(numbers), rng) for numbers in entities)]
    return evenly_mixed([table for table in tables if table is not None])


def _child_seeds(seed: int, n: int) -> list[int]:
    if seed < 0:
        raise UsageError("a seed is not negative", f"it is {seed}", "use for example 0")
    return [int(child) for child in np.random.SeedSequence(seed).generate_state(n)]


def _nothing_to_contrast(training: Tensor, validation: Tensor, column_of: np.ndarray, least_columns: int) -> str:
    if min(len(training), len(validation)) < FEWEST_ROWS:
        return f"{len(training)} training and {len(validation)} held-out rows; each needs at least {FEWEST_ROWS}"
    if (training == training[0]).all() or (validation == validation[0]).all():
        return "all rows of a part are alike"
    if len(np.unique(column_of)) < least_columns:
        return f"the rows have fewer than {least_columns} columns, which this method contrasts with each other"
    return ""


def _prototypes(module: ContrastiveModule, rows: Tensor) -> np.ndarray | None:
    """Mean embedding (groups, n_outputs) of each group that holds any of the rows (n, width), by falling size."""
    with torch.inference_mode():
        parts = [module.groups(part) for part in rows.split(BLOCK_ROWS)]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    groups, embeddings = torch.cat(known).numpy(), embed(module.encoder, rows.numpy())
    held, sizes = np.unique(groups, return_counts=True)
    return np.stack([embeddings[groups == group].mean(axis=0) for group in held[np.argsort(-sizes, kind="stable")]])


def _evenly_spaced(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, the first and last among them: rows in order of time are seen from all times."""
    return rows[torch.arange(most) * (len(rows) - 1) // (most - 1)] if len(rows) > most else rows


def _check_finite(history: list[dict[str, float]]) -> None:
    for numbers in history:
        if not all(map(math.isfinite, numbers.values())):
            raise ModelError("losses must stay finite", f"training diverged in epoch {numbers['epoch']}: {numbers}",
                             "lower the learning rate, or look for extreme values in the rows")
