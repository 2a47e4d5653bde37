"""Card and account transactions of simulated customers, with frauds of named kinds among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.datasets.catalogue import CATEGORIES
from anomaly_cl.datasets.frauds import ALL_FRAUD_KINDS, FRAUD_KINDS, SKIMMED, fraud_counts, fraud_number, plan_frauds
from anomaly_cl.datasets.population import Ints, World, build_world
from anomaly_cl.datasets.purchases import CHANNELS, DAY, TRANSFER, WEB, Purchases, busyness, honest_day
from anomaly_cl.datasets.skimming import Skimming, tied
from anomaly_cl.datasets.stream import instant, share, stream, whole_number
from anomaly_cl.errors import UsageError

SCHEMA = pa.schema([
    ("transaction_id", pa.int64()),
    ("booked_at", pa.timestamp("s")),
    ("customer_id", pa.string()),
    ("merchant_id", pa.string()),
    ("merchant_category", pa.string()),
    ("channel", pa.string()),
    ("country", pa.string()),
    ("device_id", pa.string()),
    ("amount", pa.float64()),
    ("descriptor", pa.string()),
    ("is_fraud", pa.int8()),
    ("fraud_kind", pa.string()),
])

_PER_CUSTOMER = 120  # purchases of a customer in the whole file, on the mean
_PER_DAY = 1.3  # and a day
_MOST_CUSTOMERS = 50_000  # from here on a longer file covers more days, so that memory stays bounded
_LEAST_CUSTOMERS = 20


def simulate_transactions(
    rows: int, seed: int, *, fraud_share: float = .01, kinds: Sequence[str] = FRAUD_KINDS, newcomers: float = 0.0,
    ties: float = 0.0, start: object = "2026-01-01", batch_rows: int = 65_536
) -> pa.RecordBatchReader:
    """Exactly `rows` transactions ordered by time, `round(rows * fraud_share)` of them fraudulent, as record batches.

    Columns: `transaction_id` (key, ascending), `booked_at` (local time), the entities `customer_id`, `merchant_id` and
    `device_id` (null where no device is involved), `merchant_category`, `channel`, `country` (of the merchant),
    `amount` (one currency), `descriptor` (the bank's text), and for evaluation `is_fraud` (0/1) with `fraud_kind` (one
    of `kinds`, or null). About 120 transactions a customer over about 90 days from midnight of `start`.

    Args:
        kinds: names out of ALL_FRAUD_KINDS, of which the frauds are.
        newcomers: share of the customers (to 0.5) whose first record may be as late as the last day.
        ties: share, of the honest purchases that follow another of the customer on the same day, of those booked in
            the same second as it.

    The reader makes the rows while it is read, one day at a time. The same arguments give the same bytes on every
    machine; `batch_rows` changes only where batches are cut. Raises UsageError for arguments that cannot be meant.
    """
    rows, seed = whole_number("rows", rows, 1), whole_number("seed", seed, 0)
    batch_rows = whole_number("batch_rows", batch_rows, 1)
    counts = fraud_counts(_known(kinds), round(rows * share("fraud_share", fraud_share, .5)))
    midnight = instant("start", start).astype("datetime64[D]").astype("datetime64[s]")
    habits = share("newcomers", newcomers, .5), share("ties", ties, 1)
    return stream(SCHEMA, _days(rows, counts, *habits, midnight, np.random.SeedSequence(seed)), rows, batch_rows)


def transactions_table(
    rows: int, seed: int, *, fraud_share: float = .01, kinds: Sequence[str] = FRAUD_KINDS, newcomers: float = 0.0,
    ties: float = 0.0, start: object = "2026-01-01"
) -> pa.Table:
    """The rows of `simulate_transactions` in one table."""
    return simulate_transactions(rows, seed, fraud_share=fraud_share, kinds=kinds, newcomers=newcomers, ties=ties,
                                 start=start).read_all()


def _known(kinds: Sequence[str]) -> Sequence[str]:
    unknown = [kind for kind in kinds if kind not in ALL_FRAUD_KINDS]
    if isinstance(kinds, str) or unknown or not kinds:
        raise UsageError(f"kinds are names out of {list(ALL_FRAUD_KINDS)}, one or more", f"they are {kinds!r}",
                         "choose among them")
    return kinds


def _days(
    rows: int, counts: dict[str, int], newcomers: float, ties: float, start: np.datetime64, seed: np.random.SeedSequence
) -> Iterator[pa.RecordBatch]:
    customers = min(max(rows // _PER_CUSTOMER, _LEAST_CUSTOMERS), _MOST_CUSTOMERS)
    days = max(round(rows / customers / _PER_DAY), 1)
    for_world, for_frauds, for_calendar, for_days, for_newcomers, for_skimming, for_ties = seed.spawn(7)
    world = build_world(customers, days, start, for_world)
    if newcomers:
        world = _with_newcomers(world, newcomers, _generator(for_newcomers))
    planned = plan_frauds(world, counts, _generator(for_frauds))
    calendar = _generator(for_calendar)
    n_honest = calendar.multinomial(rows - len(planned), busyness(world, calendar))
    edges = np.searchsorted(planned["second"], np.arange(days + 1) * DAY)
    seeds = for_days.spawn(days)

    def honest(day: int, rng: np.random.Generator) -> Purchases:
        return honest_day(world, day, n_honest[day], rng)

    skimming = None
    if n := counts.get(SKIMMED):
        every = (honest(day, _generator(seeds[day])) for day in range(days))
        skimming = Skimming(world, every, n, fraud_number(SKIMMED), _generator(for_skimming))
    texts, chance = _Texts(world), _generator(for_ties)
    done = 0
    for day in range(days):
        rng = _generator(seeds[day])
        bought = honest(day, rng)
        if ties:
            bought = tied(bought, ties, chance)
        both = np.concatenate([planned[edges[day]:edges[day + 1]], bought])
        both = both[np.argsort(both["second"], kind="stable")]
        if skimming:
            skimming.mark(day, both)
        yield texts.batch(both, done + 1, rng)
        done += len(both)


def _with_newcomers(world: World, newcomers: float, rng: np.random.Generator) -> World:
    """A share of the customers join on any day, each as likely as the other."""
    joined = world.customers.joined.copy()
    late = rng.permutation(len(joined))[:round(newcomers * len(joined))]
    joined[late] = rng.integers(0, world.days, len(late))
    return replace(world, customers=replace(world.customers, joined=joined))


def _generator(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


class _Texts:
    """Turns the numbers of purchases into the columns of the file."""

    def __init__(self, world: World):
        merchants = world.merchants
        self.start = world.start
        self.customers = _padded("C", world.customers.number, 6)
        self.merchants = _padded("M", merchants.number, 6)
        self.categories = pa.array([CATEGORIES[c].name for c in merchants.category])
        self.countries = pa.array([merchants.countries[c] for c in merchants.country])
        self.names = pa.array(merchants.text)
        self.channels = pa.array(CHANNELS)
        self.openers = pa.array(["POS ", "NFC ", "ONLINE *", "ATM ", "TRANSFER "])
        self.kinds = pa.array([None, *ALL_FRAUD_KINDS])

    def batch(self, rows: Purchases, first_id: int, rng: np.random.Generator) -> pa.RecordBatch:
        customer, merchant, channel = (pa.array(rows[name]) for name in ("customer", "merchant", "channel"))
        # Scrambled one-to-one (a prime modulus), as real device fingerprints do not count customers.
        device = pc.if_else(pa.array(rows["device"] >= 0),
                            _padded("D", (rows["device"] + 1) * 7_919_993 % 99_999_989, 8), None)
        descriptor = pc.binary_join_element_wise(
            self.openers.take(channel), self.names.take(merchant), _references(rows["channel"], rng), ""
        )
        columns = [
            pa.array(np.arange(first_id, first_id + len(rows))),
            pa.array(self.start + rows["second"].astype("timedelta64[s]")),
            self.customers.take(customer),
            self.merchants.take(merchant),
            self.categories.take(merchant),
            self.channels.take(channel),
            self.countries.take(merchant),
            device,
            pa.array(rows["amount"]),
            descriptor,
            pa.array((rows["kind"] > 0).astype(np.int8)),
            self.kinds.take(pa.array(rows["kind"])),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _references(channel: Ints, rng: np.random.Generator) -> pa.Array:
    """What banks append: an order number to some web purchases, an invoice number to transfers, else nothing."""
    number = _padded("", rng.integers(0, 1_000_000, len(channel)), 6)
    order = (channel == WEB) & (rng.random(len(channel)) < .4)
    opener = np.where(channel == TRANSFER, " INV ", np.where(order, " R", ""))
    return pc.if_else(pa.array(opener == ""), "", pc.binary_join_element_wise(pa.array(opener), number, ""))


def _padded(letter: str, numbers: Ints, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, padding="0")
    return pc.binary_join_element_wise(letter, digits, "")
