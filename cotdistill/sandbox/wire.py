"""Values between the process that runs the program and the process that runs its tests: lines of JSON, no pickle.

Plain values (numbers, text, bytes, lists, tuples, sets, dicts, dates, fractions…) are copied, by exact type. Everything
else stays where it is and is named by a number; an object whose class derives from a plain type says its plain value
too. Lists, dicts, sets and byte arrays that were arguments are brought up to date after each call, as if shared.

What arrives is only ever decoded into values of these types, whatever the other process wrote.
"""

import base64
import datetime
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

Packed = Any
"""What `json` writes: None, bool, int, float, str, or a list whose first item names the type of the value."""

TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        int, float, bool, str, bytes, bytearray, complex, list, tuple, dict, set, frozenset, range, object, type(None),
    )
}  # fmt: skip
MUTABLE = (list, dict, set, bytearray, deque)

_AS_IT_IS = (bool, float, str)
_SMALL = 2**53


class Objects(Protocol):
    """What becomes of values that are not copied."""

    def pack_object(self, value: Any, packer: "Packer") -> Packed: ...

    def unpack_object(self, name: str, rest: list[Any], unpacker: "Unpacker") -> object: ...


class Packer:
    """The values of one message. `containers` are the mutable ones in the order of their first appearance."""

    def __init__(self, objects: Objects, known: Iterable[object] = ()) -> None:
        self._objects = objects
        self.containers = list(known)
        self._places = {id(one): place for place, one in enumerate(self.containers)}

    def pack(self, value: Any) -> Packed:
        kind = type(value)
        if value is None or kind in _AS_IT_IS:
            return value
        if kind is int:
            return value if -_SMALL < value < _SMALL else ["int", hex(value)]
        if kind in MUTABLE:
            place = self._places.get(id(value))
            if place is not None:
                return ["ref", place]
            self._places[id(value)] = len(self.containers)
            self.containers.append(value)
            return [kind.__name__, *self.contents(value)]
        if kind in (tuple, frozenset):
            return [kind.__name__, *map(self.pack, value)]
        packed = _pack_scalar(value, kind) or self._pack_mapping(value, kind)
        return packed or self._objects.pack_object(value, self)

    def contents(self, value: Any) -> list[Packed]:
        if isinstance(value, dict):
            return [[self.pack(key), self.pack(one)] for key, one in value.items()]
        if isinstance(value, bytearray):
            return [base64.b64encode(value).decode()]
        if isinstance(value, deque):
            return [value.maxlen, *map(self.pack, value)]
        return [*map(self.pack, value)]

    def _pack_mapping(self, value: Any, kind: type) -> Packed | None:
        if kind is defaultdict:
            factory = value.default_factory
            name = next((name for name, one in TYPES.items() if one is factory), None)
            return ["defaultdict", name, *self.contents(value)]
        return [kind.__name__, *self.contents(value)] if kind in (Counter, OrderedDict) else None


def _pack_scalar(value: Any, kind: type) -> Packed | None:
    if kind is bytes:
        return ["bytes", base64.b64encode(value).decode()]
    if kind is complex:
        return ["complex", value.real, value.imag]
    if kind is range:
        return ["range", hex(value.start), hex(value.stop), hex(value.step)]
    if kind is Decimal:
        return ["Decimal", str(value)]
    if kind is Fraction:
        return ["Fraction", hex(value.numerator), hex(value.denominator)]
    if kind is datetime.timedelta:
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if kind in (datetime.date, datetime.time, datetime.datetime) and getattr(value, "tzinfo", None) in (
        None,
        datetime.UTC,
    ):
        return [kind.__name__, value.isoformat()]
    if value is Ellipsis:
        return ["Ellipsis"]
    name = value.__name__ if issubclass(kind, type) else ""
    return ["type", name] if TYPES.get(name) is value else None


_SCALARS: dict[str, Callable[..., object]] = {
    "int": lambda digits: int(digits, 16),
    "bytes": base64.b64decode,
    "complex": complex,
    "range": lambda *ends: range(*(int(one, 16) for one in ends)),
    "Decimal": Decimal,
    "Fraction": lambda *parts: Fraction(*(int(one, 16) for one in parts)),
    "timedelta": lambda *parts: datetime.timedelta(*parts),
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "Ellipsis": lambda: ...,
    "type": lambda name: TYPES[name],
}
_FILLED: dict[str, type] = {kind.__name__: kind for kind in (*MUTABLE, Counter, OrderedDict)}


class Unpacker:
    """The values of one message; containers in the same order as the other side's `Packer`."""

    def __init__(self, objects: Objects, known: Iterable[object] = ()) -> None:
        self._objects = objects
        self.containers = list(known)

    def unpack(self, packed: Packed) -> Any:
        if not isinstance(packed, list):
            return packed
        name, *rest = packed
        if name == "ref":
            return self.containers[rest[0]]
        if name in _FILLED:
            made = _FILLED[name]()
            if type(made) in MUTABLE:
                self.containers.append(made)
            return self.fill(made, rest)
        if name == "defaultdict":
            return self.fill(defaultdict(TYPES[rest[0]] if rest[0] else None), rest[1:])
        if name in ("tuple", "frozenset"):
            return TYPES[name](map(self.unpack, rest))
        if name in _SCALARS:
            return _SCALARS[name](*rest)
        return self._objects.unpack_object(name, rest, self)

    def fill(self, made: Any, contents: list[Packed]) -> Any:
        """In place: `made` may hold itself."""
        if isinstance(made, deque) and (contents[0] is not None) and made.maxlen != contents[0]:
            place = next(n for n, one in enumerate(self.containers) if one is made)
            made = self.containers[place] = deque(maxlen=contents[0])
        made.clear()
        if isinstance(made, dict):
            for key, value in contents:
                made[self.unpack(key)] = self.unpack(value)
        elif isinstance(made, bytearray):
            made.extend(base64.b64decode(contents[0]))
        elif isinstance(made, set):
            made.update(map(self.unpack, contents))
        else:
            made.extend(map(self.unpack, contents[1:] if isinstance(made, deque) else contents))
        return made
