"""One end of the line between the process of the program and the process of its tests: questions, answers, objects."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from cotdistill.sandbox.wire import Packed, Packer, Unpacker

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
        number, base = self._numbers[id(value)], plain_of(value)
        return ["mine", number, packer.pack(base[0])] if base else ["mine", number]

    def unpack_object(self, name: str, rest: list[Any], unpacker: Unpacker) -> object:
        if name == "yours":
            return self._own[rest[0]]
        if name != "mine" or not isinstance(rest[0], int):
            raise Ended
        base = unpacker.unpack(rest[1]) if len(rest) > 1 else None
        if rest[0] not in self._proxies:
            self._proxies[rest[0]] = self.proxy(rest[0], base, len(rest) > 1)
        return self._proxies[rest[0]]

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


def plain_of(value: object) -> tuple[object, ...]:
    """The plain value of an object whose class derives from a plain type, in a tuple; else ()."""
    for kind, plain in _BASES:
        if isinstance(value, kind) and not isinstance(value, type):
            return (plain(value),)
    return ()


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
