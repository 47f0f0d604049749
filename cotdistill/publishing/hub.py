"""Uploads a data set or a student to the Hugging Face hub with the official client, privately unless asked
otherwise."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cotdistill.artifacts import read_manifest, sha256
from cotdistill.artifacts.earlier import Listing, listing
from cotdistill.errors import AccountError, CotDistillError, UsageError
from cotdistill.publishing import data_set_card

_NEEDS = "pushing needs the extra train: pip install 'cotdistill[train]'"


@dataclass(frozen=True)
class Upload:
    """What is uploaded: `kind` is the hub's word (model, dataset), `files` are paths within `directory`."""

    kind: str
    directory: Path
    files: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of the files that are there: in a dry run a card may not be there yet."""
        there = [path for file in self.files if (path := self.directory / file).exists()]
        return sum(path.stat().st_size for path in there)


def prepare(directory: Path, note: Callable[[str], None], *, dry_run: bool = False) -> Upload:
    """The files that the manifests of a student or of rows list, and the card; nothing else in the directory. The card
    of rows is written anew, but not in a `dry_run`.

    Raises UsageError for a directory that is neither, CotDistillError for a file that is not as its manifest says.
    """
    known = listing(directory / "manifest.json")
    if known is not None and known.stage == "finetune":
        return Upload("model", directory, tuple(_student_files(directory, note)))
    parts = data_set_card.parts(directory)
    rows = {name: part.made.manifest for part in parts for name in part.files.values()}
    if not rows:
        raise UsageError(
            f"{directory}: neither a student that finetune wrote (with its manifest.json), nor a directory that format "
            f"wrote rows into"
        )
    for name, manifest in rows.items():
        hashes = {Path(one.path).name: one.sha256 for one in manifest.outputs}
        _check(directory, Path(name), hashes[name])
    if problem := data_set_card.why_not(directory) if dry_run else data_set_card.write(directory):
        raise CotDistillError(problem)
    return Upload("dataset", directory, (data_set_card.NAME, *rows))


def _student_files(directory: Path, note: Callable[[str], None]) -> Iterator[str]:
    known = read_manifest(directory / "manifest.json")
    places = Listing.of(known).files(directory)
    local_base = _has_local_base(directory / "adapter")
    if local_base:
        note("adapter/ stays here: it names the directory of this machine that it was trained from")
    for place, info in sorted(zip(places, known.outputs, strict=True), key=lambda one: one[0]):
        if not place.is_relative_to(directory):
            continue  # rows that were set aside, beside the directory
        name = place.relative_to(directory)
        if local_base and name.parts[0] == "adapter":
            continue
        _check(directory, name, None if name == Path("README.md") else info.sha256)
        yield name.as_posix()


def _check(directory: Path, name: Path, sha: str | None) -> None:
    """Raises CotDistillError for what must not be uploaded: a hidden file, a link or what one leads to, another
    content. A card may be edited: it has no `sha`."""
    path = directory / name
    if any(part.startswith(".") for part in name.parts):
        raise CotDistillError(f"{path}: is listed in the manifest, but hidden files are not sent; remove it from there")
    if any((directory / parent).is_symlink() for parent in [name, *name.parents[:-1]]):
        raise CotDistillError(f"{path}: is a link, or in a linked directory; put the file itself there")
    if not path.is_file():
        raise CotDistillError(f"{path}: is listed in the manifest and is not there; train again, or restore it")
    if sha is not None and sha256(path) != sha:
        raise CotDistillError(f"{path}: changed since its manifest was written, so nothing is sent")


def _has_local_base(adapter: Path) -> bool:
    config = adapter / "adapter_config.json"
    if not config.is_file():
        return False
    base = msgspec.json.decode(config.read_bytes()).get("base_model_name_or_path") or ""
    return Path(base).is_absolute() or Path(base).exists()


def check_name(repository: str) -> None:
    """Raises UsageError for what the hub would not take as OWNER/NAME, so that a dry run finds it.

    The hub would take a NAME alone too, but a slip would then put a student where nobody looks for it.
    """
    try:
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
    except ImportError:
        raise CotDistillError(_NEEDS) from None
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UsageError(f"{repository!r}: expected OWNER/NAME, such as me/sums. {error}") from None
    if "/" not in repository:
        raise UsageError(f"{repository!r}: expected OWNER/NAME, such as me/sums; the owner is missing")


def push(upload: Upload, repository: str, *, public: bool, message: str) -> str:
    """Upload in one commit. Returns the page's address.

    Raises AccountError without a token or the right to write, UsageError for a repository that is already public where
    `public` was not given, CotDistillError when the hub refuses or cannot be reached.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import httpx2
        from huggingface_hub import CommitOperationAdd, HfApi, get_token
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError:
        raise CotDistillError(_NEEDS) from None
    if not get_token():
        raise AccountError("no token for the hub: set HF_TOKEN in the environment or .env, or run `hf auth login`")
    disable_progress_bars()
    hub = HfApi()
    try:
        page = hub.create_repo(repository, repo_type=upload.kind, private=not public, exist_ok=True)
        if not public and not hub.repo_info(page.repo_id, repo_type=upload.kind).private:
            raise UsageError(f"{page} is public: everybody would read this. --public if that is meant")
        hub.create_commit(
            repo_id=page.repo_id,
            repo_type=upload.kind,
            commit_message=message,
            operations=[
                CommitOperationAdd(path_in_repo=file, path_or_fileobj=str(upload.directory / file))
                for file in upload.files  # one by one: the client's patterns are globs, and names may look like some
            ],
        )
    except HFValidationError as error:
        raise UsageError(f"{repository}: {error}") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        words = f"{repository}: the hub says {status}: {error.server_message or str(error).strip().splitlines()[0]}"
        if status in (401, 403):
            raise AccountError(f"{words}. The token needs the right to write there") from None
        raise CotDistillError(words) from None
    except (httpx2.HTTPError, OfflineModeIsEnabled, ValueError) as error:
        raise CotDistillError(f"{repository}: the hub cannot be reached or answers strangely: {error}") from None
    return str(page)
