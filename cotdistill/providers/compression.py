"""What a server compressed its reply with. gzip and deflate are what is asked for; some servers, and proxies before
them, send Brotli or Zstandard all the same, and what they compressed may be paid for."""

import zlib
from collections.abc import Callable

GZIP = b"\x1f\x8b"
_PLAIN = (b"{", b"[", b"<", b"d")
"""How JSON, a web page and a stream of events begin."""


class BrokenCompressionError(Exception):
    """The content is not what its header says, or ends too early."""


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
    whole, rest = list[bytes](), content
    try:
        while rest:
            framed = rest.startswith(GZIP) or (rest[0] & 15 == 8 and int.from_bytes(rest[:2]) % 31 == 0)
            reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32 if framed else -zlib.MAX_WBITS)
            whole.append(reader.decompress(rest))
            if not reader.eof:
                raise zlib.error("it ends too early")
            rest = reader.unused_data
    except zlib.error as error:
        return _as_it_is(content, error)
    return b"".join(whole)


def _brotli(content: bytes) -> bytes:
    import brotli  # rarely needed

    try:
        return bytes(brotli.decompress(content))
    except brotli.error as error:
        return _as_it_is(content, error)


def _zstandard(content: bytes) -> bytes:
    import zstandard  # rarely needed

    whole, rest = list[bytes](), content
    try:
        while rest:
            reader = zstandard.ZstdDecompressor().decompressobj()
            whole.append(reader.decompress(rest))
            if not reader.eof:
                raise zstandard.ZstdError("it ends too early")
            rest = reader.unused_data
    except zstandard.ZstdError as error:
        return _as_it_is(content, error)
    return b"".join(whole)


def _as_it_is(content: bytes, error: Exception) -> bytes:
    if content.lstrip()[:1] in _PLAIN:
        return content
    raise BrokenCompressionError(f"the reply's compression is broken: {error}") from None


_READERS: dict[str, Callable[[bytes], bytes]] = {
    **dict.fromkeys(("gzip", "x-gzip", "deflate"), _zlib),
    "br": _brotli,
    "zstd": _zstandard,
}
