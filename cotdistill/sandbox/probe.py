"""Whether a process starts and locks itself down here: what `isolation` asks before any program runs."""

import os
from pathlib import Path

from cotdistill.sandbox.lockdown import lock_down


def main() -> None:
    lock_down(10, 2**30, 2**20)
    import decimal  # noqa: F401  after the change of user: can the library still be read?

    Path("/tmp/probe").write_text("x")
    if Path("/proc/self").exists() or os.access("/", os.W_OK):
        raise SystemExit("the machine is still in sight")
    os.write(1, b"ready")
