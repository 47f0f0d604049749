"""Numbers in the sentences that a person reads."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 row has`, `2,000 rows have`: a number with the words that fit it. Without `many` an s is added to `one`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
