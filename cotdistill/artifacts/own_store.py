"""The store of a run with --no-cache: it stands beside the output, and the run removes it at its end."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from cotdistill.artifacts.lock import is_held_here, lock

_ENDING = ".partial.sqlite"


def own_store(output: Path) -> Path:
    return output.with_name(output.name + _ENDING)


@contextmanager
def kept_from_going(store: Path) -> Iterator[bool]:
    """While a run pays into a store that belongs to another run (--no-cache), hold that run's output, so that it cannot
    remove the store meanwhile. For any other store nothing is held. Yields whether no other process may pay into the
    store: the output of a run with --no-cache is held, by this run or here.

    Raises OutputLockedError where the other run is under way.
    """
    path = store.resolve()
    output = path.with_name(path.name.removesuffix(_ENDING))
    is_own = path.name != output.name != ""
    others = is_own and not is_held_here(output)
    held = f"has {path.name} as its own store, and removes it at its end; wait for it, or give another --cache"
    with lock(output, held) if others else nullcontext():
        yield is_own
