"""Frauds whose records are ordinary by themselves: only the customer's own past gives them away."""

from __future__ import annotations

import numpy as np

from anomaly_cl.datasets.campaigns import campaigns, only
from anomaly_cl.datasets.catalogue import CATEGORIES, NUMBER, TOWNS_ABROAD
from anomaly_cl.datasets.population import ONLINE, Floats, World, draw
from anomaly_cl.datasets.purchases import (
    CARD_PRESENT,
    CONTACTLESS,
    LOG_TYPICAL,
    Purchases,
    clock,
    habitual_merchants,
    purchases,
)

FRUGAL = .15  # of the customers: those who spend least, for whom ordinary amounts are large
INFLATED_DAYS = 14.0
_PRICED = only(fuel=3, cash=3, clothing=3, home=1)  # dear, and of amounts that vary little
_SHARE = np.array([category.share for category in CATEGORIES])


def above_own_level(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """A frugal customer's usual shops, for amounts that many customers spend there but this one never does."""
    level = world.customers.level[:, _PRICED > 0].mean(axis=1)
    regular = world.customers.joined == 0
    frugal = regular & (level <= np.quantile(level[regular], FRUGAL))
    case = campaigns(world, n, (2, 5), (1, 6), rng, likely=frugal)
    category = draw(np.tile(_PRICED, (n, 1)), rng)
    merchant = habitual_merchants(world, case.victim, category, case.day, rng)
    amount = np.exp(LOG_TYPICAL[category] + rng.normal(.75, .12, n))
    second = clock(world, case.victim, merchant, case.day, rng)
    return purchases(world, case.victim, merchant, second, rng, amount=amount, kind=kind)


def inflated_account(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """For two weeks, among purchases that stay honest, further ones by the customer's habits for five times as much."""
    case = campaigns(world, n, (4, 9), (INFLATED_DAYS, INFLATED_DAYS), rng)
    category = draw(world.customers.tastes[case.victim] * (np.arange(len(NUMBER)) != NUMBER["bills"]), rng)
    merchant = habitual_merchants(world, case.victim, category, case.day, rng)
    second = clock(world, case.victim, merchant, case.day, rng)
    return purchases(world, case.victim, merchant, second, rng, factor=rng.lognormal(np.log(5), .1, n), kind=kind)


def out_of_character(world: World, n: int, kind: int, rng: np.random.Generator) -> Purchases:
    """What this customer does not do, and others do every day, for its usual amount at its usual hours.

    Goods that it hardly buys, in a town where it never shops, paid in the way that it does not pay.
    """
    case = campaigns(world, n, (1, 2), (.1, .5), rng)
    people = world.customers
    category = draw(_avoided(people.tastes[case.victim]), rng)
    town = np.arange(world.merchants.web - len(TOWNS_ABROAD))
    known = (town == people.home[case.victim, None]) | (town == people.trip_to[case.victim, None])
    merchant = world.merchants.draw(category, draw((~known).astype(float), rng), rng)
    second = clock(world, case.victim, merchant, case.day, rng)
    rows = purchases(world, case.victim, merchant, second, rng, kind=kind)
    by_card = np.isin(rows["channel"], (CARD_PRESENT, CONTACTLESS))
    taps = (people.contactless[case.victim] < .5) & (rows["amount"] <= 50)
    rows["channel"] = np.where(by_card, np.where(taps, CONTACTLESS, CARD_PRESENT), rows["channel"])
    return rows


def _avoided(tastes: Floats) -> Floats:
    """Weights (n, categories) of what is sold in town: popular with others, and far less so with this customer."""
    return _SHARE * (ONLINE < 1) * (_SHARE / tastes) ** 5
