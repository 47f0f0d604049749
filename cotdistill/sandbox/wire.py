"""Values between the process that runs the program and the process that runs its tests: lines of JSON, no pickle.

Plain values (numbers, text, bytes, lists, tuples, sets, dicts, dates, fractions…) are copied, by exact type. Everything
else stays where it is and is named by a number; an object whose class derives from a plain type says its plain value
too. Lists, dicts, sets and byte arrays that were arguments are brought up to date after each call, as if shared.

What arrives is only ever decoded into values of these types, whatever the other process wrote.
"""

import base64
import datetime
import json
import os
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

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

_BASES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (complex, complex.__pos__),
    (str, str.__str__),
    (bytes, lambda value: bytes.__add__(value, b"")),
    (tuple, lambda value: tuple(tuple.__iter__(value))),
    (list, lambda value: list(list.__iter__(value))),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: set(set.__iter__(value))),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
)
"""The plain value of an object whose class derives from a plain type, past whatever the class overrides."""


class Ended(BaseException):
    """The other process has ended, or wrote what is no message."""


class Packer:
    """The values of one message. `containers` are the mutable ones in the order of their first appearance."""

    def __init__(self, peer: "Peer", known: Iterable[object] = ()) -> None:
        self._peer = peer
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
        return packed or self._peer.pack_object(value, self)

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
    return ["type", value.__name__] if isinstance(value, type) and TYPES.get(value.__name__) is value else None


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

    def __init__(self, peer: "Peer", known: Iterable[object] = ()) -> None:
        self._peer = peer
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
        return self._peer.unpack_object(name, rest, self)

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


class Peer:
    """One end of the line between two processes, each of which may ask the other while it is being asked."""

    def __init__(self, reading: int, writing: int) -> None:
        self._lines = os.fdopen(reading, "rb")
        self._write, self._writing = os.write, writing
        self._dumps, self._loads = json.dumps, json.loads  # what a program makes of these modules is no matter then
        self._own: list[object] = []
        self._numbers: dict[int, int] = {}
        self._proxies: dict[int, object] = {}
        self.gone = False
        """Whether the other process has ended, once it was noticed."""

    def perform(self, what: str, arguments: list[Any], named: dict[str, Any]) -> object:
        """Do what the other side asks."""
        raise NotImplementedError

    def proxy(self, number: int, base: object, has_base: bool) -> object:
        """Stands for an object of the other side."""
        raise NotImplementedError

    def proxied(self, value: object) -> int | None:
        """The number of the other side's object that a proxy stands for."""
        raise NotImplementedError

    def pack_error(self, error: BaseException, packer: Packer) -> Packed:
        raise NotImplementedError

    def unpack_error(self, packed: Packed, unpacker: Unpacker) -> BaseException:
        raise NotImplementedError

    def printed(self) -> str:
        """What was printed here since the last message."""
        return ""

    def show(self, text: str) -> None:
        """The other side has printed this."""

    def ask(self, what: str, *arguments: object, **named: object) -> Any:
        """What the other side makes of it; its exceptions are raised here. Raises Ended."""
        packer = Packer(self)
        self._send(["ask", what, [packer.pack(one) for one in arguments],
                    {key: packer.pack(one) for key, one in named.items()}])  # fmt: skip
        while (message := self._receive())[0] == "ask":
            self._answer(message)
        outcome, value, changed, text = message
        unpacker = Unpacker(self, packer.containers)
        for place, contents in changed:
            unpacker.fill(unpacker.containers[place], contents)
        self.show(text)
        if outcome == "raised":
            raise self.unpack_error(value, unpacker)
        return unpacker.unpack(value)

    def serve(self) -> None:
        """Answer until the other side has gone."""
        try:
            while True:
                self._answer(self._receive())
        except Ended:
            return

    def _answer(self, message: list[Any]) -> None:
        _, what, arguments, named = message
        unpacker = Unpacker(self)
        values = [unpacker.unpack(one) for one in arguments]
        keywords = {key: unpacker.unpack(one) for key, one in named.items()}
        before = [_contents(one) for one in unpacker.containers]
        try:
            outcome, value = "done", self.perform(what, values, keywords)
        except Ended:
            raise
        except BaseException as error:
            outcome, value = "raised", error
        try:
            reply = self._reply(outcome, value, unpacker.containers, before)
            line = self._dumps(reply).encode()
        except (RecursionError, ValueError, MemoryError, RuntimeError) as error:
            line = self._dumps(self._reply("raised", error, [], [])).encode()
        self._send_line(line)

    def _reply(self, outcome: str, value: Any, containers: list[object], before: list[list[Any]]) -> list[Packed]:
        packer = Packer(self, containers)
        changed = [
            [place, packer.contents(one)]
            for place, (one, old) in enumerate(zip(containers, before, strict=True))
            if not _same(_contents(one), old)
        ]
        packed = packer.pack(value) if outcome == "done" else self.pack_error(value, packer)
        return [outcome, packed, changed, self.printed()]

    def pack_object(self, value: Any, packer: Packer) -> Packed:
        """An object that stays here, by its number; or the other side's own, come back."""
        if (number := self.proxied(value)) is not None:
            return ["yours", number]
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._own)
            self._own.append(value)
        for kind, plain in _BASES:
            if isinstance(value, kind) and not isinstance(value, type):
                return ["mine", self._numbers[id(value)], packer.pack(plain(value))]
        return ["mine", self._numbers[id(value)]]

    def unpack_object(self, name: str, rest: list[Any], unpacker: Unpacker) -> object:
        if name == "yours":
            return self._own[rest[0]]
        if name != "mine" or not isinstance(rest[0], int):
            raise Ended
        base = unpacker.unpack(rest[1]) if len(rest) > 1 else None
        known = self._proxies.get(rest[0])
        if known is None or len(rest) > 1:
            self._proxies[rest[0]] = known = self.proxy(rest[0], base, len(rest) > 1)
        return known

    def _send(self, message: list[Packed]) -> None:
        self._send_line(self._dumps(message).encode())

    def _send_line(self, line: bytes) -> None:
        left = memoryview(line + b"\n")
        try:
            while left:
                left = left[self._write(self._writing, left) :]
        except OSError:
            self.gone = True
            raise Ended from None

    def _receive(self) -> list[Any]:
        try:
            message = self._loads(self._lines.readline())
            if message[0] not in ("ask", "done", "raised") or len(message) != 4:
                raise Ended
        except (Ended, ValueError, RecursionError, LookupError, TypeError, MemoryError, OSError):
            self.gone = True
            raise Ended from None
        return list(message)


def _contents(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return [one for pair in container.items() for one in pair]
    return list(container)


def _same(now: list[Any], before: list[Any]) -> bool:
    """By identity: `==` is the program's."""
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))


def standard(value: Any) -> tuple[str, str] | None:
    """Module and name of a function or class of the standard library: the other side has it too."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "." in name or not callable(value):
        return None
    if module.partition(".")[0] not in sys.stdlib_module_names or module == "__main__":
        return None
    return (module, name) if getattr(sys.modules.get(module), name, None) is value else None
