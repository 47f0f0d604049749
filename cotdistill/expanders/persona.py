"""Problems as different people would come to ask them (compare Persona Hub, arXiv 2406.20094)."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cotdistill.expanders._frame import frame
from cotdistill.plugins import File

PERSONAS = (
    "a baker who plans tomorrow's bread", "a nurse on a night shift", "a bus driver with a new timetable",
    "a child who saves pocket money", "a gardener before the first frost", "a judge of a swimming contest",
    "a carpenter who cuts boards", "a teacher who sets an examination", "a sailor who works out a course",
    "a shopkeeper at stocktaking", "a runner in training for a marathon", "an electrician in an old house",
    "a beekeeper in spring", "a translator with a deadline", "a pilot before take-off", "a mother of twins",
    "a retired engineer who builds models", "a chess club's treasurer", "a chemist who mixes a solution",
    "a tailor who measures cloth", "a photographer in the mountains", "a firefighter who checks equipment",
    "a farmer at harvest", "a student who shares a flat", "a museum guide", "a plumber who orders pipes",
    "an astronomer who waits for an eclipse", "a cook in a canteen", "a geologist with rock samples",
    "a programmer who reads an old log", "a referee of a league", "a violinist who tunes by ear",
    "a warehouse worker who packs boxes", "a mayor with a small budget", "a diver who watches the air",
    "a bookbinder with a large order", "a meteorologist on an island", "a barber on a Saturday",
    "a veterinarian on a round", "a detective who checks an alibi",
)  # fmt: skip


@dataclass
class Expander:
    """Writes what another person would ask in the place of the seed: forty people, or one a line of `file`."""

    file: File | None = None

    _people: tuple[str, ...] = field(default=PERSONAS, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.file is not None:
            self._people = lines_of(self.file)

    def facets(self) -> dict[str, str]:
        wishes = {one: f"Let it be one that {one} would ask, from that person's life or work." for one in self._people}
        slugs = Counter(map(slug, wishes))
        return {one if slugs[slug(one)] > 1 else slug(one): wish for one, wish in wishes.items()}

    def instruction(self, source: str, wish: str) -> str:
        return frame(source, f"{wish} Keep its kind and its difficulty.")


def lines_of(file: str) -> tuple[str, ...]:
    """The lines of a list that a person wrote. Raises ValueError for a file that is none."""
    try:
        found = [line.strip() for line in Path(file).read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: expected a text file with one entry a line; {error}") from None
    if not any(found):
        raise ValueError(f"{file}: expected one entry a line, found none")
    return tuple(dict.fromkeys(filter(None, found)))


def slug(text: str) -> str:
    """A short name out of a line: "a baker who plans tomorrow's bread" -> "baker-who-plans"."""
    words = [word for word in re.findall(r"\w+", text.casefold()) if word not in ("a", "an", "the")]
    return "-".join(words[:3]) or "line"
