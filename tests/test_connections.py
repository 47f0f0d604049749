"""Replies as servers really send them, read off a socket: each is whole or lost, and none is taken for another."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cotdistill.providers import connections
from cotdistill.providers.connections import Connections, UnreachableError
from cotdistill.providers.http1 import Answered, LostError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def replying(
    *replies: bytes, close: bool = False, piece: int = 10**6, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that sends the replies one a request, in pieces; gives its URL, and each request with the number of its
    connection before it."""
    left, seen, writers = list(replies), list[bytes](), list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        number = len(writers)
        while left:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            seen.append(b"%d " % number + head + await reader.readexactly(length))
            reply = left.pop(0)
            for at in range(0, len(reply), piece):
                writer.write(reply[at : at + piece])
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                break
        if close:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/ask?a=b", seen
        finally:
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0.01)  # until the loop has let go of them


def asked(
    *replies: bytes, times: int = 1, close: bool = False, piece: int = 10**6
) -> tuple[list[Answered | Exception], list[bytes]]:
    async def run() -> tuple[list[Answered | Exception], list[bytes]]:
        async with replying(*replies, close=close, piece=piece) as (url, seen):
            pool, outcomes = Connections(url), list[Answered | Exception]()
            for _ in range(times):
                try:
                    outcomes.append(await pool.post(b"X: y\r\n", b"{}"))
                except (LostError, UnreachableError) as error:
                    outcomes.append(error)
            pool.close()
            return outcomes, seen

    return asyncio.run(run())


def content(outcome: Answered | Exception) -> bytes:
    assert isinstance(outcome, Answered), outcome
    return outcome.content


def test_a_request_is_what_was_given_and_its_connection_serves_the_next_one() -> None:
    outcomes, seen = asked(OK, OK, times=2)
    assert [content(one) for one in outcomes] == [b"hi", b"hi"]
    first, second = seen
    assert first.startswith(b"1 POST /v1/ask?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert first.endswith(b"\r\nX: y\r\nContent-Length: 2\r\n\r\n{}")
    assert second == first


@pytest.mark.parametrize("piece", [1, 7, 10**6])
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nTrailer: z\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK,
    ],
)
def test_a_reply_in_pieces_is_put_together(reply: bytes, piece: int) -> None:
    outcomes, seen = asked(reply, OK, times=2, piece=piece)
    assert [content(one) for one in outcomes] == [b"hi", b"hi"]
    assert isinstance(outcomes[0], Answered)
    assert (outcomes[0].status, outcomes[0].reason) == (200, "OK")
    assert [one[:1] for one in seen] == [b"1", b"1"], "one connection"


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_reply_without_a_length_ends_with_its_connection(head: bytes) -> None:
    outcomes, seen = asked(head + b"\r\nhi", head + b"\r\nho", times=2, close=True)
    assert [content(one) for one in outcomes] == [b"hi", b"ho"]
    assert [one[:1] for one in seen] == [b"1", b"2"]


def test_a_server_that_closes_after_its_reply_gets_the_next_request_on_a_new_connection() -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    outcomes, seen = asked(closing, OK, times=2)
    assert [content(one) for one in outcomes] == [b"hi", b"hi"]
    assert [one[:1] for one in seen] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "the server closed it"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "the server closed it"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "the server closed it"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "the server closed it"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "changed the protocol"),
    ],
)
def test_a_reply_that_is_none_or_in_part_is_lost(reply: bytes, words: str) -> None:
    (outcome,), _ = asked(reply, close=True)
    assert isinstance(outcome, LostError), outcome
    assert words in str(outcome)


def test_what_follows_a_reply_unasked_is_not_the_answer_to_the_next_request() -> None:
    outcomes, seen = asked(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nev", OK, times=2)
    assert [content(one) for one in outcomes if isinstance(one, Answered)] == [b"hi", b"hi"]
    assert [one[:1] for one in seen] == [b"1", b"2"]


def test_a_request_that_is_given_up_takes_its_connection_with_it() -> None:
    async def run() -> bytes:
        async with replying(b"", OK) as (url, seen):
            pool = Connections(url)
            waiting = asyncio.create_task(pool.post(b"", b"{}"))
            while not seen:
                await asyncio.sleep(0.001)
            waiting.cancel()
            answered = await pool.post(b"", b"{}")
            pool.close()
            return answered.content

    assert asyncio.run(run()) == b"hi"


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", 0.0)

    async def run() -> list[bytes]:
        async with replying(OK, OK) as (url, seen):
            pool = Connections(url)
            for _ in range(2):
                await pool.post(b"", b"{}")
                await asyncio.sleep(0.01)
            pool.close()
            return [one[:1] for one in seen]

    assert asyncio.run(run()) == [b"1", b"2"]


async def _plain(url: str) -> None:
    await Connections(url).post(b"", b"")


async def _encrypted(url: str) -> None:
    await Connections(url.replace("http:", "https:"), ssl.create_default_context()).post(b"", b"")


@pytest.mark.parametrize(
    ("url", "ask", "words"),
    [
        ("http://127.0.0.1:9/x", _plain, r"cannot connect to 127\.0\.0\.1:9: Connection refused"),
        ("http://no.such.host.invalid/x", _plain, r"cannot connect to no\.such\.host\.invalid:80: .+"),
        ("", _encrypted, r"cannot connect to 127\.0\.0\.1:\d+: no connection within 0\.2 s"),
    ],
)
def test_a_server_that_cannot_be_reached_is_named_with_the_reason(
    url: str, ask: Callable[[str], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT_S", 0.2)

    async def run() -> None:
        async with replying(OK, close=True) as (here, _):
            await ask(url or here)  # type: ignore[misc]

    with pytest.raises((UnreachableError, LostError), match=words):
        asyncio.run(run())


CERTIFICATE = [
    *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"),
    *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"),
]


def test_a_server_is_asked_encrypted_under_its_own_name_alone(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    subprocess.run(["openssl", *CERTIFICATE], cwd=tmp_path, check=True, capture_output=True)
    its = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    its.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def run() -> tuple[list[bytes], str]:
        async with replying(OK, OK, OK, tls=its) as (url, seen):
            encrypted = url.replace("http://127.0.0.1", "https://localhost")
            pool = Connections(encrypted, trusting)
            for _ in range(2):
                assert (await pool.post(b"", b"{}")).content == b"hi"
            pool.close()
            with pytest.raises(UnreachableError) as refused:
                await Connections(encrypted.replace("localhost", "127.0.0.1"), trusting).post(b"", b"{}")
            return [one[:1] for one in seen], str(refused.value)

    seen, words = asyncio.run(run())
    assert seen == [b"1", b"1"], "one connection"
    assert "certificate verify failed" in words.lower() or "certificate_verify_failed" in words.lower()
