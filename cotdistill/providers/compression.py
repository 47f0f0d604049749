"""What a server compressed its reply with. gzip and deflate are what is asked for; some servers, and proxies before
them, send Brotli or Zstandard all the same, and what they compressed may be paid for."""

import zlib
from collections.abc import Callable
from typing import Protocol

GZIP = b"\x1f\x8b"
_PLAIN = (b"{", b"[", b"<", b"d")
"""How JSON, a web page and a stream of events begin."""


LARGEST_REPLY = 256 * 2**20
"""In bytes. The probabilities of twenty tokens at each of 100,000 places come to less; a few kilobytes of a broken or
hostile server unpack to more than any memory holds."""
TOO_LARGE = f"the reply is larger than {LARGEST_REPLY // 2**20} MiB"
_PIECE = 1024
"""Bytes that are unpacked at once: memory holds what comes of them (of Zstandard 128 kB for four bytes, of gzip a
megabyte in all), and what follows a short member is not copied again and again."""


class BrokenCompressionError(Exception):
    """The content is not what its header says, ends too early, or is larger than a reply can be."""


def unpacked(content: bytes, encodings: str) -> bytes | None:
    """`encodings` as the header content-encoding lists them; None where one of them is none that we know. What a proxy
    has unpacked already, and still calls packed, stays as it is. Raises BrokenCompressionError."""
    for encoding in reversed(encodings.lower().split(",")):  # the last one was applied last
        name = encoding.strip()
        if name in ("", "identity"):
            continue
        if name not in _READERS:
            return None
        content = _READERS[name](content)
    return _zlib(content) if content.startswith(GZIP) else content


def _zlib(content: bytes) -> bytes:
    """Of gzip in one or several members, of zlib, and of deflate without zlib's frame, as some servers have it."""
    framed = content.startswith(GZIP) or (
        content[:1] and content[0] & 15 == 8 and int.from_bytes(content[:2]) % 31 == 0
    )
    wbits = zlib.MAX_WBITS | 32 if framed else -zlib.MAX_WBITS
    try:
        return _joined(content, lambda: zlib.decompressobj(wbits))
    except zlib.error as error:
        return _as_it_is(content, error)


def _brotli(content: bytes) -> bytes:
    import brotli  # rarely needed

    try:
        reader = brotli.Decompressor()
        whole = bytes(reader.process(content, output_buffer_limit=LARGEST_REPLY + 1))
        _check_room(whole)
        if not reader.is_finished():
            raise brotli.error("it ends too early")
    except brotli.error as error:
        return _as_it_is(content, error)
    return whole


def _zstandard(content: bytes) -> bytes:
    import zstandard  # rarely needed

    try:
        return _joined(content, lambda: zstandard.ZstdDecompressor().decompressobj())
    except zstandard.ZstdError as error:
        return _as_it_is(content, error)


class _Reader(Protocol):
    """Of one gzip member, or of one frame of Zstandard."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _joined(content: bytes, reader_of_next: Callable[[], _Reader]) -> bytes:
    """What several members or frames hold that follow each other. Raises BrokenCompressionError."""
    whole, reader = bytearray(), None
    for start in range(0, len(content), _PIECE):
        rest = content[start : start + _PIECE]
        while rest:
            if reader is None or reader.eof:
                reader = reader_of_next()
            whole += reader.decompress(rest)
            rest = reader.unused_data
        _check_room(whole)
    if reader is not None and not reader.eof:
        return _as_it_is(content, "it ends too early")
    return bytes(whole)


def _check_room(whole: bytes | bytearray) -> None:
    if len(whole) > LARGEST_REPLY:
        raise BrokenCompressionError(TOO_LARGE)


def _as_it_is(content: bytes, why: object) -> bytes:
    if content.lstrip()[:1] in _PLAIN:
        return content
    raise BrokenCompressionError(f"the reply's compression is broken: {why}") from None


_READERS: dict[str, Callable[[bytes], bytes]] = {
    **dict.fromkeys(("gzip", "x-gzip", "deflate"), _zlib),
    "br": _brotli,
    "zstd": _zstandard,
}
