"""Holds the program: runs it, and does with its functions and objects what the process of the tests asks.

    answer_process JOB_FD READ_FD WRITE_FD     # JOB: {"program": …, "setup": …, limits}
    answer_process JOB_FD                      # the program reads stdin and prints

Nothing here decides anything: whatever the program makes of this process, the tests see values that it returned.
"""

import builtins
import io
import json
import operator
import os
import sys
import types
from typing import Any

from cotdistill.sandbox.lockdown import end_with_the_judge, lock_down
from cotdistill.sandbox.peer import Peer, plain_of
from cotdistill.sandbox.proxies import Remote, number_of
from cotdistill.sandbox.wire import Packed, Packer, Unpacker

MAX_PRINTED = 1_000_000
MAX_MESSAGE = 10_000
_BUILTINS = {
    "len", "iter", "next", "bool", "int", "float", "complex", "abs", "round", "str", "repr", "isinstance", "issubclass",
}  # fmt: skip
_OPERATORS = {"getitem", "setitem", "delitem", "lt", "le", "gt", "ge", "neg", "pos", "invert", "index"}


def main() -> None:
    with os.fdopen(int(sys.argv[1]), encoding="utf-8", errors="surrogatepass") as file:
        job = json.loads(file.read())
    end_with_the_judge(job["lifeline"])
    lock_down(job["cpu_s"], job["memory_bytes"], job["file_bytes"], job["drop"])
    if len(sys.argv) == 2:
        run(job["program"], "__main__")
    else:
        AnswerPeer(int(sys.argv[2]), int(sys.argv[3]), job).serve()


def run(program: str, name: str, setup: str = "") -> types.ModuleType:
    """The program as a module, for dataclasses and pickle look for theirs."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    sys.argv = [name]
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # what `site` would have made
    if setup:
        exec(compile(setup, "<setup>", "exec"), module.__dict__)
    exec(compile(program, "<program>", "exec"), module.__dict__)
    return module


class AnswerPeer(Peer):
    def __init__(self, reading: int, writing: int, job: dict[str, Any]) -> None:
        super().__init__(reading, writing)
        self._job = job
        self._output = sys.stdout = sys.stderr = io.StringIO()

    def perform(self, what: str, arguments: list[Any], named: dict[str, Any]) -> object:
        if what == "call":
            return arguments[0](*arguments[1:], **named)
        if what in _BUILTINS:
            return getattr(builtins, what)(*arguments)
        if what in _OPERATORS:
            return getattr(operator, what)(*arguments)
        return getattr(self, f"_do_{what}")(*arguments)

    def _do_load(self) -> dict[str, list[str]]:
        """Run the program. Its names by kind: `modules` of the standard library, `functions` and classes of its own,
        `values`: all the rest."""
        self._module = run(self._job["program"], "program", self._job["setup"])
        kinds: dict[str, list[str]] = {"modules": [], "functions": [], "values": []}
        for name, value in list(vars(self._module).items()):
            if isinstance(value, types.ModuleType):
                kinds["modules"].append(f"{name}={value.__name__}")
            elif callable(value) and getattr(value, "__module__", None) == "program":
                kinds["functions"].append(name)
            elif not name.startswith("__"):
                kinds["values"].append(name)
        return kinds

    def _do_name(self, name: str) -> object:
        return getattr(self._module, name)

    def _do_get(self, owner: object, name: str) -> object:
        return getattr(owner, name)

    def _do_set(self, owner: object, name: str, value: object) -> None:
        setattr(owner, name, value)

    def _do_delete(self, owner: object, name: str) -> None:
        delattr(owner, name)

    def _do_calculate(self, name: str, one: object, other: object) -> object:
        return getattr(operator, name + "_" if name in ("and", "or") else name)(one, other)

    def _do_equal(self, one: object, other: object) -> bool:
        return bool(one == other)

    def _do_enter(self, owner: Any) -> object:
        return type(owner).__enter__(owner)

    def _do_exit(self, owner: Any) -> object:
        return type(owner).__exit__(owner, None, None, None)

    def _do_plain(self, owner: object) -> object:
        return plain_of(owner)[0]

    def _do_state(self, owner: object) -> tuple[object, dict[str, object]]:
        names = [one for kind in type(owner).__mro__ for one in _slots(kind)]
        held = {name: getattr(owner, name) for name in names if hasattr(owner, name)}
        return type(owner), {**held, **getattr(owner, "__dict__", {})}

    def _do_mro(self, kind: Any) -> tuple[str, list[tuple[object, str]]] | None:
        """Of a class of exceptions: the nearest built-in class, and the program's own classes before it."""
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            return None
        nearest = next(one for one in kind.__mro__ if getattr(builtins, one.__name__, None) is one)
        return nearest.__name__, [(one, one.__name__[:100]) for one in kind.__mro__[: kind.__mro__.index(nearest)]]

    def _do_await(self, awaitable: Any) -> object:
        import asyncio  # slow, and rarely asked for

        async def ended() -> object:
            return await awaitable

        return asyncio.run(ended())

    def proxy(self, number: int, base: object, has_base: bool) -> object:
        return base if has_base else Remote(self, number)

    def proxied(self, value: object) -> int | None:
        return number_of(value) if type(value) is Remote else None

    def pack_object(self, value: Any, packer: Packer) -> Packed:
        packed = super().pack_object(value, packer)
        return ["coroutine", packed[1]] if isinstance(value, types.CoroutineType) else packed

    def unpack_object(self, name: str, rest: list[Any], unpacker: Unpacker) -> object:
        if name == "global":
            return getattr(__import__(rest[0], fromlist=[rest[1]]), rest[1])
        return super().unpack_object(name, rest, unpacker)

    def pack_error(self, error: BaseException, packer: Packer) -> Packed:
        """The nearest built-in class by name, the program's own classes between, its arguments, its message, itself."""
        mro = type(error).__mro__
        nearest = next(kind for kind in mro if getattr(builtins, kind.__name__, None) is kind)
        own = [[packer.pack(kind), kind.__name__[:100]] for kind in mro[: mro.index(nearest)]]
        try:
            message = str(error)[:MAX_MESSAGE]
        except BaseException:
            message = ""
        plain = all(type(one) in (str, int, float, bool, type(None)) for one in error.args)
        arguments = [packer.pack(one) for one in error.args] if plain else [message]
        return [nearest.__name__, own, arguments, message, packer.pack(error) if own else None]

    def unpack_error(self, packed: Packed, unpacker: Unpacker) -> BaseException:
        name, arguments = packed
        kind = getattr(builtins, name, Exception)
        return kind(*(unpacker.unpack(one) for one in arguments)) if issubclass(kind, Exception) else Exception(name)

    def printed(self) -> str:
        text = self._output.getvalue()[:MAX_PRINTED]
        self._output.seek(0)
        self._output.truncate()
        return text


def _slots(kind: type) -> list[str]:
    slots = kind.__dict__.get("__slots__", ())
    return [slots] if isinstance(slots, str) else [one for one in slots if not one.startswith("__")]
