"""Objects of the program, in the process of its tests: what may be asked of them, and what must not decide a test."""

import operator
from collections.abc import Callable, Generator
from typing import Any

from cotdistill.sandbox.peer import Peer
from cotdistill.sandbox.proxies import Remote, number_of, peer_of

_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
_UNARY = ("neg", "pos", "invert")
_NAMED_BY_VALUES = {"startswith", "endswith", "issubset", "issuperset", "isdisjoint"}
"""Methods that say whether an object is like a value that they are shown."""
_CHANGING = (list, dict, set)


class Handle(Remote):
    """An object of the program, in the process of the tests.

    Nothing that decides a test is asked of the program where it would be shown the value that it must equal:

    * against a plain value it is unequal; where its class derives from a plain type, its plain value is compared, and
      all operators and, unless it can change, the methods of that type are the plain value's;
    * two objects of the program are equal where the program says so and their classes and attributes are equal too;
    * `in` looks at each item; `<` and `>` against a plain value are a TypeError;
    * arithmetic with a plain value gives an object that has attributes and methods, but no number, no order and no
      truth of its own.
    """

    __slots__ = ("__base", "__told")

    def __init__(self, peer: Peer, number: int, base: object, has_base: bool) -> None:
        super().__init__(peer, number)
        object.__setattr__(self, "_Handle__base", (base,) if has_base else ())
        object.__setattr__(self, "_Handle__told", False)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        base: tuple[Any, ...] = object.__getattribute__(self, "_Handle__base")
        return type(base[0]) if base else Handle

    def __getattr__(self, name: str) -> Any:
        base = base_of(self)
        if base and hasattr(type(base[0]), name) and (name in _NAMED_BY_VALUES or type(base[0]) not in _CHANGING):
            return getattr(base[0], name)
        found = peer_of(self).ask("get", self, name)
        return _untold(found) if name in _NAMED_BY_VALUES and isinstance(found, Handle) else found

    def __eq__(self, other: object) -> bool:
        mine = base_of(self)
        if type(other) is not Handle:
            return bool(mine and mine[0] == other)
        theirs = base_of(other)
        if number_of(self) == number_of(other):
            return True
        if mine or theirs:
            return bool(mine and theirs and mine[0] == theirs[0])
        return bool(peer_of(self).ask("equal", self, other)) and _same_state(self, other, set())

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        base = base_of(self)
        return hash(base[0]) if base else super().__hash__()

    def __contains__(self, item: object) -> bool:
        base = base_of(self)
        return item in base[0] if base else any(item is one or item == one for one in self)

    def __bool__(self) -> bool:
        return bool(_number(self, "bool"))

    def __int__(self) -> int:
        return int(_number(self, "int"))

    def __float__(self) -> float:
        return float(_number(self, "float"))

    def __complex__(self) -> complex:
        return complex(_number(self, "complex"))

    def __index__(self) -> int:
        return operator.index(_number(self, "index"))

    def __abs__(self) -> Any:
        return _number(self, "abs", abs)

    def __round__(self, *digits: int) -> Any:
        return _number(self, "round", lambda value: round(value, *digits), *digits)

    def __str__(self) -> str:
        base = base_of(self)
        return str(base[0]) if base and isinstance(base[0], str) else str(_number(self, "str"))

    def __repr__(self) -> str:
        return str(_number(self, "repr"))

    def __format__(self, form: str) -> str:
        base = base_of(self)
        return format(base[0] if base else str(self), form)

    def __instancecheck__(self, value: object) -> bool:
        return type(value) is Handle and bool(peer_of(self).ask("isinstance", value, self))

    def __subclasscheck__(self, value: object) -> bool:
        return type(value) is Handle and bool(peer_of(self).ask("issubclass", value, self))

    def __await__(self) -> Generator[None, None, Any]:
        yield from ()
        return peer_of(self).ask("await", self)

    def __lt__(self, other: object) -> bool:
        return _ordered(self, other, "lt")

    def __le__(self, other: object) -> bool:
        return _ordered(self, other, "le")

    def __gt__(self, other: object) -> bool:
        return _ordered(self, other, "gt")

    def __ge__(self, other: object) -> bool:
        return _ordered(self, other, "ge")


def base_of(handle: Any) -> tuple[Any, ...]:
    """The plain value of an object whose class derives from a plain type, in a tuple, as it is now; else ()."""
    base: tuple[Any, ...] = object.__getattribute__(handle, "_Handle__base")
    return (peer_of(handle).ask("plain", handle),) if base and type(base[0]) in _CHANGING else base


def plain(value: Any) -> Any:
    base = base_of(value) if type(value) is Handle else ()
    return base[0] if base else value


def _refusal(handle: Handle) -> TypeError | None:
    if object.__getattribute__(handle, "_Handle__told"):
        return TypeError("an object of the program that was made with a value of the tests is no number here")
    return None


def _number(handle: Handle, what: str, of_base: Callable[[Any], object] | None = None, *more: object) -> Any:
    base = base_of(handle)
    if base and of_base is not None:
        return of_base(base[0])
    if base and what in ("bool", "int", "float", "complex", "index"):
        return bool(base[0]) if what == "bool" else base[0]
    if (error := _refusal(handle)) and what not in ("str", "repr"):
        raise error
    return peer_of(handle).ask(what, handle, *more)


def _ordered(one: Any, other: Any, name: str) -> bool:
    compare = getattr(operator, name)
    if base_of(one) or type(other) is not Handle:
        if not base_of(one):
            raise TypeError("an object of the program is not ordered against a value of the tests")
        return bool(compare(plain(one), plain(other)))
    if error := _refusal(one) or _refusal(other):
        raise error
    return bool(peer_of(one).ask(name, one, other))


def _untold(method: Any) -> Callable[..., Any]:
    def ask(*arguments: object) -> Any:
        if any(type(one) is not Handle for one in arguments):
            raise TypeError("an object of the program is not asked for a test that plain values have")
        return method(*arguments)

    return ask


def _same_state(one: Any, other: Any, seen: set[tuple[int, int]]) -> bool:
    """Class and attributes, however deep."""
    if type(one) is not Handle or type(other) is not Handle:
        if type(one) is type(other) and isinstance(one, list | tuple):
            return len(one) == len(other) and all(_same_state(a, b, seen) for a, b in zip(one, other, strict=True))
        return type(one) is type(other) and bool(one == other)
    if base_of(one) or base_of(other):
        return bool(base_of(one) == base_of(other))
    pair = (number_of(one), number_of(other))
    if pair[0] == pair[1] or pair in seen:
        return True
    seen.add(pair)
    (kind, mine), (their_kind, theirs) = peer_of(one).ask("state", one), peer_of(one).ask("state", other)
    return bool(kind == their_kind) and mine.keys() == theirs.keys() and all(
        _same_state(value, theirs[name], seen) for name, value in mine.items()
    )  # fmt: skip


def _calculate(name: str, one: Any, other: Any, reflected: bool) -> Any:
    handle, told = (other, one) if reflected else (one, other)
    apply = getattr(operator, name if name not in ("and", "or") else name + "_")
    if base_of(handle) or (type(told) is Handle and base_of(told)):
        return apply(plain(one), plain(other))
    if name == "mod" and isinstance(one, str):
        return one.__mod__((str(other),))
    value = peer_of(handle).ask("calculate", name, one, other)
    shown = type(told) is not Handle or _refusal(told) is not None or _refusal(handle) is not None
    if shown and type(value) is not Handle:
        raise TypeError("an object of the program that is shown a value of the tests answers with a plain value")
    if shown:
        object.__setattr__(value, "_Handle__told", True)
    return value


def _operator(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return _calculate(name, other, self, True) if reflected else _calculate(name, self, other, False)

    return method


for _name in _BINARY:
    setattr(Handle, f"__{_name}__", _operator(_name, False))
    setattr(Handle, f"__r{_name}__", _operator(_name, True))
for _name in _UNARY:
    setattr(Handle, f"__{_name}__", lambda self, name=_name: _number(self, name, getattr(operator, name)))
