"""What the simulated world is made of: categories of merchants, places, and words for invented names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A kind of merchant.

    `share` of an average customer's purchases, `typical` amount and `spread` (standard deviation of the log amount
    for one customer at one merchant), share of purchases made `online`, `opening` hours, `peaks` of demand (hours),
    demand at weekends relative to weekdays on `saturday` and `sunday`, how prices end (see `purchases.end_prices`).
    """

    name: str
    words: tuple[str, ...]
    share: float
    typical: float
    spread: float
    online: float
    opening: tuple[int, int]
    peaks: tuple[int, ...]
    saturday: float = 1.2
    sunday: float = 0.8
    ending: str = "any"


CATEGORIES = (
    Category("grocery", ("GROCERY", "MARKET", "FOODS"), .25, 27, .50, .02, (7, 22), (11, 18), 1.5, .05),
    Category("restaurant", ("KITCHEN", "GRILL", "NOODLE BAR"), .12, 21, .40, .10, (11, 24), (12, 20), 1.4, 1.3),
    Category("bakery", ("BAKERY", "COFFEE"), .12, 5.2, .35, 0, (6, 19), (8, 15), 1.1, .8, "dime"),
    Category("fuel", ("FUEL", "SERVICE STATION"), .06, 52, .30, 0, (0, 24), (8, 17), 1.1, .7),
    Category("pharmacy", ("PHARMACY", "DRUGSTORE"), .05, 15, .50, .08, (8, 20), (10, 17), 1.0, .1),
    Category("clothing", ("APPAREL", "SHOES"), .05, 46, .50, .40, (10, 20), (13, 18), 1.8, .1, "ninety_nine"),
    Category("electronics", ("ELECTRONICS", "AUDIO"), .02, 95, .75, .55, (10, 20), (14, 18), 1.6, .1, "ninety_nine"),
    Category("home", ("HARDWARE", "GARDEN", "INTERIORS"), .04, 38, .65, .25, (8, 20), (10, 16), 1.9, .1),
    Category("transport", ("TRANSIT", "CABS"), .09, 4.4, .40, .30, (0, 24), (8, 17), .6, .5, "dime"),
    Category("leisure", ("CINEMA", "FITNESS", "TICKETS"), .03, 19, .45, .45, (9, 24), (19,), 1.7, 1.5, "dime"),
    Category("marketplace", ("BOOKS", "OUTLET", "BAZAAR"), .08, 26, .65, 1, (0, 24), (13, 20), 1.0, 1.2, "ninety_nine"),
    Category("digital", ("STREAM", "GAMES", "CLOUD"), .04, 9.5, .40, 1, (0, 24), (20,), 1.1, 1.2, "ninety_nine"),
    Category("travel", ("RAIL", "AIRWAYS", "HOTELS"), .01, 120, .60, 1, (0, 24), (11, 20), 1.0, 1.1),
    Category("cash", ("BRANCH", "CORNER"), .04, 80, .45, 0, (0, 24), (10, 17), 1.2, .7, "notes"),
    Category("bills", ("ENERGY", "INSURANCE", "PROPERTY", "TELECOM"), .05, 64, .15, 1, (0, 24), (9, 19), .3, .2),
)
NUMBER = {category.name: number for number, category in enumerate(CATEGORIES)}

HOME_TOWNS = (
    ("BERLIN", "DE"), ("HAMBURG", "DE"), ("MUNICH", "DE"), ("COLOGNE", "DE"), ("VIENNA", "AT"), ("LEIPZIG", "DE"),
    ("BREMEN", "DE"), ("ZURICH", "CH"), ("DRESDEN", "DE"), ("GRAZ", "AT"),
)
TOWNS_ABROAD = (("PARIS", "FR"), ("ROME", "IT"), ("BARCELONA", "ES"), ("LONDON", "GB"), ("PRAGUE", "CZ"))
WEB_COUNTRIES = (("DE", .58), ("AT", .06), ("NL", .08), ("IE", .09), ("LU", .05), ("GB", .05), ("US", .05),
                 ("FR", .02), ("PL", .02))

FIRST_HALVES = (
    "AMBER", "BIRCH", "BRAMBLE", "CEDAR", "CLOVER", "COPPER", "CURLEW", "ELDER", "FERN", "FOX", "GREEN", "HAZEL",
    "HERON", "IRON", "JUNIPER", "LARK", "LINDEN", "MAPLE", "MOSS", "NETTLE", "OAK", "OTTER", "PEBBLE", "QUARRY",
    "RAVEN", "RIVER", "ROWAN", "SILVER", "SPARROW", "SLATE", "THISTLE", "WILLOW",
)
SECOND_HALVES = (
    "BRIDGE", "BROOK", "COURT", "CREST", "DALE", "FIELD", "FORD", "GATE", "GROVE", "HALL", "HARBOUR", "HOLM", "LANE",
    "MARK", "MERE", "MILL", "POINT", "SIDE", "STEAD", "BARN", "WAY", "WICK", "WOOD", "YARD",
)
