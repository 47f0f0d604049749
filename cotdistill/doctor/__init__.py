"""What this machine can do, and what to install for the rest: `cotdistill doctor`.

One file a topic; each yields findings. Nothing is sent anywhere but to loopback, and nothing is written.
"""

from collections.abc import Iterator
from pathlib import Path

from cotdistill.doctor import machine, money, packages, servers
from cotdistill.doctor.finding import Finding as Finding


def findings(store: Path | None, here: Path) -> Iterator[Finding]:
    """Yields every finding, topic by topic. `store` is the path of the store, if there can be one; `here` is the
    working directory."""
    yield from machine.findings()
    yield from machine.accelerator()
    yield from machine.isolation()
    yield from packages.findings()
    yield from money.keys()
    yield from money.store(store)
    yield from machine.disk({"working directory": here, **({"store": store.parent} if store else {})})
    yield from servers.findings()
