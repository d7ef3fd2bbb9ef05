"""A few painted words without a library: errors, checks and first questions come before rich is there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from kcode.ui.look.theme import ATTRIBUTES, BASIC, parse

if TYPE_CHECKING:
    from kcode.ui.look.terminal import Depth, Look

_CODES = {"bold": 1, "dim": 2, "italic": 3, "underline": 4, "reverse": 7, "strike": 9}
# xterm's first sixteen, which are no more than a convention: the user's terminal may show them otherwise.
_SIXTEEN = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0)),
    *((0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0)),
    *((92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255)),
)
_STEPS = (0, 95, 135, 175, 215, 255)  # of the colour cube, 16 to 231


def painted(text: str, style: str, look: Look) -> str:
    """``text`` between the control sequences of ``style``, as far as ``look`` allows them."""
    if look.plain or not style or not text:
        return text
    codes = sgr(style, look.depth if look.colour else None)
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text


@cache
def sgr(style: str, depth: Depth | None) -> str:
    """The parameters of the SGR sequence; without ``depth`` the attributes alone."""
    paint = parse(style)
    codes = [str(_CODES[name]) for name in ATTRIBUTES if name in paint.attributes]
    if depth is not None:
        codes += [_colour(paint.colour, depth, 30)] if paint.colour else []
        codes += [_colour(paint.background, depth, 40)] if paint.background else []
    return ";".join(codes)


def _colour(name: str, depth: Depth, base: int) -> str:
    if name == "default":
        return str(base + 9)
    if name.startswith("#"):
        red, green, blue = (int(name[at : at + 2], 16) for at in (1, 3, 5))
        if depth == "true":
            return f"{base + 8};2;{red};{green};{blue}"
        if depth == "256":
            return f"{base + 8};5;{nearest_256(red, green, blue)}"
        number = _nearest(_SIXTEEN, (red, green, blue))
    else:
        number = BASIC.index(name.removeprefix("bright_")) + (8 if name.startswith("bright_") else 0)
    return str(base + number if number < 8 else base + 52 + number)


def nearest_256(red: int, green: int, blue: int) -> int:
    """The colour of xterm's cube or its grey ramp that is nearest."""
    at = [min(range(6), key=lambda step: abs(_STEPS[step] - part)) for part in (red, green, blue)]
    grey = min(range(24), key=lambda step: abs(8 + 10 * step - (red + green + blue) / 3))
    cube = (_STEPS[at[0]], _STEPS[at[1]], _STEPS[at[2]])
    candidates = (cube, (8 + 10 * grey,) * 3)
    if _nearest(candidates, (red, green, blue)) == 1:
        return 232 + grey
    return 16 + 36 * at[0] + 6 * at[1] + at[2]


def _nearest(colours: tuple[tuple[int, ...], ...], wanted: tuple[int, int, int]) -> int:
    def distance(number: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(colours[number], wanted, strict=True))

    return min(range(len(colours)), key=distance)
