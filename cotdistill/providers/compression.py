"""What a server compressed its reply with. gzip and deflate are what is asked for; some servers, and proxies before
them, send Brotli or Zstandard all the same, and what they compressed may be paid for."""

import zlib
from collections.abc import Callable

GZIP = b"\x1f\x8b"
_PLAIN = (b"{", b"[", b"<", b"d")
"""How JSON, a web page and a stream of events begin."""


LARGEST_REPLY = 256 * 2**20
"""In bytes. The probabilities of twenty tokens at each of 100,000 places come to less; a few kilobytes of a broken or
hostile server unpack to more than any memory holds."""
TOO_LARGE = f"the reply is larger than {LARGEST_REPLY // 2**20} MiB"
_PIECE = 1024
"""Bytes of Zstandard unpacked at once, which has no limit of its own: 128 kB come out of four bytes at most."""


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
    whole, rest = bytearray(), content
    try:
        while rest:
            framed = rest.startswith(GZIP) or (rest[0] & 15 == 8 and int.from_bytes(rest[:2]) % 31 == 0)
            reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32 if framed else -zlib.MAX_WBITS)
            whole += reader.decompress(rest, _room(whole) + 1)
            _room(whole)
            if not reader.eof:
                raise zlib.error("it ends too early")
            rest = reader.unused_data
    except zlib.error as error:
        return _as_it_is(content, error)
    return bytes(whole)


def _brotli(content: bytes) -> bytes:
    import brotli  # rarely needed

    try:
        reader = brotli.Decompressor()
        whole = bytes(reader.process(content, output_buffer_limit=LARGEST_REPLY + 1))
        _room(whole)
        if not reader.is_finished():
            raise brotli.error("it ends too early")
    except brotli.error as error:
        return _as_it_is(content, error)
    return whole


def _zstandard(content: bytes) -> bytes:
    import zstandard  # rarely needed

    whole, reader = bytearray(), None
    try:
        for start in range(0, len(content), _PIECE):
            rest = content[start : start + _PIECE]
            while rest:
                if reader is None or reader.eof:  # several frames may follow each other
                    reader = zstandard.ZstdDecompressor().decompressobj()
                whole += reader.decompress(rest)
                rest = reader.unused_data
            _room(whole)
        if reader is not None and not reader.eof:
            raise zstandard.ZstdError("it ends too early")
    except zstandard.ZstdError as error:
        return _as_it_is(content, error)
    return bytes(whole)


def _room(whole: bytes | bytearray) -> int:
    """Bytes that may still come. Raises BrokenCompressionError where too many came."""
    room = LARGEST_REPLY - len(whole)
    if room < 0:
        raise BrokenCompressionError(TOO_LARGE)
    return room


def _as_it_is(content: bytes, error: Exception) -> bytes:
    if content.lstrip()[:1] in _PLAIN:
        return content
    raise BrokenCompressionError(f"the reply's compression is broken: {error}") from None


_READERS: dict[str, Callable[[bytes], bytes]] = {
    **dict.fromkeys(("gzip", "x-gzip", "deflate"), _zlib),
    "br": _brotli,
    "zstd": _zstandard,
}
