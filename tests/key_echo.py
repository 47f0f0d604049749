"""Servers that echo the API key, in every place and spelling, and a search for it in every byte that was written.

`python -m tests.key_echo` runs the whole matrix and prints what it found; the test does the same, a mode at a time.
"""

import contextlib
import io
import json
import os
import sqlite3
import sys
import tempfile
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import tenacity

from cotdistill.cli import main
from tests.background import in_background
from tests.scripted_server import Scripted, completion, message, serving

KEY = "sk-test-Q7wX/2eRt+9YuIo-p4As=DfGh_1JkLz8XcVbNm5"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "percent": lambda key: urllib.parse.quote(key, safe=""),
    "percent twice": lambda key: urllib.parse.quote(urllib.parse.quote(key, safe=""), safe=""),
    "escaped slash": lambda key: key.replace("/", "\\/"),
    "escaped letters": lambda key: "".join(one if one.isalnum() else f"\\u{ord(one):04x}" for one in key),
    "invisible": lambda key: "\u200b".join(key),
    "first half": lambda key: key[: len(key) // 2],
    "second half": lambda key: key[len(key) // 2 :],
    "from its middle": lambda key: key[9:31],
}

Reply = Callable[[str], Scripted]
"""What a server answers; given the key as it spells it."""


@dataclass(frozen=True)
class Mode:
    """`ends` says that the first such reply ends the run, so that each spelling takes a run of its own."""

    reply: Reply
    provider: str = "openai"
    ends: bool = False
    options: tuple[str, ...] = ()


def _error(status: int, **fields: Any) -> Reply:
    def reply(key: str) -> Scripted:
        said = {name: value.replace("KEY", key) if isinstance(value, str) else value for name, value in fields.items()}
        return Scripted({"error": {"message": f"no {key} here", **said}}, status)

    return reply


def _answer(**fields: Any) -> Reply:
    return lambda key: Scripted({**completion(f"4 {key}"), **{name: f"v {key}" for name in fields}})


def _body(text: str, status: int = 200, content_type: str = "application/json") -> Reply:
    """Bytes with the key as it stands, so that `\\/` and `\\u002d` are JSON's own escapes."""
    return lambda key: Scripted(
        text.replace("KEY", key).encode("utf-8", "surrogateescape"), status, {"content-type": content_type}
    )


_CHAT = '{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"4"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
_PAGE = "<html><title>Denied KEY</title><body>KEY</body></html>"

MODES: dict[str, Mode] = {
    "answer": Mode(_answer()),
    "answer, as JSON spells it": Mode(_body(_CHAT.replace('"4"', '"4 KEY"'))),
    "model name": Mode(_body(_CHAT.replace('"m"', '"m KEY"'))),
    "finish reason": Mode(_body(_CHAT.replace('"stop"', '"KEY"'))),
    "id": Mode(_body(_CHAT.replace('"x"', '"KEY"'))),
    "name of a field": Mode(_body(_CHAT.replace('"id":', '"KEY":'))),
    "reasoning": Mode(lambda key: Scripted(completion("4", reasoning_content=f"think {key}"))),
    "refusal": Mode(lambda key: Scripted(completion("", refusal=f"no {key}"))),
    "unknown field": Mode(_answer(provider="KEY")),
    "beside bad bytes": Mode(_body(_CHAT.replace('"4"', '"caf\udcc3 KEY"'))),
    "bad bytes after an error": Mode(_body('{"error":{"message":"caf\udcc3 KEY"}}', 400)),
    "thinking": Mode(lambda key: Scripted(message({"type": "thinking", "thinking": key}, {"type": "text", "text": "4"})), "anthropic"),
    "Claude's answer": Mode(lambda key: Scripted(message({"type": "text", "text": f"4 {key}"})), "anthropic"),
    "Claude's refusal": Mode(lambda key: Scripted({**message({"type": "text", "text": "no"}, stop_reason="refusal"), "stop_details": {"category": "bio", "explanation": f"no {key}"}}), "anthropic"),
    "Claude's error": Mode(lambda key: Scripted({"type": "error", "error": {"type": "invalid_request_error", "message": key}}, 400), "anthropic"),
    "error in a stream": Mode(lambda key: Scripted(f'event: error\ndata: {json.dumps({"type": "error", "error": {"type": "api_error", "message": key}})}\n\n'.encode(), 200, {"content-type": "text/event-stream"}), "anthropic", options=("--max-output-tokens", "30000")),
    "no JSON": Mode(_body("KEY is what you sent")),
    "JSON that breaks off": Mode(_body('{"choices":[{"message":{"content":"KEY')),
    "no choices": Mode(_body('{"note":"KEY","choices":[]}')),
    "empty message": Mode(_body('{"note":"KEY","choices":[{"message":{"content":""},"finish_reason":"stop"}]}')),
    "error under 200": Mode(_body('{"error":{"message":"KEY","code":500}}')),
    "error that is a text": Mode(_body('{"error":"KEY"}', 400)),
    "error in a list": Mode(_body('[{"error":{"message":"KEY","code":400}}]', 400)),
    "error's code": Mode(_error(400, code="KEY")),
    "error's type": Mode(_error(422, type="KEY")),
    "validation error": Mode(_body('{"detail":[{"loc":["KEY"],"msg":"bad KEY"}]}', 422)),
    "error behind the gateway": Mode(_error(400, metadata={"raw": "KEY"})),
    "error of words": Mode(_body("no KEY", 400, "text/plain")),
    "cut where words are": Mode(lambda key: Scripted({"error": {"message": "x" * 265 + key}}, 400)),
    "broken server": Mode(_error(500)),
    "rate limit": Mode(_error(503, code="overloaded")),
    "page": Mode(_body(_PAGE, 403, "text/html")),
    "page for an answer": Mode(_body(_PAGE, 200, "text/html")),
    "key refused": Mode(_error(401, code="invalid_api_key"), ends=True),
    "model unknown": Mode(_error(404, code="model_not_found"), ends=True),
    "quota of a day": Mode(lambda key: Scripted({"error": {"message": key}}, 429, {"retry-after": "86400"}), ends=True),
    "redirect": Mode(lambda key: Scripted(b"", 307, {"location": f"http://127.0.0.2:9/{urllib.parse.quote(key, safe='')}"}), ends=True),
}  # fmt: skip


def run(mode: Mode, folder: Path) -> bytes:
    """Every byte that the command wrote under this mode, of files, store and terminal."""
    spelled = [spell(KEY) for spell in SPELLINGS.values()]
    if not mode.ends:
        _generate(mode, folder, spelled)
    else:
        for number, one in enumerate(spelled):
            (folder / str(number)).mkdir()
            _generate(mode, folder / str(number), [one])
    return b"\n".join(written(folder))


def found_in(text: bytes) -> list[str]:
    """The spellings of which a third of the key or more in a row can be read in it."""
    texts = {text.decode("utf-8", "replace")}
    for _ in range(3):
        texts |= {_unescaped(one) for one in texts}
    plain = [one.replace("\u200b", "").lower() for one in texts]
    key = KEY.lower()
    pieces = [key[at : at + len(key) // 3] for at in range(len(key) - len(key) // 3 + 1)]
    return sorted({piece for piece in pieces for one in plain if piece in one})


def _unescaped(text: str) -> str:
    text = urllib.parse.unquote(text).replace("\\/", "/")
    for one in set(KEY) | {"\u200b"}:
        for code in (f"\\u{ord(one):04x}", f"\\u{ord(one):04X}"):
            text = text.replace(f"\\{code}", one).replace(code, one)
    return text


def _generate(mode: Mode, folder: Path, spelled: list[str]) -> None:
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "question": f"n{n}?"}) + "\n" for n in range(len(spelled))))

    def answer(number: int, body: dict[str, Any]) -> Scripted:
        asked = str(body["messages"][-1]["content"])
        return mode.reply(spelled[int(asked.strip("n?"))])

    with in_background(serving(answer)) as server:
        url = server.url + ("/v1" if mode.provider == "openai" else "")
        words = ["generate", str(prompts), "-o", str(folder / "r.jsonl"), "--teacher", f"{mode.provider}:m"]
        words += ["--base-url", url, "--max-attempts", "2", "--verbose", "--cache", str(folder / "store.sqlite")]
        (folder / "terminal.txt").write_text(command([*words, *mode.options]))


def command(words: list[str]) -> str:
    """The command line in this process; gives what it wrote to stdout and stderr."""
    terminal = io.StringIO()
    environment = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["cotdistill", *words]),
        mock.patch.object(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_fixed(0.01)),
        contextlib.redirect_stdout(terminal),
        contextlib.redirect_stderr(terminal),
        contextlib.suppress(SystemExit),
    ):
        main.main()
    return terminal.getvalue()


def written(folder: Path) -> Iterator[bytes]:
    """Each file; of a store its answers too, which lie there compressed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.read_bytes()
        if path.suffix == ".sqlite":
            with contextlib.closing(sqlite3.connect(path)) as store:
                for row in store.execute("SELECT * FROM answers"):
                    yield from (_inflated(value) for value in row if isinstance(value, bytes))


def _inflated(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


if __name__ == "__main__":
    leaks = 0
    for name, mode in MODES.items():
        with tempfile.TemporaryDirectory() as folder:
            found = found_in(run(mode, Path(folder)))
        leaks += bool(found)
        print(f"{name:<28}{'LEAKS ' + found[0] if found else 'clean'}")
    print(f"{len(MODES)} modes, {len(SPELLINGS)} spellings: {leaks} leak")
