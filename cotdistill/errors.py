"""What can go wrong for a reason a person can act on.

CotDistillError           exit 1: bad input, unreachable server, a failure that has a one-line explanation
├── UsageError            exit 2: an option or a name that does not exist or does not fit
├── BudgetError           exit 4: the money that may be spent does not suffice
├── OutputLockedError     exit 5: another run is writing this output
├── AccountError          exit 6: the key is missing or refused, credit or quota is spent
└── StoppedError          exit 130: Ctrl-C or SIGTERM

`cli.main` prints the message as one line and exits with `exit_code`; any other exception is a bug and keeps
its traceback. A message says where, what was found, what was expected and what to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager

DONE = 0
ERROR = 1
USAGE = 2
SOME_FAILED = 3
BUDGET = 4
LOCKED = 5
ACCOUNT = 6
INTERRUPTED = 130


class CotDistillError(Exception):
    """An explained failure; children differ in the exit code only. `problems` are those that the message lists, where
    there are several, and `advice` how to get what is missing, where the message ends with that."""

    exit_code = ERROR
    problems: tuple[str, ...] = ()
    advice: str = ""


def missing(says: str, advice: str) -> CotDistillError:
    """The error for a package that is not installed, with the command that installs it."""
    error = CotDistillError(f"{says}: {advice}")
    error.advice = advice
    return error


class UsageError(CotDistillError):
    exit_code = USAGE


class BudgetError(CotDistillError):
    """The money does not suffice. What was paid for is kept; the same command continues with a larger cap, or next
    month."""

    exit_code = BUDGET


class OutputLockedError(CotDistillError):
    exit_code = LOCKED


class AccountError(CotDistillError):
    exit_code = ACCOUNT


class StoppedError(CotDistillError):
    """The user stopped the run; what was paid for is kept."""

    exit_code = INTERRUPTED


@contextmanager
def said_of(what: str) -> Iterator[None]:
    """Within this block `what`, such as an option and its value, is put before the message of a failure."""
    try:
        yield
    except CotDistillError as error:
        raise type(error)(f"{what}: {error}") from None
