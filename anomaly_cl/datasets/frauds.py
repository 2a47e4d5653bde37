"""Frauds of named kinds, planned as campaigns against customers that are there from the first day."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from anomaly_cl.datasets.campaigns import Campaigns, campaigns, only
from anomaly_cl.datasets.population import ONLINE, Floats, Ints, World, draw
from anomaly_cl.datasets.purchases import (
    DAY,
    PURCHASE,
    Purchases,
    choose_merchants,
    clock,
    foreign_devices,
    purchases,
    within_hour,
)
from anomaly_cl.datasets.quiet_frauds import above_own_level, inflated_account, out_of_character


def plan_frauds(world: World, counts: dict[str, int], rng: np.random.Generator) -> Purchases:
    """As many fraudulent purchases of each kind as `counts` says, ordered by time.

    `kind` numbers ALL_FRAUD_KINDS from 1. Those of SKIMMED are not planned: `skimming` marks honest purchases.
    """
    parts = [np.empty(0, PURCHASE)]
    parts += [_MAKE[kind](world, n, _NUMBER[kind], rng) for kind, n in counts.items() if n and kind != SKIMMED]
    every = np.concatenate(parts)
    return every[np.argsort(every["second"], kind="stable")]


def fraud_counts(kinds: Sequence[str], frauds: int) -> dict[str, int]:
    """How many of the frauds are of each kind, in the order of ALL_FRAUD_KINDS; they add up to `frauds`.

    >>> fraud_counts(("velocity", "amount_burst"), 80)
    {'amount_burst': 50, 'velocity': 30}
    """
    chosen = [kind for kind in ALL_FRAUD_KINDS if kind in kinds]
    cumulated = np.cumsum([_SHARES[kind] for kind in chosen])
    counts = np.diff(np.round(cumulated / cumulated[-1] * frauds).astype(int), prepend=0)
    return dict(zip(chosen, counts.tolist(), strict=True))


def fraud_number(kind: str) -> int:
    """The number that purchases of this kind carry."""
    return _NUMBER[kind]


def _amount_burst(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """A stolen card: for a day or two the customer's usual goods, but for a multiple of the usual amounts."""
    case = campaigns(world, n, (2, 6), (.5, 2.5), rng)
    wanted = world.customers.tastes[case.victim] * only(grocery=.5, clothing=3, electronics=5, home=2, marketplace=3,
                                                         fuel=.5, restaurant=.5, travel=3)
    category, place = _goods(world, case, wanted, .5, rng)
    merchant = choose_merchants(world, case.victim, category, place, rng, curious=.5)
    second = clock(world, case.victim, merchant, case.day, rng)
    return purchases(world, case.victim, merchant, second, rng, factor=rng.lognormal(1.25, .35, n), kind=kind)


def _account_takeover(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """For days somebody else uses the account: another device, other goods, hours and countries."""
    case = campaigns(world, n, (4, 12), (2, 6), rng)
    wanted = np.tile(only(electronics=3, marketplace=3, digital=2, travel=2, bills=2, clothing=1, cash=1), (n, 1))
    category, place = _goods(world, case, wanted, .9, rng)
    abroad = np.where(place == world.merchants.web, place, _another_town(world, place, rng))
    merchant = _foreign(world, category, abroad, rng)
    active = np.roll(world.customers.hours[0, case.victim], 8, axis=1)  # lives in another time zone
    second = within_hour(case.day, draw(active * world.merchants.hours[merchant], rng), rng)
    device = foreign_devices(world, int(case.of[-1]) + 1, rng)[case.of]
    factor = rng.lognormal(.55, .4, n)
    return purchases(world, case.victim, merchant, second, rng, factor=factor, device=device, kind=kind)


def _odd_hour(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """One or two purchases while the customer sleeps, from a merchant it does not know."""
    case = campaigns(world, n, (1, 2), (.1, .5), rng)
    wanted = np.tile(only(fuel=2, cash=2, marketplace=3, digital=2, travel=1, transport=1), (n, 1))
    category, place = _goods(world, case, wanted, .5, rng)
    place = np.where(place == world.merchants.web, place, _another_town(world, place, rng))
    merchant = world.merchants.draw_evenly(category, place, rng)
    active = world.customers.hours[0, case.victim]
    asleep = active < .15 * active.max(axis=1, keepdims=True)
    second = within_hour(case.day, draw(asleep.astype(float), rng), rng)
    return purchases(world, case.victim, merchant, second, rng, factor=rng.lognormal(.4, .4, n), kind=kind)


def _velocity(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """A card is tried out: many small purchases on the web within minutes."""
    case = campaigns(world, n, (5, 14), (0, 0), rng)
    runs = int(case.of[-1]) + 1
    category = draw(np.tile(only(digital=4, marketplace=3, leisure=1), (runs, 1)), rng)
    pair = world.merchants.draw(np.tile(category, (2, 1)), np.full((2, runs), world.merchants.web), rng)
    merchant = pair[rng.integers(0, 2, n), case.of]
    gaps = np.cumsum(rng.exponential(90, n).astype(np.int64) + 4)
    since_first = gaps - gaps[np.searchsorted(case.of, case.of)]
    begin = rng.integers(0, DAY - 7200, runs)[case.of]
    second = case.day * DAY + np.minimum(begin + since_first, DAY - 1)
    amount = rng.lognormal(1.3, .6, n)
    device = foreign_devices(world, runs, rng)[case.of]
    return purchases(world, case.victim, merchant, second, rng, amount=amount, device=device, kind=kind)


def _compromised_merchant(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """For days many customers of a town are charged too much at one merchant, whose terminal was tampered with."""
    case = campaigns(world, n, (12, 40), (3, 10), rng)
    runs = int(case.of[-1]) + 1
    home = world.customers.home
    town = home[case.victim[np.searchsorted(case.of, np.arange(runs))]]
    category = draw(np.tile(only(fuel=2, electronics=1, clothing=2, restaurant=3, cash=2, grocery=1), (runs, 1)), rng)
    merchant = world.merchants.draw(category, town, rng)[case.of]
    by_town = np.flatnonzero(world.customers.joined == 0)
    by_town = by_town[np.argsort(home[by_town], kind="stable")]
    low, high = (np.searchsorted(home[by_town], town, side=side) for side in ("left", "right"))
    victim = by_town[rng.integers(low[case.of], high[case.of])]
    second = clock(world, victim, merchant, case.day, rng)
    return purchases(world, victim, merchant, second, rng, factor=rng.lognormal(.5, .35, n), kind=kind)


SKIMMED = "skimmed_merchant"
_MAKE: dict[str, Callable[[World, int, int, np.random.Generator], Purchases]] = {
    "amount_burst": _amount_burst,
    "account_takeover": _account_takeover,
    "odd_hour": _odd_hour,
    "velocity": _velocity,
    "compromised_merchant": _compromised_merchant,
    "above_own_level": above_own_level,
    "inflated_account": inflated_account,
    "out_of_character": out_of_character,
}
_SHARES = {
    "amount_burst": .25, "account_takeover": .25, "odd_hour": .15, "velocity": .15, "compromised_merchant": .2,
    "above_own_level": .15, "inflated_account": .2, "out_of_character": .15, SKIMMED: .3,
}
ALL_FRAUD_KINDS = tuple(_SHARES)
FRAUD_KINDS = ALL_FRAUD_KINDS[:5]
"""What is simulated unless other kinds are asked for."""
_NUMBER = {kind: number for number, kind in enumerate(ALL_FRAUD_KINDS, start=1)}


def _goods(
    world: World, case: Campaigns, wanted: Floats, online: float, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """A category by weight, and the web (at rate `online`, where the category allows a choice) or the home town."""
    category = draw(wanted, rng)
    share = np.where((ONLINE[category] > 0) & (ONLINE[category] < 1), online, ONLINE[category])
    on_web = rng.random(len(category)) < share
    return category, np.where(on_web, world.merchants.web, world.customers.home[case.victim])


def _another_town(world: World, town: Ints, rng: np.random.Generator) -> Ints:
    return (town + rng.integers(1, world.merchants.web, len(town))) % world.merchants.web


def _foreign(world: World, category: Ints, place: Ints, rng: np.random.Generator) -> Ints:
    """Merchants of the category at the place; on the web preferably not of country 0, where most customers live."""
    merchant = world.merchants.draw_evenly(category, place, rng)
    for _ in range(2):
        again = world.merchants.draw_evenly(category, place, rng)
        merchant = np.where(world.merchants.country[merchant] == 0, again, merchant)
    return merchant
