"""API keys and addresses: where a key comes from, and what may not stand in a base URL. A key is never an option."""

import os
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from cotdistill.errors import AccountError, UsageError
from cotdistill.masking import add_secret

_LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


def api_key(variable: str, provider: str, base_url: str) -> str:
    """The key from the environment. A server on this machine needs none.

    Raises AccountError when there is no key, or one that cannot be sent."""
    if key := os.environ.get(variable, "").strip():
        add_secret(key)
        odd = next((at for at, letter in enumerate(key, 1) if not "!" <= letter <= "~"), None)
        if odd is not None:
            raise AccountError(
                f"{variable}: the key cannot be sent: its character {odd} of {len(key)} is {_named(key[odd - 1])}, and "
                "a key is one line of ASCII letters, digits and signs. Copy it again, without quotes or line breaks"
            )
        return key
    if urlsplit(base_url).hostname in _LOOPBACK:
        return "unused"
    raise AccountError(
        f"{variable} is not set; teacher {provider!r} reads it. Export it or put it into .env; a server "
        "of your own that needs none takes any value"
    )


def is_own_server(base_url: str) -> bool:
    """Whether the host is this machine, one of a private network, or a name without a dot, as containers have it: a
    server that a person runs, whose price no list has."""
    host = urlsplit(base_url).hostname or ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return bool(host) and ("." not in host or host.endswith((".local", ".localhost", ".internal", ".lan")))
    return address.is_private or address.is_loopback or address.is_link_local


def check_base_url(url: str) -> str:
    """The URL without a slash at its end. Raises UsageError, before anything is sent, for one that no request can go
    to or that holds a secret: it would stand in every record, and the SDKs do not send it as people expect."""
    shown = without_secrets(url)
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--base-url {shown!r}: expected a URL that begins with http:// or https://")
    try:
        parts = urlsplit(url)
        readable = parts.port != 0 and _is_a_host(parts.hostname or "")
    except ValueError:
        readable = False
    if not readable:
        raise UsageError(
            f"--base-url {shown!r}: its host or port cannot be read; expected such as http://host:8000/v1 or "
            "https://api.example.com/v1"
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"--base-url {shown!r}: holds a user name or password. Leave it out and put the key into the variable that "
            "`cotdistill list teachers` names, such as OPENAI_API_KEY; it is sent as a bearer token"
        )
    if parts.query or parts.fragment:
        raise UsageError(
            f"--base-url {shown!r}: holds a query ({'?' if parts.query else '#'}…), which requests would lose. Put a "
            "key into its variable, such as OPENAI_API_KEY; for Azure's api-version "
            "ask teacher azure with https://RESOURCE.openai.azure.com, or https://RESOURCE.openai.azure.com/openai/v1, "
            "which needs no api-version"
        )
    return url.rstrip("/")


def _is_a_host(host: str) -> bool:
    """A name that can be looked up, or an IP address. Raises ValueError for some that are neither."""
    if re.fullmatch(r"[\d.]+", host) or ":" in host:
        ip_address(host.partition("%")[0])
    return bool(host.rstrip(".").encode("idna")) and not re.search(r"[\s%]", host)


def without_secrets(url: str) -> str:
    """A URL as it may be shown: no user name, no password, no query."""
    scheme, colon, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    host = netloc.rpartition("@")[2]
    shown = f"{scheme}{colon}{'…@' if '@' in netloc else ''}{host}{slash}{path}"
    for sign in ("?", "#"):
        shown = shown.partition(sign)[0] + (f"{sign}…" if sign in shown else "")
    return shown if colon else shown.rpartition("@")[2]


def _named(letter: str) -> str:
    if letter in "\r\n":
        return "a line break"
    return "a blank" if letter.isspace() else f"U+{ord(letter):04X}"
