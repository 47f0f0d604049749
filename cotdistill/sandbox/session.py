"""The program as its tests see it: names that they use, as values and proxies; or a hollow one in its place."""

import ast
import builtins
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from cotdistill.sandbox.handles import Handle
from cotdistill.sandbox.peer import Peer, standard
from cotdistill.sandbox.proxies import number_of
from cotdistill.sandbox.wire import Packed, Packer, Unpacker

_NO_MODULES = {"antigravity", "this", "idlelib", "turtle", "turtledemo", "__main__", "pytest"}
_PACKAGES = {
    "pytest", "numpy", "pandas", "scipy", "sympy", "torch", "tensorflow", "sklearn", "matplotlib", "networkx",
    "requests", "hypothesis", "parameterized", "freezegun", "bs4", "lxml", "yaml", "sortedcontainers", "dateutil",
    "nltk", "regex",
}  # fmt: skip
"""Known packages: tests that import one cannot run on the standard library."""
_BUILTIN_NAMES = frozenset(dir(builtins))


class ProgramExit(SystemExit):
    """The program ended itself: never the end of the tests."""


class TestPeer(Peer):
    """`ended` stays true once the program's process has gone: tests that swallow everything do not pass then."""

    __test__ = False

    def __init__(self, reading: int, writing: int) -> None:
        super().__init__(reading, writing)
        self._errors: dict[int, type[BaseException]] = {}
        self.raised: list[BaseException] = []

    def perform(self, what: str, arguments: list[Any], named: dict[str, Any]) -> object:
        """The program may call the functions of the tests that it was given, and use public attributes of objects of
        the tests' own classes. Anything more would lead it to the tests themselves."""
        owner, *rest = arguments
        own = type(owner).__module__ == "__main__" or (isinstance(owner, type) and owner.__module__ == "__main__")
        if what == "call" and callable(owner):
            return owner(*rest, **named)
        if what in ("len", "iter", "next", "bool"):
            value: object = getattr(builtins, what)(owner)
            return value
        if what == "getitem":
            return owner[rest[0]]
        if own and what in ("get", "set", "delete") and not str(rest[0]).startswith("_"):
            change: dict[str, Callable[..., object]] = {"get": getattr, "set": setattr, "delete": delattr}
            return change[what](owner, *rest)
        raise AttributeError("this is not for programs")

    def proxy(self, number: int, base: object, has_base: bool) -> object:
        return Handle(self, number, base, has_base)

    def proxied(self, value: object) -> int | None:
        return number_of(value) if isinstance(type(value), type) and type(value) is Handle else None

    def pack_object(self, value: Any, packer: Packer) -> Packed:
        known = None if type(value) is Handle else standard(value)
        return ["global", *known] if known else super().pack_object(value, packer)

    def unpack_object(self, name: str, rest: list[Any], unpacker: Unpacker) -> object:
        if name == "coroutine":
            return _awaited(self.proxy(int(rest[0]), None, False))
        return super().unpack_object(name, rest, unpacker)

    def pack_error(self, error: BaseException, packer: Packer) -> Packed:
        plain = all(type(one) in (str, int, float, bool, type(None)) for one in error.args)
        return [type(error).__name__, [packer.pack(one) for one in error.args] if plain else []]

    def unpack_error(self, packed: Packed, unpacker: Unpacker) -> BaseException:
        """Of the same built-in class; a class of the program's own becomes one of that name, here."""
        name, own, arguments, message, instance = packed
        kind: Any = getattr(builtins, str(name), Exception)
        kind = kind if isinstance(kind, type) and issubclass(kind, BaseException) else Exception
        kind = ProgramExit if kind is SystemExit else kind
        for handle, title in reversed(own):
            kind = self.error_class(unpacker.unpack(handle), str(title), kind)
        values = [unpacker.unpack(one) for one in arguments]
        error: BaseException
        try:
            error = kind(*values)
        except Exception:  # UnicodeDecodeError and others that want more
            error = ValueError(message) if issubclass(kind, ValueError) else Exception(message)
        if instance is not None:
            error.__dict__["_of_program"] = unpacker.unpack(instance)
        self.raised.append(error)
        return error

    def error_class(self, handle: Any, title: str, base: type[BaseException]) -> type[BaseException]:
        number = number_of(handle)
        if number not in self._errors:
            held = {
                "__getattr__": lambda error, name: getattr(error.__dict__["_of_program"], name),
                "__str__": lambda error: str(error.__dict__.get("_of_program", "")),
                "__module__": "program",
            }
            self._errors[number] = type(title, (base,), held)
        return self._errors[number]

    def show(self, text: str) -> None:
        if text:
            sys.stdout.write(text)


async def _awaited(handle: Any) -> Any:
    return await handle


class Program:
    """The program in the other process. `load` raises what the program raises."""

    def __init__(self, peer: TestPeer) -> None:
        self._peer = peer
        self._kinds: dict[str, list[str]] = {}

    def load(self) -> None:
        self._kinds = self._peer.ask("load")

    def names(self) -> set[str]:
        return {*self._kinds["functions"], *self._kinds["values"]}

    def value(self, name: str) -> Any:
        if name not in self.names():
            raise AttributeError(name)
        value = self._peer.ask("name", name)
        return self._exception_class(value) if type(value) is Handle else value

    def _exception_class(self, value: Any) -> Any:
        """A class of exceptions as one that `except` takes."""
        mro = self._peer.ask("mro", value)
        if mro is None:
            return value
        base, own = mro
        kind: Any = getattr(builtins, base, Exception)
        for handle, title in reversed(own):
            kind = self._peer.error_class(handle, title, kind)
        return kind

    def modules(self) -> dict[str, str]:
        return dict(one.split("=", 1) for one in self._kinds["modules"])

    def candidate(self) -> str | None:
        """The function that is meant where nothing names it: the last public one."""
        public = [name for name in self._kinds["functions"] if not name.startswith("_")]
        return public[-1] if public else None


class Hollow:
    """A program with nothing in it, or (`returning`) with every name that is asked for, as a function of nothing."""

    def __init__(self, returning: bool, wanted: set[str]) -> None:
        self._names = wanted if returning else set()

    def load(self) -> None: ...

    def names(self) -> set[str]:
        return self._names

    def value(self, name: str) -> Any:
        if name not in self._names:
            raise AttributeError(name)
        return lambda *_, **__: None

    def modules(self) -> dict[str, str]:
        return {}

    def candidate(self) -> str | None:
        return min(self._names, default=None)


def wanted_names(tree: ast.Module) -> set[str]:
    """Names that tests use and do not make themselves."""
    loaded = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    return loaded - set(_made(tree))


def _made(tree: ast.Module) -> Iterator[str]:
    """What tests make at the top: these are theirs, whatever the program calls so."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom) and not _of_program(node):
            yield from ((one.asname or one.name).partition(".")[0] for one in node.names)


def _of_program(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and bool(node.module) and is_program(node.module or "")


def is_program(module: str) -> bool:
    """Tests call the program's module by any name (`solution`, `main`, `binary_search`): all that is nobody else's."""
    root = module.partition(".")[0]
    return root not in sys.stdlib_module_names and root not in _PACKAGES


def imported_from_program(tree: ast.Module) -> dict[str, set[str]]:
    """Names of modules that mean the program, and what is taken from each."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and is_program(node.module):
            found.setdefault(node.module, set()).update(one.name for one in node.names)
        elif isinstance(node, ast.Import):
            for one in node.names:
                if is_program(one.name):
                    found.setdefault(one.name, set())
    return found


def shown_names(program: Program | Hollow, wanted: set[str]) -> set[str]:
    """Names of the program for the tests. A name that is built in too, such as `abs`, is the program's only where the
    tests use no other name of it: then it is what they test."""
    used = program.names() & wanted
    return used - _BUILTIN_NAMES or used


def borrowed_modules(program: Program | Hollow) -> dict[str, types.ModuleType]:
    """Modules of the standard library that the program has imported, imported here: tests often lean on that."""
    return {
        name: __import__(module, fromlist=["x"])
        for name, module in program.modules().items()
        if module.partition(".")[0] in sys.stdlib_module_names and module.partition(".")[0] not in _NO_MODULES
    }


def module_of(name: str, program: Program | Hollow, missing: Callable[[str], BaseException]) -> types.ModuleType:
    """The program as a module that tests import."""
    module = types.ModuleType(name)

    def getattribute(wanted: str) -> Any:
        try:
            return program.value(wanted)
        except AttributeError:
            raise (AttributeError(wanted) if wanted.startswith("__") else missing(wanted)) from None

    module.__getattr__ = getattribute  # type: ignore[method-assign]
    module.__all__ = sorted(program.names())  # type: ignore[attr-defined]
    module.__path__ = []
    return module
