"""The columns that people's files and public data sets hold a prompt in, the first that is there before the others.
docs/prompts.md lists them."""

from collections.abc import Mapping

CHAT_FIELDS = ("messages", "conversations", "conversation")
QUESTION_FIELDS = (*CHAT_FIELDS, "prompt", "question", "problem", "instruction", "query", "input")
QUESTIONS_ELSEWHERE = (
    *("question_text", "problem_statement", "user_prompt", "prompt_text", "user_message", "ques", "inputs"),
    *("frage", "aufgabe", "pregunta", "problema", "problème", "domanda", "pergunta", "vraag", "pytanie", "soru"),
    *("вопрос", "问题", "題目", "题目", "問題", "質問", "질문", "문제"),
)
"""The same under longer names, and in other languages."""
QUESTIONS_WITH_OPTIONS = ("question_stem", "ctx", "goal", "sentence", "stem")
REFERENCE_FIELDS = (
    *("reference", "answer", "final_answer", "expected_answer", "ground_truth", "gold_answer", "reference_answer"),
    *("correct_answer", "best_answer", "reward_model.ground_truth", "gold", "target", "solution"),
    *("answer_number", "final_ans", "numerical_answer", "numeric_answer"),
    *("groundtruth", "expected", "expected_output", "ideal", "ans", "targets"),
    *("antwort", "lösung", "respuesta", "réponse", "risposta", "resposta", "antwoord", "odpowiedź", "cevap", "ответ"),
    *("答案", "正解", "答え", "정답", "답"),
)
ANSWER_FIELDS = ("output", "response", "completion")
"""Answers written to be learnt from. A long one is a reference only where it says a final answer."""
CONTEXT_FIELDS = ("passage", "context", "article", "body", "premise")
SYSTEM_FIELDS = ("system", "system_prompt")
KEPT_AS_IS = ("id", "verifier", "tags")

_DRESS = frozenset({"text", "content", "body", "string", "str", "value", "field", "the", "en", "math", "task"})
"""Words of a column's name that say nothing of what it holds: `answerText`, `question_body`."""
_WHO_ASKS = frozenset({"user", "customer", "client", "student"})
"""Who asks, beside a question: `userQuestion`. Beside an answer it says who gave it, and that may be wrong."""
_ASKED = frozenset({"prompt", "question", "problem", "instruction", "query", "input"})
_ANSWERED = frozenset({"answer", "solution", "target", "output", "response", "completion"}) | frozenset(
    one for one in REFERENCE_FIELDS if one.isascii() and "." not in one
)


_OFFERED = frozenset({"choices", "options"})
_OF_OPTIONS = frozenset({"answer", "question", "list", "possible", "multiple"})


def bare_names(names: Mapping[str, str]) -> dict[str, str]:
    """Simple name -> column for those that hold a question, an answer or options under a dressed name, where no column
    has one of the usual names. `names` are the columns by their simple names. A name that two columns may mean is left
    out."""
    found: dict[str, str] = {}
    for known, dress in ((_ASKED, _DRESS | _WHO_ASKS), (_ANSWERED, _DRESS), (_OFFERED, _DRESS | _OF_OPTIONS)):
        if known & names.keys():
            continue
        bare = [(_without(name, dress), own) for name, own in names.items()]
        owns = {name: {own for other, own in bare if other == name} for name, _ in bare if name in known}
        found |= {name: next(iter(own)) for name, own in owns.items() if len(own) == 1}
    if {"q", "a"} <= names.keys() and "b" not in names:  # where there is a b, these are options
        found |= {name: names[short] for name, short in (("question", "q"), ("answer", "a"))}
    return found


def _without(name: str, dress: frozenset[str]) -> str:
    return "_".join(word for word in name.split("_") if word not in dress)
