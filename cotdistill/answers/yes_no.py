"""The words for yes and no, true and false, in the languages that teachers answer in."""

from collections.abc import Mapping

_YES = "yes true correct 是 对 正确 ja oui sí si sì sim да はい 네 예 yep yeah"
_NO = "no false incorrect wrong 否 不是 错误 不对 nein non não нет いいえ 아니요 nope"
YES_NO: Mapping[str, tuple[str, ...]] = {"yes": tuple(_YES.split()), "no": tuple(_NO.split())}
"""The two sides of a question that is answered by yes or no, or of a statement that is true or false."""

NATURAL = frozenset(
    (
        *("yes", "no", "true", "false", "correct", "incorrect", "ja", "nein", "oui", "sí", "não", "да", "нет"),
        *("はい", "いいえ", "是", "不是", "否", "正确", "错误", "아니요"),
    )
)
"""References that say yes or no and nothing else; `si` may be silicon."""

_ALONE = {
    "yes": ("y", "t", "definitely", "certainly", "absolutely", "of course", "for sure", "indeed"),
    "no": ("n", "f", "definitely not", "certainly not", "absolutely not", "of course not", "not at all", "by no means"),
}
ALONE = {word: label for label, words in _ALONE.items() for word in words}
"""What says yes or no where it stands alone."""
