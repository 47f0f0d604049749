"""What two units have to do with each other: one is so many of the other, or they differ."""

from fractions import Fraction

from cotdistill.answers.units import NONE, Unit


def ratio(one: Unit, other: Unit) -> Fraction | None:
    """What a number with the unit `other` is multiplied by to have the unit `one`; None where the two differ.

    A unit may be missing on one side. Percent, currency and physical units never stand for each other. Things differ
    where no word is shared. Beside money, what it is paid per may be missing on one side.
    """
    one, other = _pound_as(one, other), _pound_as(other, one)
    if one.percent != other.percent:
        bare = other if one.percent else one
        return None if bare.dimensions or bare.money or bare.things else Fraction(1)
    if bool(one.money) != bool(other.money):
        bare = other if one.money else one
        return None if bare.dimensions or bare.things else Fraction(1)
    if one.money and other.money:
        if not set(one.money.split()) & set(other.money.split()):
            return None
        scale = Fraction(1, 100) ** (other.cents - one.cents)
        if one.dimensions and other.dimensions:
            return scale * other.factor / one.factor if one.dimensions == other.dimensions else None
        return scale
    if one.dimensions and other.dimensions:
        bases = {base for base, _ in (*one.dimensions, *other.dimensions)}
        same = (
            one.dimensions == other.dimensions
            or _some_unit(one, other)
            or ("°" in bases and len(bases) == 2 and bases <= {"°", "°C", "°F"})
        )
        return (Fraction(1) if _some_unit(one, other) else other.factor / one.factor) if same else None
    if one.dimensions or other.dimensions:
        bare = other if one.dimensions else one
        return None if bare.things else Fraction(1)
    ours, theirs = ({thing for thing in side.things if thing[0] != "/"} for side in (one, other))
    return Fraction(1) if ours & theirs or not (ours and theirs) else None


_POUND = (("pound", 1),)


def _pound_as(unit: Unit, other: Unit) -> Unit:
    """A pound is money beside money, and else a mass."""
    if unit.dimensions != _POUND or other.dimensions == _POUND:
        return unit
    return (
        unit._replace(dimensions=(), money=" GBP")
        if other.money
        else unit._replace(dimensions=(("g", 1),), factor=Fraction("453.59237"))
    )


def _some_unit(one: Unit, other: Unit) -> bool:
    """Whether one is "square units" and the other an area."""
    named = dict(other.dimensions) if one.dimensions[0][0] == "unit" else dict(one.dimensions)
    power = dict(one.dimensions).get("unit") or dict(other.dimensions).get("unit")
    return power is not None and named == {"m": power}


def merged(one: Unit, other: Unit) -> Unit | None:
    """The unit before and the one after a number: "$" and "per day"; None where they exclude each other."""
    if one == NONE or other == NONE:
        return other if one == NONE else one
    if one.percent or other.percent:
        return None
    shared = set(one.money.split()) & set(other.money.split())
    if one.money and other.money and (not shared or one.cents != other.cents):
        return None
    return other._replace(
        money=f" {' '.join(sorted(shared))}" if shared else one.money or other.money, cents=one.cents or other.cents
    )
