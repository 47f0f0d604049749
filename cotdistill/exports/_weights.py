"""A student's weights, one tensor at a time: what is not asked for is not in memory."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from cotdistill.errors import CotDistillError
from cotdistill.students import Student

LM_HEAD = "lm_head.weight"


class Weights:
    """Names, shapes and values of tensors, from files or from a loaded model."""

    def __init__(self, places: dict[str, Any], model: Any = None) -> None:
        self._places, self._model = places, model

    @property
    def names(self) -> list[str]:
        return sorted(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        place = self._places[name]
        return tuple(place.shape if self._model is not None else place.get_slice(name).get_shape())

    def __getitem__(self, name: str) -> Any:
        """A torch tensor on the CPU, in the dtype that it is stored in."""
        place = self._places[name]
        return place.detach().cpu() if self._model is not None else place.get_tensor(name)


def weights_of(found: Student, model: Any) -> Weights:
    """Of a `model` that is loaded its own tensors, else those that stand in the student's files.

    Raises CotDistillError for a file that is missing or damaged."""
    if model is not None:
        tied = bool(model.config.get_text_config().tie_word_embeddings)
        return Weights({name: one for name, one in model.state_dict().items() if not (tied and name == LM_HEAD)}, model)
    places: dict[str, Any] = {}
    for file in files(found):
        try:
            opened: Any = safe_open(file, framework="pt", device="cpu")
        except Exception as error:  # safetensors has an error of its own, and OSError
            raise CotDistillError(f"{file}: cannot read it: {' '.join(str(error).split())[:200]}") from None
        places |= dict.fromkeys(opened.keys(), opened)
    return Weights(places)


def files(found: Student) -> list[Path]:
    """The safetensors files of a student that is a directory with such. Of any other (an adapter, which is merged, a
    .gguf file, `tiny`) the model must be loaded."""
    if found.kind != "directory":
        return []
    directory = Path(found.source)
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        return [directory / name for name in names]
    whole = directory / "model.safetensors"
    return [whole] if whole.is_file() else []
