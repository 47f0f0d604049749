"""A data set or a student to the Hugging Face hub, with the official client; private unless asked otherwise."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cotdistill.errors import AccountError, CotDistillError, UsageError
from cotdistill.publishing import data_set_card

_NOT_SENT = ("manifest.json", ".lock")
"""A manifest names paths of this machine."""


@dataclass(frozen=True)
class Parcel:
    """What goes to the hub: `kind` is the hub's word (model, dataset), `files` are paths within `directory`."""

    kind: str
    directory: Path
    files: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum((self.directory / file).stat().st_size for file in self.files)


def pack(directory: Path, tell: Callable[[str], None]) -> Parcel:
    """Raises UsageError for a directory that is neither a student nor holds what format wrote."""
    if (directory / "config.json").is_file():
        return Parcel("model", directory, tuple(_student_files(directory, tell)))
    files = [file for part in data_set_card.parts(directory) for file in part.files.values()]
    if not files:
        raise UsageError(f"{directory}: neither a student (config.json) nor a directory that format wrote rows into")
    if note := data_set_card.write(directory):
        raise CotDistillError(note)
    return Parcel("dataset", directory, ("README.md", *files))


def _student_files(directory: Path, tell: Callable[[str], None]) -> list[str]:
    left_out: tuple[str, ...] = (".", "checkpoint")
    if _has_local_base(directory / "adapter"):
        tell("adapter/ stays here: it names the directory of this machine that it was trained from")
        left_out += ("adapter/",)
    names = (path.relative_to(directory).as_posix() for path in sorted(directory.rglob("*")) if path.is_file())
    return [name for name in names if not name.endswith(_NOT_SENT) and not name.startswith(left_out)]


def _has_local_base(adapter: Path) -> bool:
    config = adapter / "adapter_config.json"
    if not config.is_file():
        return False
    base = msgspec.json.decode(config.read_bytes()).get("base_model_name_or_path") or ""
    return Path(base).is_absolute() or Path(base).exists()


def push(parcel: Parcel, repository: str, *, public: bool, message: str) -> str:
    """Upload in one commit; gives the page's address.

    Raises AccountError without a token or the right to write, UsageError for a repository that is public already
    where `public` was not asked for, CotDistillError when the hub refuses or cannot be reached.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import httpx2
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError:
        raise CotDistillError("pushing needs the extra train: pip install 'cotdistill[train]'") from None
    if not get_token():
        raise AccountError("no token for the hub: set HF_TOKEN in the environment or .env, or run `hf auth login`")
    disable_progress_bars()
    hub = HfApi()
    try:
        page = hub.create_repo(repository, repo_type=parcel.kind, private=not public, exist_ok=True)
        if not public and not hub.repo_info(page.repo_id, repo_type=parcel.kind).private:
            raise UsageError(f"{page} is public: everybody would read this. --public if that is meant")
        hub.upload_folder(
            repo_id=page.repo_id,
            folder_path=parcel.directory,
            repo_type=parcel.kind,
            commit_message=message,
            allow_patterns=list(parcel.files),
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
