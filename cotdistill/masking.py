"""Keep API keys out of everything that is written: stored replies, records, manifests, messages, logs.

A server may echo the key it was sent, whole or in part, in any spelling: with invisible characters inside, in another
case, percent-encoded, escaped as in JSON or HTML. So a text is compared in a plain form of it, and what is cut out is
the place in the original. This is the last step before a text is stored, shown or shortened; later, half of a key
would no longer be known as one.
"""

import os
import re
from bisect import bisect_right
from urllib.parse import unquote

MASK = "[key]"

LEAST = 8
"""Characters in a row that count as part of a key; a shorter key is masked only as a whole."""

LEAST_WORD = 16
"""A shorter key of letters or digits alone (EMPTY, password, 12345678) is a placeholder and an ordinary word: to cut it
out of answers would change them."""

LEAST_VARIETY = 5
"""The least number of different characters in any other key."""

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
)
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_SPELLED = re.compile(
    rf"(?P<invisible>[{_INVISIBLE}{_CONTROL}]+)"
    r"|\\+u(?P<json>[0-9a-fA-F]{4})"
    r"|\\+(?P<escaped>[/=+.-])"
    r"|%(?:25)*(?P<percent>[2-7][0-9a-fA-F])"
    r"|&#(?:x(?P<hexadecimal>[0-9a-fA-F]{2,4})|(?P<decimal>\d{2,4}));"
)
_DROPPED = re.compile(rf"[{_INVISIBLE}{_CONTROL}]")
_ESCAPED = re.compile(r"\\[u/=+.-]")
_REFERENCE = re.compile("&#")
_PERCENT = re.compile(r"%(?:25)*[2-7][0-9a-fA-F]")

_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:(?:sk|gsk|xai|csk|fw|tgp|hf|pk|rk|key)[-_]|AIza|Bearer )[\w*.\-]{6,}")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@'\"<>]+@|\b[\w.+-]+:[^/\s:@'\"<>]{3,}@(?=\w)")
_IN_A_QUERY = re.compile(r"(?<=[?&])([\w-]*(?:key|token|secret|password|sig|signature)=)[^&\s'\"]+", re.IGNORECASE)

_ACTS_ON_A_TERMINAL = re.compile(
    r"\x1b(?!\[[07]m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, but for our own highlighting (reverse, and back), and what changes the order of letters. Spelled
as in JSON, so that JSON stays JSON."""

_SECRET_NAME = re.compile(r"(_KEY|_TOKEN|_SECRET|_PASSWORD)$")

_secrets: dict[str, tuple[tuple[int, str], ...]] = {}
"""Each secret in lower case, with pieces of it and their offsets: at least one piece stands in every part of it that is
long enough."""

_unsent: set[str] = set()
"""Secrets that no teacher is sent."""


def add_secret(secret: str) -> None:
    """Mask `secret` from now on."""
    plain = secret.lower()
    _unsent.discard(plain)
    if plain in _secrets or len(plain) < 4:
        return
    least = _least(plain)
    piece = (least + 1) // 2
    _secrets[plain] = tuple((at, plain[at : at + piece]) for at in range(0, len(plain) - piece + 1, piece))


def add_unsent_secrets() -> None:
    """Mask the environment's other keys and tokens from now on in what is shown. No server that answers a prompt was
    sent them, so answers are not searched for them."""
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and value.strip().lower() not in _secrets and not _is_a_word(value.strip()):
            add_secret(value.strip())
            _unsent.add(value.strip().lower())


_OF_THE_HUB = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Variables that a program needs to load a model by its name."""


def environment_without_keys(*, of_the_hub: bool = False) -> dict[str, str]:
    """The environment for a program on this machine, without the teachers' keys: they are no business of its, and a
    server that finds VLLM_API_KEY would ask us for it. `of_the_hub` keeps the hub's token."""
    kept = _OF_THE_HUB if of_the_hub else ()
    return {name: value for name, value in os.environ.items() if name in kept or not _SECRET_NAME.search(name)}


def masked(text: str) -> str:
    """`text` without any part of a secret, with `[key]` in its place; the same object when there is none."""
    spans = _spans(text, [secret for secret in _secrets if not _is_a_word(secret) and secret not in _unsent])
    return _cut_out(text, spans) if spans else text


def masked_bytes(raw: bytes) -> bytes:
    """UTF-8 bytes, or bytes meant to be UTF-8, masked; JSON stays JSON."""
    text = raw.decode("utf-8", "surrogateescape")
    clean = masked(text)
    return raw if clean is text else clean.encode("utf-8", "surrogateescape")


def masked_output(text: str) -> str:
    """The last step before anything goes to the terminal or a log: masked, without a URL's secrets, and with control
    characters spelled out, because a data set's text must not move the cursor or rename the window. For JSON there is
    `progress.masked_json`."""
    return spelled_out(masked_value(text))


def masked_value(text: str) -> str:
    """Masked with its control characters kept, for JSON, which spells them by itself."""
    text = _cut_out(text, _spans(text, [secret for secret in _secrets if not _is_a_word(secret)]))
    return _IN_A_QUERY.sub(rf"\1{MASK}", _CREDENTIALS.sub("[password]@", text))


def spelled_out(text: str) -> str:
    """The text with everything spelled out that acts on a terminal."""
    return _ACTS_ON_A_TERMINAL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def masked_message(text: str) -> str:
    """A server's words, for a message, where masking too much does no harm: also what only looks like a key, and a
    placeholder that is in use as one."""
    text = _cut_out(text, _spans(text, list(_secrets)))
    return masked_output(_LOOKS_LIKE_A_KEY.sub(MASK, text))


def _least(secret: str) -> int:
    return min(len(secret), max(LEAST, len(secret) // 3))


def _is_a_word(secret: str) -> bool:
    """Whether it is letters alone, digits alone, or has little variety, such as 0000-0000: no provider's key, and a
    text may hold it."""
    plain = (secret.isalpha() or secret.isdigit()) and len(secret) < LEAST_WORD
    return len(secret) < LEAST or plain or len(set(secret)) < LEAST_VARIETY


def _spans(text: str, secrets: list[str]) -> list[tuple[int, int]]:
    """The spans of `text` that hold parts of secrets."""
    if not secrets:
        return []
    form = _PlainForm(text)
    found = [
        (form.origin(start), form.origin(end - 1, end=True))
        for secret in secrets
        for start, end in _parts(form.text, secret)
    ]
    return sorted(found)


def _parts(plain: str, secret: str) -> list[tuple[int, int]]:
    least, found = _least(secret), []
    for offset, piece in _secrets[secret]:
        at = plain.find(piece)
        while at >= 0:
            start, end = _grown(plain, at, at + len(piece), secret, offset)
            long_enough = end - start >= least
            if long_enough:
                found.append((start, end))
            at = plain.find(piece, end if long_enough else at + 1)
    return found


def _grown(plain: str, start: int, end: int, secret: str, offset: int) -> tuple[int, int]:
    """The span of a piece, extended by what stands around it of the secret."""
    after = offset + end - start
    while start > 0 and offset > 0 and plain[start - 1] == secret[offset - 1]:
        start, offset = start - 1, offset - 1
    while end < len(plain) and after < len(secret) and plain[end] == secret[after]:
        end, after = end + 1, after + 1
    return start, end


def _cut_out(text: str, spans: list[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in spans:
        if start >= at:
            parts += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*parts, text[at:]])


class _PlainForm:
    """A text in lower case, with each spelled-out character as itself; `origin` maps back."""

    def __init__(self, text: str) -> None:
        parts, at, length = [], 0, 0
        self._starts, self._origins = [0], [0]
        spelled = _SPELLED.finditer(text) if _may_be_spelled(text) else ()
        for match in spelled:
            plain = _plain(match)
            if plain is None:
                continue
            parts += [text[at : match.start()], plain]
            length += match.start() - at
            self._mark(length, match.start())
            length += len(plain)
            at = match.end()
            self._mark(length, at)
        parts.append(text[at:])
        self.text = _lower("".join(parts))
        self._length = len(text)

    def _mark(self, plain: int, origin: int) -> None:
        self._starts.append(plain)
        self._origins.append(origin)

    def origin(self, position: int, *, end: bool = False) -> int:
        """Where the character at `position` begins in the text; with `end`, where it ends."""
        nearest = bisect_right(self._starts, position) - 1
        if not end:
            return self._origins[nearest] + position - self._starts[nearest]
        if nearest + 1 < len(self._starts) and self._starts[nearest + 1] == position + 1:
            return self._origins[nearest + 1]
        return self._origins[nearest] + position - self._starts[nearest] + 1


def _may_be_spelled(text: str) -> bool:
    """Whether `_SPELLED` may find something, in a hundredth of its time."""
    for mark, spelled in (("\\", _ESCAPED), ("%", _PERCENT), ("&", _REFERENCE)):
        if mark in text and spelled.search(text):  # `in` looks for one letter as fast as memory is read
            return True
    # Printable ASCII, as most JSON is, holds nothing invisible, and that is known at once.
    return not (text.isascii() and text.isprintable()) and bool(_DROPPED.search(text))


def _lower(text: str) -> str:
    """Lower case, character for character: some letters become two in lower case, and positions must not shift."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(low if len(low := one.lower()) == 1 else one for one in text)


def _plain(match: re.Match[str]) -> str | None:
    """The character that is meant; "" for an invisible one; None for one that no key holds."""
    if match["invisible"]:
        return ""
    if match["escaped"]:
        return match["escaped"]
    if match["percent"]:
        return unquote(f"%{match['percent']}")
    code = int(match["decimal"]) if match["decimal"] else int(match["json"] or match["hexadecimal"], 16)
    meant = chr(code)
    if _DROPPED.fullmatch(meant):
        return ""
    return meant if " " < meant < "\x7f" else None
