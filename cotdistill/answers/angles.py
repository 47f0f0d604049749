"""Degrees and radians: 60 degrees is \\pi/3, and the sine of 30 degrees is a number."""

import re

_DEGREES = re.compile(r"(.{1,60}?) ?degrees?")
_RADIANS = re.compile(r" ?(?:\(?(?:radians?|rad)\)?)$")
_TRIG = re.compile(r"(\\?(?:sin|cos|tan|cot|sec|csc))(?![a-z]) ?[({]? ?(\d{1,4}(?:\.\d{1,4})?) degrees ?[)}]?")


def in_radians(gold: str, given: str) -> tuple[str, str]:
    """Both sides, as `plain` spells them, without degrees where one has them and the other a multiple of \\pi, and
    within sines and the like."""
    if "degree" not in gold + given:
        return gold, given
    gold, given = (_TRIG.sub(r"\1(\\frac{\2\\pi}{180})", side) for side in (gold, given))
    ours, theirs = _DEGREES.fullmatch(gold), _DEGREES.fullmatch(given)
    if ours and not theirs and "\\pi" in given:
        return _converted(ours[1]), _RADIANS.sub("", given)
    if theirs and not ours and "\\pi" in gold:
        return _RADIANS.sub("", gold), _converted(theirs[1])
    return gold, given


def _converted(degrees: str) -> str:
    return f"\\frac{{({degrees})\\pi}}{{180}}"
