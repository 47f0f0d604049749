"""Prompt files as people have them: what is asked, what the reference is, or the one line that says why not."""

import bz2
import gzip
import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import PromptFile
from tests.conftest import SHARED, prompt_file

INPUTS = SHARED / "findings" / "inputs"
EM = "\u2014"


class Case(NamedTuple):
    """A file and its prompts: question, reference, verifier; or the words of the error. `said`: in its description."""

    name: str
    content: bytes
    prompts: list[tuple[str, str | None, str | None]] | None = None
    error: str = ""
    said: tuple[str, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})


def rows(*records: dict[str, Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def one(question: str, reference: str | None = None, verifier: str | None = None) -> Any:
    return [(question, reference, verifier)]


def read(name: str, record: dict[str, Any], question: str, reference: str | None, verifier: str | None = None,
         *said: str, **options: Any) -> Case:  # fmt: skip
    return Case(f"{name}.jsonl", rows(record), one(question, reference, verifier), "", said, options)


def refused(name: str, content: bytes | dict[str, Any], error: str, **options: Any) -> Case:
    content = rows(content) if isinstance(content, dict) else content
    return Case(name if "." in name else f"{name}.jsonl", content, error=error, options=options)


def turns(*contents: Any, roles: str = "user assistant") -> list[dict[str, Any]]:
    names = roles.split()
    return [{"role": names[place % len(names)], "content": content} for place, content in enumerate(contents)]


METALS = "Which of them is a metal?\n\nA) tin\nB) oak\nC) wool"
TABLES = [
    Case("comma.csv", b"question,answer\nHow many legs has a spider?,8\n", one("How many legs has a spider?", "8")),
    Case("semicolon.csv", b"Nr;question;answer\n1;Was ist 0,5 + 1?;1,5\n", one("Was ist 0,5 + 1?", "1,5"),
         said=("cells separated by ';'", "not used: Nr")),
    Case("tab.csv", b"question\tanswer\nRed, or blue?\tred\n", one("Red, or blue?", "red"), said=("by a tab",)),
    Case("pipe.csv", b"question|answer\nRed, or blue?|red\n", one("Red, or blue?", "red"), said=("by '|'",)),
    Case("excel.csv", b"sep=;\nquestion;answer\nHalf of 3?;1,5\n", one("Half of 3?", "1,5")),
    Case("comma.tsv", b"question,answer\nHow many?,8\n", one("How many?", "8"), said=("by a comma",)),
    Case("spaces.csv", b" Question , Final Answer \nHow many?, 8\n", one("How many?", "8")),
    Case("quoted.csv", b'question, answer\n"Red, or blue?", "red, say"\n', one("Red, or blue?", "red, say")),
    Case("lines.csv", b'question,answer\r\n"Red\r\nor blue?",red\r\n', one("Red\r\nor blue?", "red")),
    Case("mac.csv", b"question,answer\rHow many?,8\rHow few?,1\r",
         [("How many?", "8", None), ("How few?", "1", None)]),
    Case("western.csv", "question,answer\nWo liegt Köln?,am Rhein\n".encode("cp1252"),
         one("Wo liegt Köln?", "am Rhein"), said=("read as Windows-1252",)),
    Case("dashes.txt", f"Wer war Schröder {EM} und wann?\n".encode("cp1252"), one(f"Wer war Schröder {EM} und wann?")),
    Case("mark.csv", "question,answer\nÉté?,été\n".encode("utf-8-sig"), one("Été?", "été")),
    Case("wide.csv", "question,answer\nÉté?,été\n".encode("utf-16"), one("Été?", "été"), said=("read as UTF-16",)),
    Case("bare.csv", "question,answer\nWhere?,here\n".encode("utf-16-le"), one("Where?", "here")),
    Case("gaps.csv", b"question,answer,level,\nHow many?,8,,\n,,,\n\nHow few?,nan,2,,,\n",
         [("How many?", "8", None), ("How few?", None, None)], said=("reference: 1 of 2 prompts",)),
    Case("short.csv", b"question,answer\nHow many?\n", one("How many?")),
    Case("shout.csv", b"ID,PROBLEM,SOLUTION\nx1,How many?,8\n", one("How many?", "8")),
    refused("open.csv", b'question,answer\nOne?,1\n"Two?,2\nThree?,3\n', "open.csv:3: not valid CSV: a quote that op"),
    refused("inner.csv", b'question,answer\n"So "big" is it?",2\n', "inner.csv:2: not valid CSV: a quote"),
    refused("late.csv", b'question,answer\n"Two?,2\nThree?,3\n"Four?",4\n', "late.csv:2: not valid CSV: a quote"),
    refused("double.csv", b"question,answer,answer\nTwo?,2,3\n", "double.csv:1: two columns are named 'answer'"),
    refused("many.csv", b"question,answer\nRed, or blue?,red\n", "many.csv:2: more cells than the header has"),
    refused("damaged.csv", "question,answer\nÉté?,x\n".encode() + b"Caf\xc3?,y\n", "damaged.csv:3: not valid UTF-8"),
    refused("odd.csv", "question\nÉté\n".encode("utf-16")[:-1], "odd.csv: not valid UTF-16"),
]  # fmt: skip
TEXTS = [
    Case("separator.txt", "One\u2028line?\r\nTwo?\rThree?".encode(),
         [("One\u2028line?", None, None), ("Two?", None, None), ("Three?", None, None)]),
    Case("wide.jsonl", '{"question": "Été?", "answer": "été"}\r\n{"question": "Two?"}\r\n'.encode("utf-16"),
         [("Été?", "été", None), ("Two?", None, None)]),
    Case("separator.jsonl", '{"question": "One\u2028line?", "answer": 1}\r\n'.encode(), one("One\u2028line?", "1")),
    Case("nan.jsonl", b'{"question": "One?", "answer": NaN, "id": NaN}\n{"question": "NaN?", "answer": 2.0}\n',
         [("One?", None, None), ("NaN?", "2", None)]),
    Case("gone.csv", b"question,answer\nOne?,NA\nTwo?,NULL\nThree?,8\n",
         [("One?", None, None), ("Two?", None, None), ("Three?", "8", None)], said=("'NA' in 'answer' is read as",)),
    Case("worked.jsonl", b'{"question": "5 + 7?", "answer": "Add 5 and 7. The answer is 12."}\n', one("5 + 7?", "12")),
    Case("accepted.jsonl", b'{"question": "Where?", "answers": {"text": ["Oslo", "in Oslo", "Oslo"]}}\n',
         [("Where?", '["Oslo", "in Oslo"]', "any_of")], said=("each answer that 'answers' lists is right",)),
    Case("aliases.jsonl", b'{"question": "Where?", "answer": "Oslo", "aliases": ["Christiania"]}\n',
         [("Where?", '["Oslo", "Christiania"]', "any_of")]),
    Case("several.jsonl", b'{"question": "Which?", "choices": ["tin", "oak", "iron"], "answer": ["A", "C"]}\n',
         [("Which?\n\nA) tin\nB) oak\nC) iron", "A, C", "choice")]),
    Case("huge.jsonl", b'{"question": "One?", "answer": 123456789012345678901234567890}\n',
         one("One?", "123456789012345678901234567890")),
    Case("mark.json", b'\xef\xbb\xbf[{"question": "One?", "answer": 1}]', one("One?", "1")),
    Case("wide.json", '[{"question": "Été?", "answer": NaN}]'.encode("utf-16-be"), one("Été?")),
    Case("inside.json", b'{"version": 2, "data": [{"question": "One?", "answer": 1}]}', one("One?", "1")),
    Case("lines.json", b'{"question": "One?"}\n{"question": "Two?"}\n', [("One?", None, None), ("Two?", None, None)]),
    Case("small.jsonl.gz", gzip.compress(rows({"question": "One?"})), one("One?")),
    Case("small.csv.bz2", bz2.compress(b"question;answer\nOne?;1\n"), one("One?", "1")),
    Case("small.TXT.xz", lzma.compress(b"One?\n"), one("One?")),
    refused("cut.jsonl.gz", gzip.compress(rows(*[{"question": str(n)} for n in range(999)]))[:200],
            "cut.jsonl.gz: cannot be uncompressed"),
    Case("list.jsonl", b'[\n{"question": "One?"}\n]\n', one("One?")),
    refused("blank.jsonl", rows({"question": "One?"}, {"question": " \t"}), "blank.jsonl:2: question: expected a ques"),
    refused("word.docx", b"One?", "word.docx: expected a name ending in .jsonl"),
]  # fmt: skip
CHATS = [
    read("parts", {"messages": turns([{"type": "text", "text": "One"}, {"type": "text", "text": "two?"}])},
         "One\ntwo?", None),
    read("developer", {"messages": turns("Be brief.", "One?", roles="developer user"), "answer": 1}, "One?", "1"),
    read("named", {"messages": [{"role": "user", "name": "tom", "content": "One?"}]}, "One?", None, None,
         "not used: messages.name"),
    read("answered", {"messages": turns("6 times 7?", "The answer is 42.")}, "6 times 7?", "42", None,
         "from the last turn"),
    read("worked", {"messages": turns("6 times 7?", "Six sevens.\nThat makes it\n#### 42")}, "6 times 7?", "42"),
    read("thought", {"messages": turns("6 times 7?", "<think>7, 14 …</think>forty-two")}, "6 times 7?", "forty-two"),
    read("essay", {"messages": turns("A story?", "There was a goat.\n" * 9)}, "A story?", None, None, "no reference"),
    read("sharegpt", {"conversations": [{"from": "human", "value": "6 times 7?"}, {"from": "gpt", "value": "42"}]},
         "6 times 7?", "42"),
    read("blank_turns", {"messages": turns("", "Hi", "6 times 7?", "42")}, "6 times 7?", "42", None,
         "blank turns of chats are left out"),
    read("blank_answer", {"messages": turns("6 times 7?", " ")}, "6 times 7?", None, None, "no reference"),
    read("longer", {"messages": turns("Hello", "Hi", "6 times 7?", "42")}, "6 times 7?", "42"),
    read("numina", {"problem": "P", "solution": r"\boxed{3}", "messages": turns("P", r"So \boxed{3}")}, "P", "3"),
    read("verl", {"prompt": turns("P"), "reward_model": {"ground_truth": "34"}}, "P", "34", None,
         "from 'reward_model.ground_truth'"),
    Case("cell.csv", b'messages,answer\n"[{""role"": ""user"", ""content"": ""One?""}]",1\n', one("One?", "1")),
    read("thoughts", {"messages": turns("5 + 7?", [{"type": "thinking", "thinking": "add"},
                                                   {"type": "text", "text": "12"}])},
         "5 + 7?", "12"),
    read("part_alone", {"messages": turns({"type": "text", "text": "One?"})}, "One?", None),
    read("parts_of_chatgpt", {"messages": turns({"content_type": "text", "parts": ["One?"]})}, "One?", None),
    read("parts_of_gemini", {"messages": [{"role": "user", "parts": [{"text": "One?"}]}]}, "One?", None),
    refused("picture", {"messages": turns([{"type": "image_url", "image_url": {"url": "x"}}])}, "holds an image; only"),
    refused("tool", {"messages": turns("a", "b", "c", roles="user tool")}, "turn 2: the role 'tool' is not supported"),
    refused("calls", {"messages": [{"role": "assistant", "content": "", "tool_calls": [1]}, *turns("x")]}, "a tool"),
    refused("alone", {"messages": turns("x", roles="assistant")}, "expected turns that end with a user's"),
    refused("silent", {"messages": turns(" ")}, "expected a question, got a blank last turn"),
    refused("strings", {"conversations": ["a", "b"]}, "expected a list of turns with role and content, got list of 2"),
]  # fmt: skip
CHOICES = [
    read("mmlu", {"question": "Which of them is a metal?", "choices": ["tin", "oak", "wool"], "answer": 0}, METALS,
         "A", "choice", "options are lettered"),
    read("mmlu_pro", {"question": "2 squared?", "options": ["2", "4", "3"], "answer": "B", "answer_index": 1},
         "2 squared?\n\nA) 2\nB) 4\nC) 3", "B", "choice"),
    read("digits", {"question": "2 squared?", "choices": ["2", "4", "1"], "answer": 1},
         "2 squared?\n\nA) 2\nB) 4\nC) 1", "B", "choice"),
    read("arc", {"question": "Which of them is a metal?", "answerKey": "1",
                 "choices": {"text": ["tin", "oak", "wool"], "label": ["1", "2", "3"]}}, METALS, "A", "choice"),
    read("arc_release", {"question": {"stem": "Hot?", "choices": [{"text": "ice", "label": "A"},
                         {"text": "fire", "label": "B"}]}, "answerKey": "B"}, "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    read("aqua", {"question": "Hot?", "options": ["A)ice", "B)fire"], "correct": "B"}, "Hot?\n\nA) ice\nB) fire", "B",
         "choice"),
    read("hellaswag", {"ctx": "He opens the door and", "endings": ["sleeps", "enters"], "label": "1"},
         "He opens the door and\n\nA) sleeps\nB) enters", "B", "choice"),
    read("medqa", {"question": "Hot?", "options": {"A": "ice", "B": "fire"}, "answer": "fire", "answer_idx": "B"},
         "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    read("medmcqa", {"question": "Hot?", "opa": "ice", "opb": "fire", "opc": "snow", "opd": "rain", "cop": 1},
         "Hot?\n\nA) ice\nB) fire\nC) snow\nD) rain", "B", "choice"),
    read("piqa", {"goal": "Dry it.", "sol1": "Wet it", "sol2": "Wring it", "label": 1},
         "Dry it.\n\nA) Wet it\nB) Wring it", "B", "choice"),
    read("winogrande", {"sentence": "The _ barked.", "option1": "cat", "option2": "dog", "answer": "2"},
         "The _ barked.\n\nA) cat\nB) dog", "B", "choice"),
    read("siqa", {"context": "Ann fell.", "question": "And now?", "answerA": "up", "answerB": "down", "answerC": "on",
                  "label": "1"}, "Ann fell.\n\nAnd now?\n\nA) up\nB) down\nC) on", "A", "choice"),
    read("race", {"article": "A long tale.", "question": "Who?", "options": ["Ann", "Bob"], "answer": "B"},
         "A long tale.\n\nWho?\n\nA) Ann\nB) Bob", "B", "choice"),
    read("by_text", {"question": "Hot?", "choices": ["ice", "fire"], "answer": "Fire."}, "Hot?\n\nA) ice\nB) fire", "B",
         "choice"),
    read("shown", {"question": "Hot?\nA. ice\nB. fire", "choices": ["ice", "fire"], "answer": 1},
         "Hot?\nA. ice\nB. fire", "B", "choice"),
    read("hidden", {"question": "Hot?", "choices": ["ice", "fire"], "answer": -1}, "Hot?\n\nA) ice\nB) fire", None),
    read("settings", {"question": "Hot?", "options": {"temperature": 0.7}, "answer": "fire"}, "Hot?", "fire", None,
         "not used: options"),
    Case("letters.csv", b"question,A,B,C,D,answer\nHot?,ice,fire,rain,snow,B\n",
         one("Hot?\n\nA) ice\nB) fire\nC) rain\nD) snow", "B", "choice")),
    Case("fewer.csv", b"question,A,B,C,D,answer\nIs it so?,yes,no,,,B\nHot?,ice,,rain,fire,D\nHot?,ice,,fire,snow,c)\n",
         [("Is it so?\n\nA) yes\nB) no", "B", "choice"), ("Hot?\n\nA) ice\nB) rain\nC) fire", "C", "choice"),
          ("Hot?\n\nA) ice\nB) fire\nC) snow", "B", "choice")]),
    read("blank_ones", {"question": "Hot?", "choices": ["ice", "", "fire", None], "answer": "C"},
         "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    refused("blank_and_counted", {"question": "Hot?", "choices": ["ice", "", "fire"], "answer": 2}, "number may count"),
    refused("key_of_a_blank", {"question": "?", "A": "ice", "B": "", "C": "fire", "answer": "B"}, "is none of the 2"),
    Case("listed.csv", b"question,choices,answer\nHot?,\"['ice', 'fire']\",1\n",
         one("Hot?\n\nA) ice\nB) fire", "B", "choice")),
    refused("from_one", {"question": "Hot?", "choices": ["ice", "fire"], "answer": 2}, "'2' is none of the 2 options"),
    read("flags", {"question": "Hot?", "choices": ["ice", "fire"], "labels": [0, 1]}, "Hot?\n\nA) ice\nB) fire", "B",
         "choice"),
    read("flags_inside", {"question": "Hot?", "options": [{"text": "ice", "is_correct": False},
                                                          {"text": "fire", "is_correct": True}]},
         "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    read("several_flags", {"question": "Hot?", "choices": ["ice", "", "fire", "sun"],
                           "correct": [False, False, True, True]},
         "Hot?\n\nA) ice\nB) fire\nC) sun", "B, C", "choice"),
    read("no_flags", {"question": "Hot?", "choices": ["ice", "fire"], "labels": [0, 0]}, "Hot?\n\nA) ice\nB) fire",
         None),
    read("truthful", {"question": "Hot?", "mc1_targets": {"choices": ["fire", "ice", "snow"], "labels": [1, 0, 0]},
                      "mc2_targets": {"choices": ["fire", "ice"], "labels": [1, 0]}},
         "Hot?\n\nA) ice\nB) snow\nC) fire", "C", "choice"),
    read("scores", {"input": "Hot?", "target_scores": {"ice": 0, "fire": 1}}, "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    read("in_one_text", {"Problem": "Half of 55?", "options": "a ) 27 , b ) 27.5 , c ) 1,200", "correct": "b"},
         "Half of 55?\n\nA) 27\nB) 27.5\nC) 1,200", "B", "choice"),
    read("named_options", {"question": "Hot?", "options": {"option_a": "ice", "option_b": "fire"},
                           "answer": "option_b"},
         "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    read("behind_a_word", {"question": "Hot?", "choices": ["ice", "fire"], "answer": "Option B"},
         "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    read("key_in_a_list", {"question": "Hot?", "choices": ["ice", "fire"], "answer": ["B"]},
         "Hot?\n\nA) ice\nB) fire", "B", "choice"),
    refused("no_option", {"question": "Hot?", "choices": ["ice", "fire"], "answer": "sun"}, "'sun' is none of the 2"),
    refused("either", {"question": "Hot?", "choices": ["1", "2", "0"], "answer": "0"}, "may be option A or C"),
    refused("who_counts", {"question": "Hot?", "option1": "a", "option2": "b", "label": 1}, "may be option A or B"),
]  # fmt: skip
SETS = [
    read("labelled", {"text": "The page is blank.", "label": "bug report"}, "The page is blank.", "bug report"),
    Case("numbered.csv", b"Text;Label\nIt is blank;1\n", error="Label: holds a number where a teacher"),
    read("intents", {"utterance": "Where is it?", "intent": "delivery"}, "Where is it?", "delivery"),
    refused("numbered_labels", {"text": "The page is blank.", "label": 1}, "label: holds a number where"),
    read("labels_as_they_are", {"text": "The page is blank.", "label": 1}, "The page is blank.", "1",
         reference_field="label"),
    read("text_alone", {"text": "The page is blank."}, "The page is blank.", None, None, "question from 'text'"),
    read("gsm8k", {"question": "Eggs?", "answer": "16 - 3 = <<16-3=13>>13\n#### 1,300"}, "Eggs?", "1,300"),
    read("math", {"problem": "P", "level": "Level 3", "type": "Algebra", "solution": r"Thus \boxed{\frac12}."}, "P",
         r"\frac12", None, "not used: level, type"),
    read("alpaca", {"instruction": "Add.", "input": "2 and 3", "output": "5"}, "Add.\n\n2 and 3", "5"),
    read("alpaca_essay", {"instruction": "A story?", "input": "", "output": "A goat came. " * 20}, "A story?", None,
         None, "long answers in 'output' are no references"),
    read("taken_whole", {"instruction": "A story?", "output": "A goat came. " * 20}, "A story?",
         ("A goat came. " * 20).strip(), reference_field="output"),
    read("dolly", {"instruction": "Who?", "context": "Ann sings.", "response": "Ann"}, "Who?\n\nAnn sings.", "Ann"),
    read("boolq", {"question": "is it so", "passage": "It is so.", "answer": True}, "It is so.\n\nis it so", "true"),
    read("strategyqa", {"question": "Is it?", "answer": False, "facts": ["x"]}, "Is it?", "false"),
    read("svamp", {"Body": "Tom has 3.", "Question": "And then?", "Answer": 3.0}, "Tom has 3.\n\nAnd then?", "3"),
    read("openmath", {"problem": "P", "generated_solution": "x", "expected_answer": "7"}, "P", "7"),
    read("orca", {"system_prompt": "Be brief.", "question": "Where?", "response": "here"}, "Where?", "here"),
    read("one_of_a_list", {"problem": "P", "final_answer": ["7"]}, "P", "7"),
    read("dotted", {"ask": {"text": "P"}, "gold": {"value": 7}}, "P", "7", prompt_field="ask.text",
         reference_field="gold.value"),
    read("humaneval", {"prompt": "import re\n\ndef f(x):", "entry_point": "f",
                       "test": "def check(candidate):\n    assert candidate(1)"},
         "import re\n\ndef f(x):", '{"test": "def check(candidate):\\n    assert candidate(1)", "entry_point": "f", '
         '"setup": "import re"}', "code", "judge with --verify code"),
    read("squad", {"context": "In Rome.", "question": "Where?", "answers": {"text": ["Rome", "Rome"]}},
         "In Rome.\n\nWhere?", "Rome", None, "from 'answers'"),
    read("squad_told", {"context": "In Rome.", "question": "Where?", "answers": {"text": ["Rome", "Rome"]}},
         "In Rome.\n\nWhere?", "Rome", reference_field="answers.text"),
    read("bbh", {"input": "True or False is", "target": "True"}, "True or False is", "True"),
    read("trivia", {"question": "Who?", "answer": {"value": "Ann", "aliases": ["Anna"]}}, "Who?", '["Ann", "Anna"]',
         "any_of"),
    read("truthful_text", {"question": "Hot?", "best_answer": "Fire is.",
                           "correct_answers": ["Fire is.", "The sun is."],
                           "incorrect_answers": ["Ice is."]}, "Hot?", '["Fire is.", "The sun is."]', "any_of"),
    read("drop", {"passage": "Ann has 3 cats.", "question": "How many?",
                  "answers_spans": {"spans": ["3", "3"], "types": ["number", "number"]}},
         "Ann has 3 cats.\n\nHow many?", "3"),
    read("drop_several", {"question": "Who?", "answers_spans": {"spans": ["Ann", "Bob"], "types": ["span", "span"]}},
         "Who?", None, None, "several spans in 'answers_spans.spans' are no reference"),
    read("list_in_a_text", {"question": "5 + 7?", "answer": '["12"]'}, "5 + 7?", "12"),
    read("vector", {"question": "Which?", "answer": "[1, 2]"}, "Which?", "[1, 2]"),
    read("list_of_gaps", {"question": "5 + 7?", "answer": [None, "", float("nan")]}, "5 + 7?", None),
    read("gap_in_a_list", {"question": "5 + 7?", "answer": [None, 12]}, "5 + 7?", "12"),
    read("number", {"question": "5 + 7?", "answer": None, "answer_number": 12}, "5 + 7?", "12"),
    refused("nested", {"question": "Who?", "answer": {"name": "Ann", "age": 7}}, "dict of 2; .*such as answer.name"),
    read("mbpp", {"text": "Write f.", "code": "…", "test_list": ["assert f(1) == 2"], "test_setup_code": "import re"},
         "Write f.\n\nYour code should pass these tests:\n\nassert f(1) == 2", "import re\nassert f(1) == 2", "code"),
    read("own_tests", {"prompt": "Write add(x).", "code": "…", "tests": ["assert add(1) == 2", "assert add(2) == 3"]},
         "Write add(x).", "assert add(1) == 2\nassert add(2) == 3", "code", "judge with --verify code"),
    read("tests_alone_name_the_function", {"prompt": "Add 1.", "unit_tests": "def test_it():\n    assert add(1) == 2"},
         "Add 1.\n\nYour code should pass these tests:\n\ndef test_it():\n    assert add(1) == 2",
         "def test_it():\n    assert add(1) == 2", "code"),
    read("tests_by_name", {"prompt": "Write add(x).", "checks": ["assert add(1) == 2", "assert add(2) == 3"]},
         "Write add(x).", "assert add(1) == 2\nassert add(2) == 3", "code", reference_field="checks"),
    read("no_tests", {"question": "Which test?", "tests": ["blood", "urine"]}, "Which test?", None),
    read("mbpp_sanitized", {"prompt": "Write f.", "test_imports": ["import re"], "test_list": ["assert f(1)"]},
         "Write f.\n\nYour code should pass these tests:\n\nassert f(1)", "import re\nassert f(1)", "code"),
    read("apps", {"question": "Add.", "input_output": '{"inputs": ["1 2\\n"], "outputs": ["3\\n"]}'}, "Add.",
         '[{"stdin": "1 2\\n", "stdout": "3\\n"}]', "code"),
    refused("several", {"problem": "P", "final_answer": ["7", "8"]}, "final_answer: expected one reference, got list"),
    read("lone_text", {"id": 7, "text": "P", "answer": "4"}, "P", "4"),
    read("camel", {"questionText": "P", "finalAnswer": "4", "question_text": "Q"}, "Q", "4", None,
         "from 'finalAnswer'"),
    read("camel_chosen", {"questionText": "P", "optionA": "x", "optionB": "y", "correctAnswer": "B"},
         "P\n\nA) x\nB) y", "B", "choice"),
    read("camel_wrong", {"userPrompt": "P", "correctAnswer": "4", "incorrectAnswer1": "5", "incorrectAnswer2": "6"},
         "P\n\nA) 4\nB) 6\nC) 5", "A", "choice"),
    read("dressed", {"userQuestion": "P", "answerText": "4", "userId": 3, "answerType": "number"}, "P", "4", None,
         "not used: userId, answerType"),
    read("dressed_alpaca", {"instructionText": "Add.", "inputText": "1+3", "outputText": "4"}, "Add.\n\n1+3", "4"),
    read("dressed_choice", {"question_body": "P", "answerOptions": ["x", "y"], "correctAnswer": 1},
         "P\n\nA) x\nB) y", "B", "choice"),
    read("usual_before_dressed", {"problem": "P", "userInput": "Q", "answerText": "4"}, "P", "4"),
    read("two_dressed", {"inputText": "P", "question_text": "Q", "textAnswer": "4", "answerText": "5"}, "Q", None),
    read("somebodys_answer", {"userQuestion": "P", "studentAnswer": "4", "modelAnswer": "5"}, "P", None),
    read("letters", {"q": "P", "a": "4"}, "P", "4"),
    refused("letters_of_options", {"q": "P", "a": "x", "b": "y"}, "no question.*found q, a, b"),
    refused("nothing", {"text": "P", "source": "S"},
            "no question: expected one of messages.*found text, source. Name the column with --prompt-field"),
]  # fmt: skip
CASES = [*TABLES, *TEXTS, *CHATS, *CHOICES, *SETS]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_file_is_read_right_or_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.content)
    file = prompt_file(path, **case.options)
    if case.prompts is None:
        with pytest.raises(CotDistillError, match=case.error) as refusal:
            list(file)
        assert "\n" not in str(refusal.value)
        return
    found = [(prompt.messages[-1].content, prompt.reference, prompt.verifier) for prompt in file]
    assert found == case.prompts
    assert [words for words in case.said if words not in file.describe()] == []


def test_a_list_of_flags_counts_as_used(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(rows({"question": "Hot?", "choices": ["ice", "fire"], "labels": [0, 1]}))
    file = prompt_file(tmp_path / "p.jsonl")
    assert [one.reference for one in file] == ["B"]
    assert "not used" not in file.describe()


def test_each_record_is_read_by_its_own_columns_and_each_source_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(rows({"question": "a?"}, {"question": "b?", "answer": "4"}, {"problem": "c?", "solution": 6}))
    file = PromptFile(path)
    assert [prompt.reference for prompt in file] == [None, "4", "6"]
    assert file.describe() == (
        "question from 'question' 2, 'problem' 1, reference: 2 of 3 prompts, from 'answer' 1, 'solution' 1"
    )


def test_gaps_of_a_parquet_file_are_no_references_ids_or_questions(tmp_path: Path) -> None:
    nan = float("nan")
    table = {"id": [1.0, nan, 3.0], "question": ["a?", "b?", "c?"], "answer": [12.0, nan, 0.5]}
    parquet.write_table(pyarrow.table(table), tmp_path / "gaps.parquet")
    prompts = list(PromptFile(tmp_path / "gaps.parquet"))
    assert [prompt.reference for prompt in prompts] == ["12", None, "0.5"]
    assert [prompts[0].id, prompts[2].id] == ["1", "3"]
    assert len(prompts[1].id) == 16, "an id that is missing is a hash of the content"
    parquet.write_table(pyarrow.table({"question": [nan, 2.0]}), tmp_path / "asked.parquet")
    with pytest.raises(CotDistillError, match=r"asked\.parquet:1: question: expected a question, got nothing"):
        list(PromptFile(tmp_path / "asked.parquet"))


def test_a_zstandard_file_is_read_where_pyarrow_is(tmp_path: Path) -> None:
    with pyarrow.output_stream(str(tmp_path / "p.jsonl.zst"), compression="zstd") as file:
        file.write(rows({"question": "One?", "answer": 1}))
    assert [prompt.reference for prompt in PromptFile(tmp_path / "p.jsonl.zst")] == ["1"]


def test_a_system_turn_of_a_column_or_a_developer_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "system.jsonl"
    path.write_bytes(
        rows(
            {"system_prompt": "Be brief.", "question": "a?"},
            {"messages": turns("Be brief.", "b?", roles="developer user")},
        )
    )
    assert [[turn.role for turn in prompt.messages] for prompt in PromptFile(path)] == [["system", "user"]] * 2


def test_a_long_last_turn_is_the_reference_where_the_chat_is_named_as_its_column(tmp_path: Path) -> None:
    essay = "There was a goat.\n" * 9
    lines = [{"messages": turns("A story?", essay)}, {"conversations": turns("Another?", essay)}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    plain = PromptFile(tmp_path / "p.jsonl")
    assert [one.reference for one in plain] == [None, None]
    assert "--reference-field messages takes them whole" in plain.describe()
    named = prompt_file(tmp_path / "p.jsonl", reference_field="messages")
    assert [one.reference for one in named] == [essay.strip()] * 2 and "from the last turn" in named.describe()


def test_ids_and_tags_come_from_the_columns_that_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tagged.csv"
    path.write_text("Nr;question;level;topics;tags\n7;a?;3;algebra;x, y\n8;b?;;;\n")
    first, second = prompt_file(path, id_field="Nr", tag_field=("level", "topics"))
    assert (first.id, first.tags) == ("7", {"x": "yes", "y": "yes", "level": "3", "topics": "algebra"})
    assert (second.id, second.tags) == ("8", None)
    path = tmp_path / "tagged.jsonl"
    path.write_bytes(rows({"question": "a?", "tags": ["hard"], "topics": ["sets", "graphs"], "meta": {"year": 1999}}))
    (only,) = prompt_file(path, tag_field=("topics", "meta"))
    assert only.tags == {"hard": "yes", "topics.sets": "yes", "topics.graphs": "yes", "meta.year": "1999"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"id_field": "Nr"}, r"p\.jsonl:2: no column 'Nr' \(--id-field\); its columns are: question"),
        ({"tag_field": ("level",)}, r"p\.jsonl: no column 'level' \(--tag-field\); its columns are: Nr, question"),
        ({"reference_field": "gold"}, r"p\.jsonl: no column 'gold' \(--reference-field\); its columns are: Nr, quest"),
        ({"prompt_field": "ask"}, r"p\.jsonl:1: no column 'ask' \(--prompt-field\); its columns are: Nr, question"),
        ({"fields": frozenset({"nr"})}, r"p\.jsonl:2: the template needs \$nr, and this record has no column 'nr'"),
    ],
)
def test_a_column_that_was_asked_for_and_is_not_there_is_named(
    options: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(rows({"Nr": 1, "question": "a?"}, {"question": "b?"}))
    with pytest.raises(CotDistillError, match=problem):
        list(prompt_file(path, **options))


def test_a_column_that_the_first_record_lacks_is_a_slip_in_the_option_and_no_line_to_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(rows({"question": "a?"}, {"question": "b?"}))
    for options in ({"fields": frozenset({"level"})}, {"id_field": "Nr"}, {"prompt_field": "ask"}):
        with pytest.raises(CotDistillError, match=r"p\.jsonl:1: .*its columns are: question$"):
            list(prompt_file(path, bad=BadLines(tmp_path / "bad.jsonl"), **options))


def test_a_repeated_id_names_the_line_that_has_it_also_where_that_id_is_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(rows({"question": "a?"}))
    (made,) = PromptFile(path)
    path.write_bytes(rows({"question": "b?"}, {"question": "a?"}, {"id": made.id, "question": "c?"}))
    with pytest.raises(CotDistillError, match=rf"p\.jsonl:3: id '{made.id}' stands on line 2 already"):
        list(PromptFile(path))


EXPECTED = {
    "late_reference.jsonl": [None, "12"],
    "nan_reference.parquet": ["12", None],
    "space_after_comma.csv": ["12"],
    "bool_reference.jsonl": ["true"],
    "bom.json": ["12", "12"],
    "content_parts.jsonl": ["12"],
    "multiple_choice_index.jsonl": ["A"],
}


@pytest.mark.skipif(not INPUTS.is_dir(), reason="needs the collected inputs in ../shared/findings/inputs")
@pytest.mark.parametrize("name", EXPECTED)
def test_the_collected_inputs_have_their_references(name: str) -> None:
    prompts = list(PromptFile(INPUTS / name))
    assert [prompt.reference for prompt in prompts] == EXPECTED[name]
    if name == "multiple_choice_index.jsonl":
        assert prompts[0].verifier == "choice"
        assert "A) iron\nB) wood\nC) air\nD) salt" in prompts[0].messages[-1].content


COLUMNS = [
    *("id", "tags", "verifier", "messages", "conversations", "prompt", "question", "instruction", "input", "context"),
    *("choices", "options", "endings", "answers", "answerKey", "label", "answer", "correct", "cop", "answer_idx"),
    *("opa", "opb", "A", "B", "C", "option1", "option2", "sol1", "sol2", "Correct Answer", "Incorrect Answer 1"),
    *("test", "entry_point", "test_list", "input_output", "solution", "output", "system", "reward_model"),
]
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 4) | st.floats() | st.sampled_from(["A", "b)", "1", " ", "[]", "x y"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "text", "label", "stem", "choices", "type", "inputs"]),
            inner | st.sampled_from(["user", "assistant", "system", "text"]),
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(record=st.dictionaries(st.sampled_from(COLUMNS), VALUES, min_size=1, max_size=7))
def test_whatever_stands_in_the_known_columns_is_a_prompt_or_one_clear_line(
    record: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(rows(record))
    file = prompt_file(path, tag_field=("label",))
    try:
        (prompt,) = file
    except CotDistillError as error:
        assert str(error).startswith(f"{path}:") and "\n" not in str(error)
    else:
        assert prompt.messages[-1].role == "user"
        assert prompt.messages[-1].content.strip()
        assert prompt.reference is None or prompt.reference.strip()
        assert prompt.id.strip()
        assert file.describe()
