"""Groups of problems that are copies of each other: which copy is kept, and what its reference is."""

from array import array
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec

from cotdistill.answers.numbers import read_number
from cotdistill.answers.spelling import folded, plain
from cotdistill.answers.units import Unit
from cotdistill.answers.worked import cut_reference
from cotdistill.records import Judged, Prompt, is_right

_UNIT_BITS = 16
_MOST_SHOWN = 40
_MOST_REMEMBERED = 200


class Problem(msgspec.Struct, frozen=True, array_like=True):
    """A problem that waits to be compared. `text` is compared where the key does not hold all of it."""

    id: str
    reference: str | None
    merit: int
    text: str = ""


class Groups:
    """Groups by number. Keeps for each the keeper's id, its merit and the reference, and the id of each copy."""

    def __init__(self) -> None:
        self._keepers: list[str] = []
        self._references: list[str | None] = []
        self._merits = array("Q")
        self._copies: dict[str, int] = {}
        self._of = array("Q")

    def add(self, id: str, reference: str | None, merit: int) -> int:
        """Start a group with one problem; returns its number."""
        self._keepers.append(id)
        self._references.append(_bounded(reference))
        self._merits.append(merit)
        return len(self._keepers) - 1

    def join(self, group: int, id: str, reference: str | None, merit: int) -> bool:
        """Add a copy to a group. Returns whether it is better than the keeper, whose place it then takes."""
        self._references[group] = self._references[group] or _bounded(reference)
        keeper = self._keepers[group]
        if id == keeper:
            return False
        better = merit > self._merits[group]
        self._copies[keeper if better else id] = group
        if better:
            self._copies.pop(id, None)
            self._keepers[group], self._merits[group] = id, merit
        return better

    def hold(self, group: int) -> None:
        """Assign the next remembered text to this group; texts are counted from 0."""
        self._of.append(group)

    def group_of(self, text: int) -> int:
        return self._of[text]

    def keep(self, id: str, texts: Sequence[int]) -> bool:
        """Whether `id` is the keeper of the group of one of these texts."""
        return any(self._keepers[self._of[text]] == id for text in texts)

    def keeper(self, group: int) -> str:
        return self._keepers[group]

    def fits(self, group: int, reference: str | None) -> bool:
        """Whether a problem with this reference may be a copy: not where both have a reference and these differ."""
        first, reference = self._references[group], _bounded(reference)
        return first == reference or not differ(reference_key(first), reference_key(reference))

    def twin(self, id: str) -> str | None:
        """The id of the problem that is kept instead, on one short line; None for the keeper itself."""
        group = self._copies.get(id)
        return None if group is None else shown(self._keepers[group])

    def twins(self) -> dict[str, str]:
        """The `twin` of every copy."""
        return {id: shown(self._keepers[group]) for id, group in self._copies.items()}


def merit(samples: Sequence[Judged]) -> int:
    """How good a prompt's samples are, for the choice among copies: most right ones first, then one with a
    reference."""
    right = sum(is_right(one.response, one.verdict) for one in samples)
    return 2 * min(right, 2**32) + (samples[0].response.prompt.reference is not None)


def problem_of(prompt: Prompt, merit: int, text: str = "") -> Problem:
    return Problem(prompt.id, _bounded(prompt.reference), merit, text)


@lru_cache(4096)
def reference_key(reference: str | None) -> int:
    """A reference as a number; 0 for none. Numbers of equal value have the same key but for their units, and so have
    other answers in one spelling."""
    if reference is None or not reference.strip():
        return 0
    text = plain(cut_reference(reference))
    number = read_number(text)
    if number is None:
        return _hash(folded(text)) << _UNIT_BITS
    unit = 0 if number.unit == Unit() else _hash(repr(number.unit)) % (2**_UNIT_BITS - 1) + 1
    return _hash(str(number.value)) << _UNIT_BITS | unit


def differ(one: int, other: int) -> bool:
    """Whether two keys belong to references that differ; a unit counts where both have one."""
    if not one or not other or one == other:
        return False
    if one >> _UNIT_BITS != other >> _UNIT_BITS:
        return True
    units = 2**_UNIT_BITS - 1
    return bool(one & units and other & units)


def _bounded(reference: str | None) -> str | None:
    """A long text, such as a program's tests, as its digest: then only equal texts are equal."""
    if reference is None or len(reference) <= _MOST_REMEMBERED:
        return reference
    return blake2b(reference.encode("utf-8", "replace"), digest_size=16).hexdigest()


def shown(id: str) -> str:
    return "".join(letter for letter in id if letter.isprintable())[:_MOST_SHOWN]


def _hash(text: str) -> int:
    """48 bits, never 0."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=6).digest(), "big") or 1
