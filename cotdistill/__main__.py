"""`python -m cotdistill`, and the command."""

import signal
import sys
import threading
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line. Ctrl-C and SIGTERM end it while it is still being imported, too."""
    if threading.current_thread() is threading.main_thread():  # no other may
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from cotdistill.cli.main import main as run
    except KeyboardInterrupt:
        from cotdistill.cli import log
        from cotdistill.errors import INTERRUPTED

        log.fail("interrupted", INTERRUPTED, as_json=log.wants_json(sys.argv[1:]))
    run()


if __name__ == "__main__":
    main()
