"""Servers of models that answer on this machine, at the addresses that teachers ask by default."""

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from cotdistill import plugins
from cotdistill.doctor.finding import Finding

LOOPBACK = ("localhost", "127.0.0.1")
TIMEOUT_S = 1.0
"""A server on this machine answers within this time."""
MOST_BYTES = 1_000_000


def findings() -> Iterator[Finding]:
    places = dict(_places())
    with ThreadPoolExecutor(max(1, len(places))) as pool:
        for (name, url), models in zip(places.items(), pool.map(_models, places.values()), strict=True):
            if models is None:
                yield Finding("servers", name, "missing", f"nothing answers at {url}")
            else:
                says = f"{url} has {', '.join(models) or 'no model'}"
                advice = f"--teacher {name}:{models[0]}" if models else ""
                yield Finding("servers", name, "ok", says, advice)


def _places() -> Iterator[tuple[str, str]]:
    """Teachers whose default address is on this machine."""
    for name in plugins.names("teachers"):
        if name != "local":  # it imports torch
            url = getattr(plugins.load("teachers", name), "base_url", "")
            if isinstance(url, str) and urlsplit(url).hostname in LOOPBACK:
                yield name, url


def _models(url: str) -> list[str] | None:
    """The models that a server lists; None where no server there speaks this protocol."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands before loopback
    try:
        with opener.open(f"{url}/models", timeout=TIMEOUT_S) as reply:
            listed = json.loads(reply.read(MOST_BYTES))["data"]
        return [str(one["id"]) for one in listed]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
