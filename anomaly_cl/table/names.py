"""What the name of a column says of it."""

from __future__ import annotations

import re
from enum import Enum

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")
_NAMELESS = re.compile(r"(?:[a-z]|pc|emb|col|column|feat|feature|var|variable|dim|attr|attribute|factor|field)?"
                       r"[ _-]?\d+", re.IGNORECASE)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RECORDS = _set("""transaction trans tx txn record row event order invoice payment claim policy ticket case message
    booking entry document log alert transfer receipt line sample observation request""")
_ENTITIES = _set("""customer cust client user account acct card merchant terminal device member employee vendor
    supplier seller buyer payer payee sender receiver recipient beneficiary owner patient provider machine sensor
    station store shop branch company vehicle iban ip email phone imei pan msisdn person subscriber host counterparty
    atm""")
_CATEGORIES = _set("""type kind category class status state country currency region city channel level group gender
    sex reason mode method zone segment language error response mcc postal zip""")
_MEASURES = _set("""age n nb count num number amount sum total days hours per avg mean average price balance rating
    size score time since ratio rate duration limit value income cost""")
_AMOUNTS = _set("amount amt price cost fee payment paid spend spent total sum turnover")
_NO_AMOUNTS = _set("""n nb count num number avg average mean median max min limit rate ratio share percent score std
    spread rank index days hours per id ids code type kind category status method mode currency date time""")
_IDS = _set("id ids uid guid uuid")
_CODES = _set("code no nr num number nbr key ref reference")
_GLUED = re.compile(rf"({'|'.join(_RECORDS | _ENTITIES)})(id|no|nr|num|number|code|key)")

_TIMES = _set("""time timestamp datetime date dt ts epoch unix seconds secs sec minutes hours days day step row
    rownum index idx seq sequence tick frame elapsed unnamed""")
_CYCLES = _set("hour minute weekday dow month quarter week")
_EVENT_TIMES = _set("time timestamp datetime date ts dt at when occurred event transaction tx")
_OTHER_TIMES = _set("""birth birthday birthdate dob born expiry expiration expires expire valid due joined
    registered registration signup opened hired since updated modified end""")
_LABELS = _set("fraud fraudulent label outlier anomaly anomalous chargeback")
_LABELS_ALONE = _set("class target y")
_OF_LABELS = _set("scenario type kind score count amount reason category description")


class Naming(Enum):
    """What a name that looks like an identifier identifies."""

    RECORD = "record"  # TRANSACTION_ID, id
    ENTITY = "entity"  # CUSTOMER_ID, CardNo
    THING = "thing"  # merchant: who, if there are many of them
    CODE = "code"  # RepNumber: a number of something
    CATEGORY = "category"  # type_id


def words(name: str) -> list[str]:
    """The words of a name, lower case, without the digits behind it.

    >>> words("TX_TIME_DAYS"), words("PolicyNumber"), words("customerid"), words("isFraud2")
    (['tx', 'time', 'days'], ['policy', 'number'], ['customer', 'id'], ['is', 'fraud'])
    """
    parts = [part.lower() for part in _BOUNDARY.sub(" ", name.strip().rstrip("0123456789")).split()]
    if not parts:
        return []
    glued = _GLUED.fullmatch(parts[-1])
    if glued:
        parts[-1:] = glued.groups()
    elif parts[0].startswith("is") and parts[0][2:] in _LABELS:
        parts[:1] = ["is", parts[0][2:]]
    return parts


def is_nameless(name: str) -> bool:
    """Whether the name is no more than a position: x0, V14, col_3, 7."""
    return _NAMELESS.fullmatch(name.strip()) is not None


def identifier(name: str) -> Naming | None:
    """What a column of this name identifies, or None for other names.

    >>> [identifier(name).value for name in ("TRANSACTION_ID", "cc_num", "CardNo", "RepNumber", "type_id", "merchant")]
    ['record', 'code', 'entity', 'code', 'category', 'thing']
    >>> [identifier(name) for name in ("NumberOfCars", "account_age_days", "Deductible", "WeekNumber")]
    [None, None, None, None]
    """
    parts = words(name)
    if not parts:
        return None
    *stem, last = parts
    if last not in _IDS | _CODES:
        return Naming.THING if last in _ENTITIES and not _MEASURES & set(stem) else None
    about = set(stem)
    if about & (_MEASURES | _CYCLES | _TIMES - {"row"}):
        return None
    for naming, nouns in ((Naming.CATEGORY, _CATEGORIES), (Naming.ENTITY, _ENTITIES), (Naming.RECORD, _RECORDS)):
        if about & nouns:
            return naming
    if last in _CODES:
        return Naming.CODE
    return Naming.ENTITY if stem else Naming.RECORD


def is_time_like(name: str) -> bool:
    """Whether the name is of a clock or a counter: TX_TIME_SECONDS, step, row_number."""
    return bool(_TIMES & set(words(name)))


def is_cycle(name: str) -> bool:
    """Whether the name is of a part of the calendar that comes round again: hour, DayOfWeek, month."""
    parts = words(name)
    return bool(_CYCLES & set(parts)) or parts[:2] == ["day", "of"]


def is_event_time(name: str) -> bool:
    """Whether a date of this name may be when the record happened (a date of birth may not)."""
    return not _OTHER_TIMES & set(words(name))


def says_event_time(name: str) -> bool:
    return is_event_time(name) and bool(_EVENT_TIMES & set(words(name)))


def is_label(name: str) -> bool:
    """Whether a column of two values and this name says what people found: TX_FRAUD, is_anomaly, class."""
    parts = words(name)
    return bool(parts) and (bool(_LABELS & set(parts)) or parts[-1] in _LABELS_ALONE) and not _OF_LABELS & set(parts)


def tells_of_label(name: str) -> bool:
    """Whether a column of a few values and this name tells the label: TX_FRAUD_SCENARIO, label, class."""
    parts = words(name)
    return bool(_LABELS & set(parts)) or parts in (["class"], ["target"])


def is_amount(name: str) -> bool:
    """Whether a number of this name is what is at stake in the record, not a count, mean or limit of such.

    >>> [is_amount(name) for name in ("TX_AMOUNT", "amt", "totalPrice", "amount_mean_7d", "num_payments", "age")]
    [True, True, True, False, False, False]
    """
    parts = set(words(name))
    return bool(_AMOUNTS & parts) and not _NO_AMOUNTS & parts
