"""The letters in which byte-level vocabularies, since GPT-2, write bytes."""


def byte_letters() -> dict[str, int]:
    """The byte of each letter: a byte that can be seen stands for itself, the others have the letters from 256 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + place): byte for place, byte in enumerate(unseen)}
