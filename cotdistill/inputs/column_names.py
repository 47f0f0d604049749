"""The columns that people's files and public data sets hold a prompt in, the first that is there before the others.
docs/prompts.md lists them."""

CHAT_FIELDS = ("messages", "conversations", "conversation")
QUESTION_FIELDS = (*CHAT_FIELDS, "prompt", "question", "problem", "instruction", "query", "input")
QUESTIONS_ELSEWHERE = (
    *("question_text", "problem_statement", "user_prompt", "prompt_text"),
    *("frage", "aufgabe", "pregunta", "problema", "problème", "domanda", "pergunta", "vraag", "pytanie", "soru"),
    *("вопрос", "问题", "題目", "题目", "問題", "質問", "질문", "문제"),
)
"""The same under longer names, and in other languages."""
QUESTIONS_WITH_OPTIONS = ("question_stem", "ctx", "goal", "sentence", "stem")
REFERENCE_FIELDS = (
    *("reference", "answer", "final_answer", "expected_answer", "ground_truth", "gold_answer", "reference_answer"),
    *("correct_answer", "reward_model.ground_truth", "gold", "target", "solution"),
    *("groundtruth", "expected", "expected_output", "ideal"),
    *("antwort", "lösung", "respuesta", "réponse", "risposta", "resposta", "antwoord", "odpowiedź", "cevap", "ответ"),
    *("答案", "正解", "答え", "정답", "답"),
)
ANSWER_FIELDS = ("output", "response", "completion")
"""Answers written to be learnt from. A long one is a reference only where it says a final answer."""
CONTEXT_FIELDS = ("passage", "context", "article", "body", "premise")
SYSTEM_FIELDS = ("system", "system_prompt")
KEPT_AS_IS = ("id", "verifier", "tags")
