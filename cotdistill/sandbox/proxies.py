"""Objects of one process, seen from the other: every operation is a question to where the object lives."""

from collections.abc import Iterator
from typing import Any

from cotdistill.sandbox.peer import Peer


class Remote:
    """An object of the other process. Two of them are equal where they are the same one."""

    __slots__ = ("__number", "__peer")

    def __init__(self, peer: Peer, number: int) -> None:
        object.__setattr__(self, "_Remote__peer", peer)
        object.__setattr__(self, "_Remote__number", number)

    def __getattr__(self, name: str) -> Any:
        return peer_of(self).ask("get", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        peer_of(self).ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        peer_of(self).ask("delete", self, name)

    def __call__(self, *arguments: object, **named: object) -> Any:
        return peer_of(self).ask("call", self, *arguments, **named)

    def __len__(self) -> int:
        return int(peer_of(self).ask("len", self))

    def __iter__(self) -> Iterator[Any]:
        return iter_of(peer_of(self).ask("iter", self))

    def __next__(self) -> Any:
        return peer_of(self).ask("next", self)

    def __getitem__(self, key: object) -> Any:
        return peer_of(self).ask("getitem", self, key)

    def __setitem__(self, key: object, value: object) -> None:
        peer_of(self).ask("setitem", self, key, value)

    def __delitem__(self, key: object) -> None:
        peer_of(self).ask("delitem", self, key)

    def __enter__(self) -> Any:
        return peer_of(self).ask("enter", self)

    def __exit__(self, *error: object) -> Any:
        return peer_of(self).ask("exit", self)

    def __bool__(self) -> bool:
        return bool(peer_of(self).ask("bool", self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and number_of(other) == number_of(self)

    def __hash__(self) -> int:
        return hash(("remote", number_of(self)))


def peer_of(remote: Remote) -> Peer:
    peer: Peer = object.__getattribute__(remote, "_Remote__peer")
    return peer


def number_of(remote: Remote) -> int:
    number: int = object.__getattribute__(remote, "_Remote__number")
    return number


def iter_of(value: Any) -> Iterator[Any]:
    """An iterator over the other side's iterator, which `iter` itself would refuse as a plain list is none."""
    return value if isinstance(value, Remote) else iter(value)
