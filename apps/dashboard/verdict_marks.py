"""How verdicts look in figures: a colour and a symbol each, so that they are told apart without colours too."""

from __future__ import annotations

from typing import NamedTuple

from palette import BLUE, GREEN, ORANGE, VERMILLION


class Look(NamedTuple):
    """Colour and plotly symbol."""

    colour: str
    symbol: str


LOOKS = {"open": Look(BLUE, "circle"), "fraud": Look(VERMILLION, "diamond"), "legitimate": Look(GREEN, "square"),
         "unsure": Look(ORANGE, "triangle-up")}


def state(verdict: str | None) -> str:
    """The state of an alert by its verdict."""
    return verdict if verdict in LOOKS else "open"
