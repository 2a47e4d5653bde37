"""The people and shops of the simulated world: who they are and what they are used to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cl.datasets.catalogue import (
    CATEGORIES,
    FIRST_HALVES,
    HOME_TOWNS,
    SECOND_HALVES,
    TOWNS_ABROAD,
    WEB_COUNTRIES,
)

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]

HOURS = np.arange(24)
FAVOURITES = (.55, .25, .2)  # how a customer splits a category among its three preferred merchants
ONLINE = np.array([category.online for category in CATEGORIES])


def draw(weights: Floats, rng: np.random.Generator) -> Ints:
    """One column for each row of `weights` (n, k), with probability proportional to the weight; int (n,)."""
    cumulated = np.cumsum(weights, axis=1)
    return (cumulated <= rng.random((len(weights), 1)) * cumulated[:, -1:]).sum(axis=1)


@dataclass(frozen=True)
class Merchants:
    """Merchants (m,), ordered by category and place; the place after the last town is the web.

    `cumulated` (m + 1,) is their popularity added up, so that one search draws from any run of neighbours; `first`
    (categories, places + 1) says where each run begins. `hours` (m, 24): demand in each hour, zero when closed.
    """

    category: Ints
    country: Ints
    price: Floats
    hours: Floats
    number: Ints
    text: tuple[str, ...]
    countries: tuple[str, ...]
    cumulated: Floats
    first: Ints

    @property
    def web(self) -> int:
        return self.first.shape[1] - 2

    def draw(self, category: Ints, place: Ints, rng: np.random.Generator) -> Ints:
        """A merchant of each category at each place, by popularity; shapes broadcast."""
        low, high = self.first[category, place], self.first[category, place + 1]
        target = self.cumulated[low] + rng.random(low.shape) * (self.cumulated[high] - self.cumulated[low])
        return np.clip(np.searchsorted(self.cumulated, target, side="right") - 1, low, high - 1)

    def draw_evenly(self, category: Ints, place: Ints, rng: np.random.Generator) -> Ints:
        """A merchant of each category at each place, each as likely as the other; shapes broadcast."""
        return rng.integers(self.first[category, place], self.first[category, place + 1])


@dataclass(frozen=True)
class Customers:
    """Customers (n,) and their habits.

    `tastes`, `level` (n, categories): weight of each category, and log of the usual amount relative to the
    category's; `spread`: how far single amounts stray; `favourites` (n, categories, 2, 3): preferred merchants
    in town and on the web; `hours` (2, n, 24): active hours on weekdays and at weekends; `joined`, `new_phone`: days
    counted from the start; a trip of `trip_length` days to `trip_to` recurs every `trip_every` days.
    """

    number: Ints
    home: Ints
    activity: Floats
    weekend: Floats
    tastes: Floats
    level: Floats
    spread: Floats
    online: Floats
    contactless: Floats
    favourites: Ints
    hours: Floats
    joined: Ints
    new_phone: Ints
    trip_every: Ints
    trip_phase: Ints
    trip_length: Ints
    trip_to: Ints

    def __len__(self) -> int:
        return len(self.home)

    def place(self, customer: Ints, day: Ints | int) -> Ints:
        """The town each customer is in on that day: home, or where the trip goes."""
        away = (day + self.trip_phase[customer]) % self.trip_every[customer] < self.trip_length[customer]
        return np.where(away, self.trip_to[customer], self.home[customer])


@dataclass(frozen=True)
class World:
    """Merchants, customers, and the days they are watched for, from `start` (a midnight)."""

    start: np.datetime64
    days: int
    merchants: Merchants
    customers: Customers

    def weekday(self, day: Ints | int) -> Ints:
        """0 = Monday."""
        return (self.start.astype("datetime64[D]").astype(int) + 3 + day) % 7

    def month_day(self, day: int) -> int:
        """1 = first of the month."""
        date = self.start.astype("datetime64[D]") + day
        return int((date - date.astype("datetime64[M]").astype("datetime64[D]")).astype(int)) + 1


def build_world(customers: int, days: int, start: np.datetime64, seed: np.random.SeedSequence) -> World:
    """A world of that size; towns and merchants grow with the number of customers."""
    for_merchants, for_customers = (np.random.Generator(np.random.PCG64(child)) for child in seed.spawn(2))
    towns = min(3 + customers // 60, len(HOME_TOWNS))
    merchants = _merchants(towns, customers, for_merchants)
    return World(start, days, merchants, _customers(customers, towns, days, merchants, for_customers))


def _merchants(towns: int, extra: int, rng: np.random.Generator) -> Merchants:
    places = (*HOME_TOWNS[:towns], *TOWNS_ABROAD)
    web, kinds = len(places), len(CATEGORIES)
    in_town, on_web = ONLINE < 1, ONLINE > 0
    at = np.argwhere(np.column_stack([np.tile(in_town[:, None], web), on_web]))  # one merchant each, and then more
    size = np.append(1 / np.arange(1, web + 1), 4.0)[at[:, 1]]
    wanted = size * np.array([category.share for category in CATEGORIES])[at[:, 0]]
    at = at.repeat(1 + rng.multinomial(extra, wanted / wanted.sum()), axis=0)
    category, place = at.T
    countries = tuple(dict.fromkeys([country for _, country in places] + [country for country, _ in WEB_COUNTRIES]))
    local = np.array([countries.index(country) for _, country in places])
    abroad = np.array([countries.index(country) for country, _ in WEB_COUNTRIES])
    from_web = abroad[draw(np.tile([weight for _, weight in WEB_COUNTRIES], (len(at), 1)), rng)]
    number = rng.permutation(len(at)) + 1
    popularity = 1 + rng.pareto(1.1, len(at))  # a few merchants get most customers
    return Merchants(
        category=category,
        country=np.where(place == web, from_web, np.append(local, 0)[place]),
        price=rng.normal(0, .2, len(at)),
        hours=_opening(category, rng),
        number=number,
        text=tuple(_name(c, places[p][0] if p < web else None, n, rng) for (c, p), n in zip(at, number, strict=True)),
        countries=countries,
        cumulated=np.append(0, np.cumsum(popularity)),
        first=np.searchsorted(category * (web + 1) + place, np.arange(kinds)[:, None] * (web + 1) + np.arange(web + 2)),
    )


def _opening(category: Ints, rng: np.random.Generator) -> Floats:
    demand = np.empty((len(CATEGORIES), 24))
    for row, kind in zip(demand, CATEGORIES, strict=True):
        row[:] = .25 + sum(np.exp(-((HOURS - peak) / 2.5) ** 2 / 2) for peak in kind.peaks)
    opens, closes = np.array([kind.opening for kind in CATEGORIES])[category].T
    all_day = closes - opens == 24
    opens = opens + np.where(all_day, 0, rng.integers(-1, 2, len(category)))
    closes = np.minimum(closes + np.where(all_day, 0, rng.integers(-1, 2, len(category))), 24)
    return demand[category] * ((opens[:, None] <= HOURS) & (closes[:, None] > HOURS))


def _name(category: int, town: str | None, number: int, rng: np.random.Generator) -> str:
    words = CATEGORIES[category].words
    first, second = rng.integers(len(FIRST_HALVES)), rng.integers(len(SECOND_HALVES))
    name = f"{FIRST_HALVES[first]}{SECOND_HALVES[second]} {words[rng.integers(len(words))]}"
    return name if town is None else f"{name} {number % 10_000:04d} {town}"


def _customers(n: int, towns: int, days: int, merchants: Merchants, rng: np.random.Generator) -> Customers:
    kinds = len(CATEGORIES)
    share = np.array([category.share for category in CATEGORIES])
    tastes = rng.gamma(2.5, share / 2.5, (n, kinds)) + .02 * share
    home = draw(np.tile(1 / np.arange(1, towns + 1) ** .8, (n, 1)), rng)
    elsewhere = rng.integers(1, towns + len(TOWNS_ABROAD), n)
    has_trips = rng.random(n) < .6
    return Customers(
        number=rng.permutation(n) + 1,
        home=home,
        activity=rng.lognormal(0, .6, n),
        weekend=rng.lognormal(0, .25, n),
        tastes=tastes,
        level=rng.normal(0, .35, (n, 1)) + rng.normal(0, .25, (n, kinds)),
        spread=rng.lognormal(0, .2, n),
        online=rng.lognormal(0, .7, n),
        contactless=rng.beta(2, 1, n),
        favourites=_favourites(home, merchants, rng),
        hours=_active_hours(n, rng),
        joined=np.where(rng.random(n) < .1, rng.integers(0, days // 2 + 1, n), 0),
        new_phone=rng.integers(0, 300, n),
        trip_every=rng.integers(40, 120, n),
        trip_phase=rng.integers(0, 120, n),
        trip_length=np.where(has_trips, rng.integers(2, 10, n), 0),
        trip_to=(home + elsewhere) % (towns + len(TOWNS_ABROAD)),
    )


def _favourites(home: Ints, merchants: Merchants, rng: np.random.Generator) -> Ints:
    home = home[:, None]
    in_town = np.where(ONLINE == 1, merchants.web, home)  # what is sold on the web only is bought there, and
    on_web = np.where(ONLINE == 0, home, merchants.web)  # what is sold in town only is bought in town
    place = np.stack([in_town, on_web], axis=2)[..., None].repeat(len(FAVOURITES), axis=3)
    return merchants.draw(np.arange(len(CATEGORIES))[:, None, None], place, rng).astype(np.int32)


def _active_hours(n: int, rng: np.random.Generator) -> Floats:
    night_worker = np.where(rng.random(n) < .03, 10, 0)
    noon, evening = rng.normal(12.3, 1.6, n) + night_worker, rng.normal(18.5, 1.4, n) + night_worker
    width, late = rng.uniform(1.2, 2.6, (n, 1)), rng.uniform(.5, 1.5, (n, 1))

    def around(peak: Floats) -> Floats:
        apart = (HOURS - peak[:, None] + 12) % 24 - 12
        return np.exp(-((apart / width) ** 2) / 2)

    # At weekends everything starts a little later; anybody may be up at night once in a while.
    return np.stack([around(noon + shift) + late * around(evening + shift) for shift in (0, 1.2)]) + .01
