"""A loopback stand-in for the model hub: enough of its API for the official client to create, look and commit."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_test_token"


@dataclass
class Hub:
    """`files` by repository (with its kind's prefix) and path; `private` by repository."""

    url: str
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by their sha256, uploaded before the commit that names them."""

    def revision(self, repository: str) -> str:
        """Changes with the files."""
        return _sha(b"".join(f"{path} ".encode() + text for path, text in sorted(self.files[repository].items())))


def _sha(content: bytes) -> str:
    return sha256(content).hexdigest()[:40]


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = Hub(f"http://127.0.0.1:{self.server_port}")


@contextmanager
def hub() -> Iterator[Hub]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.hub
        server.shutdown()


class Handler(BaseHTTPRequestHandler):
    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, Server)
        return self.server.hub

    def do_GET(self) -> None:
        parts = [part for part in self.path.split("?")[0].split("/") if part]
        if parts[0] == "api":
            return self.about("/".join(parts[1:4]), parts[4:])
        if "resolve" in parts:
            place = parts.index("resolve")
            return self.file("/".join(parts[:place]), "/".join(parts[place + 2 :]))
        self.answer(404, {"error": "not in this stand-in"})

    do_HEAD = do_GET

    def about(self, repository: str, more: list[str]) -> None:
        if repository not in self.hub.private:
            return self.answer(404, {"error": "Repository not found"}, code="RepoNotFound")
        files = self.hub.files[repository]
        listed = [{"type": "file", "path": path, "size": len(text), "oid": _sha(text)} for path, text in files.items()]
        if more[:1] == ["tree"]:
            return self.answer(200, listed)
        siblings = [{"rfilename": path} for path in files]
        about = {"id": repository.partition("/")[2], "sha": self.hub.revision(repository), "siblings": siblings}
        self.answer(200, {**about, "private": self.hub.private[repository]})

    def file(self, repository: str, path: str) -> None:
        content = self.hub.files.get(repository, {}).get(path)
        if content is None:
            return self.answer(404, {"error": "Entry not found"}, code="EntryNotFound")
        headers = {"ETag": f'"{_sha(content)}"', "X-Repo-Commit": self.hub.revision(repository)}
        self.send(200, content, headers | {"Accept-Ranges": "bytes"})

    def do_PUT(self) -> None:
        content = self.body()
        self.hub.stored[sha256(content).hexdigest()] = content
        self.answer(200, {})

    def do_POST(self) -> None:
        content = self.body()
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path.endswith("/api/validate-yaml"):
            return self.answer(200, {"errors": [], "warnings": []})
        if self.path.endswith("/commit/main"):
            return self.commit(content.splitlines())
        given = json.loads(content)
        if self.path.endswith("/api/repos/create"):
            return self.create(given)
        if "/preupload/" in self.path:
            return self.answer(200, {"files": [upload_mode(one["path"]) for one in given["files"]]})
        upload = {"upload": {"href": f"{self.hub.url}/upload"}}
        self.answer(200, {"transfer": "basic", "objects": [{**one, "actions": upload} for one in given["objects"]]})

    def create(self, given: dict[str, Any]) -> None:
        repository = f"{given.get('type', 'model')}s/{given.get('organization', 'me')}/{given['name']}"
        if repository in self.hub.private:
            page = f"{self.hub.url}/{repository.removeprefix('models/')}"
            return self.answer(409, {"error": "You already created this repo", "url": page})
        self.hub.private[repository] = given["visibility"] == "private"
        self.hub.files[repository] = {}
        self.answer(200, {"url": f"{self.hub.url}/{repository.removeprefix('models/')}"})

    def commit(self, lines: list[bytes]) -> None:
        kind, owner, name = self.path.split("?")[0].split("/")[2:5]
        files = self.hub.files[f"{kind}/{owner}/{name}"]
        for entry in map(json.loads, lines):
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
        self.answer(200, {"commitUrl": f"{self.hub.url}/{owner}/{name}/commit/1", "commitOid": "1" * 40})

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def answer(self, status: int, value: Any, code: str = "") -> None:
        headers = {"Content-Type": "application/json"} | ({"X-Error-Code": code} if code else {})
        self.send(status, json.dumps(value).encode(), headers)

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def upload_mode(path: str) -> dict[str, Any]:
    mode = "lfs" if path.endswith(".safetensors") else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}
