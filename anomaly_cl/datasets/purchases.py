"""How customers buy: where, when, for how much, and by which channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly_cl.datasets.catalogue import CATEGORIES, NUMBER
from anomaly_cl.datasets.population import FAVOURITES, ONLINE, Floats, Ints, World, draw

DAY = 86_400
CHANNELS = ("card_present", "contactless", "online", "atm", "transfer")
CARD_PRESENT, CONTACTLESS, WEB, ATM, TRANSFER = range(5)

# One purchase; `second` counts from the start of the world, `device` is -1 where none is involved, `kind` 0 = honest.
PURCHASE = np.dtype([
    ("second", np.int64), ("customer", np.int32), ("merchant", np.int32), ("channel", np.int8), ("amount", np.float64),
    ("device", np.int64), ("kind", np.int8),
])
Purchases = npt.NDArray[np.void]

LOG_TYPICAL = np.log([category.typical for category in CATEGORIES])
_SPREAD = np.array([category.spread for category in CATEGORIES])
_ENDING = np.array([category.ending for category in CATEGORIES])
_SATURDAY = np.array([category.saturday for category in CATEGORIES])
_SUNDAY = np.array([category.sunday for category in CATEGORIES])


def busyness(world: World, rng: np.random.Generator) -> Floats:
    """Relative number of purchases on each day: weekly rhythm, payday, and chance; (days,), adds up to 1."""
    week = np.array([.93, .92, .96, 1.0, 1.15, 1.22, .78])
    payday = np.array([1.12 if world.month_day(day) <= 4 else 1.0 for day in range(world.days)])
    weight = week[world.weekday(np.arange(world.days))] * payday * rng.normal(1, .03, world.days).clip(.9, 1.1)
    return weight / weight.sum()


def honest_day(world: World, day: int, rows: int, rng: np.random.Generator) -> Purchases:
    """`rows` purchases of that day as the customers' habits have it, in no particular order of time."""
    people = world.customers
    weekday = int(world.weekday(day))
    mood = rng.gamma(2, .5, len(people)) * (people.joined <= day)  # shopping comes in clusters, not evenly
    eager = people.activity * mood * (people.weekend if weekday >= 5 else 1)
    customer = np.repeat(np.arange(len(people)), rng.multinomial(rows, eager / eager.sum()))
    demand = _SATURDAY if weekday == 5 else _SUNDAY if weekday == 6 else np.ones(len(CATEGORIES))
    demand = demand * np.where((np.arange(len(CATEGORIES)) == NUMBER["bills"]) & (world.month_day(day) <= 4), 4, 1)
    category = draw(people.tastes[customer] * demand, rng)
    category = _no_bill_twice(customer, category)
    merchant = habitual_merchants(world, customer, category, day, rng)
    days = np.full(rows, day)
    # Once in a while something large: a washing machine, a wedding dress, a deposit.
    factor = np.exp(np.abs(rng.normal(0, 1.6, rows)) * _SPREAD[category] * (rng.random(rows) < .02))
    return purchases(world, customer, merchant, clock(world, customer, merchant, days, rng), rng, factor=factor)


def habitual_merchants(
    world: World, customer: Ints, category: Ints, day: Ints | int, rng: np.random.Generator
) -> Ints:
    """Where each customer buys this category on that day: on the web or where it is, mostly at a favourite."""
    share = ONLINE[category]
    odds = share * world.customers.online[customer] / np.maximum(1 - share, 1e-9)
    online = rng.random(len(customer)) < odds / (1 + odds)
    place = np.where(online, world.merchants.web, world.customers.place(customer, day))
    return choose_merchants(world, customer, category, place, rng)


def _no_bill_twice(customer: Ints, category: Ints) -> Ints:
    """Categories (rows of one customer together) with all but the first bill of each customer spent eating out."""
    category = category[np.lexsort((category, customer))]
    again = (category[1:] == NUMBER["bills"]) & (category[1:] == category[:-1]) & (customer[1:] == customer[:-1])
    category[1:][again] = NUMBER["restaurant"]
    return category


def choose_merchants(
    world: World, customer: Ints, category: Ints, place: Ints, rng: np.random.Generator, curious: float = .12
) -> Ints:
    """The merchant each customer goes to: a favourite, or at rate `curious` and away from home any popular one."""
    people = world.customers
    online = place == world.merchants.web
    choice = draw(np.broadcast_to(FAVOURITES, (len(customer), len(FAVOURITES))), rng)
    favourite = people.favourites[customer, category, online.astype(int), choice]
    other = world.merchants.draw(category, place, rng)
    explores = (rng.random(len(customer)) < curious) | (~online & (place != people.home[customer]))
    return np.where(explores, other, favourite)


def clock(world: World, customer: Ints, merchant: Ints, day: Ints, rng: np.random.Generator) -> Ints:
    """Second since the start, on that day, when the customer is up and the merchant open."""
    weekend = (world.weekday(day) >= 5).astype(int)
    hour = draw(world.customers.hours[weekend, customer] * world.merchants.hours[merchant], rng)
    return within_hour(day, hour, rng)


def within_hour(day: Ints, hour: Ints, rng: np.random.Generator) -> Ints:
    return day * DAY + hour * 3600 + rng.integers(0, 3600, len(hour))


def purchases(
    world: World, customer: Ints, merchant: Ints, second: Ints, rng: np.random.Generator, *,
    factor: Floats | float = 1.0, amount: Floats | None = None, device: Ints | None = None, kind: int = 0,
) -> Purchases:
    """Rows with the amounts (times `factor`), channels and devices that the customer's habits give, unless given."""
    category = world.merchants.category[merchant]
    rows = np.empty(len(customer), PURCHASE)
    rows["second"], rows["customer"], rows["merchant"], rows["kind"] = second, customer, merchant, kind
    usual = _usual(world, customer, category, merchant, rng) if amount is None else amount
    rows["amount"] = _end_prices(usual * factor, category, rng)
    rows["channel"] = _channels(world, customer, category, merchant, rows["amount"], rng)
    own = _devices(world, customer, second // DAY, rng) if device is None else device
    rows["device"] = np.where(np.isin(rows["channel"], (WEB, TRANSFER)), own, -1)
    return rows


def _usual(world: World, customer: Ints, category: Ints, merchant: Ints, rng: np.random.Generator) -> Floats:
    people = world.customers
    center = LOG_TYPICAL[category] + people.level[customer, category] + world.merchants.price[merchant]
    return np.exp(center + _SPREAD[category] * people.spread[customer] * rng.standard_normal(len(customer)))


def _end_prices(amount: Floats, category: Ints, rng: np.random.Generator) -> Floats:
    """Amounts in whole cents, as the category has them: banknotes, dimes, or prices that end in .99 or .00."""
    ending = _ENDING[category]
    neat = rng.random(len(amount)) < .75
    whole = np.maximum(np.ceil(amount), 1)
    amount = np.where(ending == "notes", np.maximum(np.round(amount / 10) * 10, 10), amount)
    amount = np.where((ending == "dime") & neat, np.round(amount * 10) / 10, amount)
    amount = np.where((ending == "ninety_nine") & neat, whole - np.where(amount * 7 % 1 < .8, .01, 0), amount)
    # Rounding to cents also hides last-bit differences of exp between processors: the same file everywhere.
    return np.round(np.maximum(amount, .2), 2)


def _channels(
    world: World, customer: Ints, category: Ints, merchant: Ints, amount: Floats, rng: np.random.Generator
) -> Ints:
    on_web = world.merchants.first[category, world.merchants.web] <= merchant
    taps = world.customers.contactless[customer] * np.select([amount <= 50, amount <= 150], [1, .2], 0)
    channel = np.where(rng.random(len(customer)) < taps, CONTACTLESS, CARD_PRESENT)
    channel = np.where(on_web, WEB, channel)
    channel = np.where(category == NUMBER["cash"], ATM, channel)
    return np.where(category == NUMBER["bills"], TRANSFER, channel)


def _devices(world: World, customer: Ints, day: Ints, rng: np.random.Generator) -> Ints:
    """Mostly the customer's phone (replaced one day), often its computer, rarely a borrowed device."""
    phone = 4 * customer.astype(np.int64) + 2 * (day >= world.customers.new_phone[customer])
    chance = rng.random(len(customer))
    own = np.where(chance < .68, phone, 4 * customer + 1)
    return np.where(chance < .993, own, foreign_devices(world, len(customer), rng))


def foreign_devices(world: World, n: int, rng: np.random.Generator) -> Ints:
    """Devices that belong to no customer."""
    return 4 * len(world.customers) + rng.integers(0, 5_000_000, n)
