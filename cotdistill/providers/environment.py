"""Where keys stand besides the environment."""

from cotdistill.masking import add_unsent_secrets


def load_env() -> None:
    """Keys from .env in the working directory or above it; the environment wins."""
    from dotenv import find_dotenv, load_dotenv

    load_dotenv(find_dotenv(usecwd=True))
    add_unsent_secrets()  # before a key is used: of all the others no message shows one either
