"""The same problem with other numbers, in another place, the other way round."""

from dataclasses import dataclass

from cotdistill.expanders._frame import frame

SETTINGS = (
    "a kitchen", "a school trip", "a railway station", "a farm", "a hospital ward", "a sports club", "a workshop",
    "a library", "a building site", "an orchestra", "a market stall", "a space station",
)  # fmt: skip


@dataclass
class Expander:
    """Writes the seed again: other numbers, another setting, or with the given and the asked exchanged."""

    def facets(self) -> dict[str, str]:
        others = {
            "numbers": "Keep the structure of the one above, and change every number or name in it.",
            "values": "Take clearly larger or smaller values than the one above, with the same number of steps.",
            "inverse": "Ask for something that the one above states, and state what the one above asks for.",
            "order": "Bring the same kinds of facts or steps in another order, with other values.",
        }
        settings = {
            setting.split()[-1]: f"Keep the difficulty of the one above; let it happen in {setting}, with other values."
            for setting in SETTINGS
        }
        return others | settings

    def instruction(self, source: str, wish: str) -> str:
        return frame(source, wish)
