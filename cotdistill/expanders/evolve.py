"""A harder problem out of an easier one, one step at a time, as Evol-Instruct does (WizardLM, arXiv 2304.12244)."""

from dataclasses import dataclass

from cotdistill.expanders._frame import frame


@dataclass
class Expander:
    """Writes a more difficult problem than the seed: one step more, a condition, a second quantity, a rarer case."""

    def facets(self) -> dict[str, str]:
        return {
            "deeper": "Make it need one more step of reasoning than the one above.",
            "much-deeper": "Make it need two or three more steps of reasoning than the one above.",
            "condition": "Add one condition that changes the answer.",
            "second-quantity": "Let a second thing be kept track of on the way to the answer.",
            "concrete": "Put particular things in the place of general ones.",
            "indirect": "Give one of the facts only indirectly, so that it has to be worked out first.",
            "rarer": "Stay in the same field, and take a rarer case of it.",
        }

    def instruction(self, source: str, wish: str) -> str:
        return frame(source, wish)
