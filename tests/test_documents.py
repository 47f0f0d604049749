"""A person's documents as passages: what is read of each kind, and what becomes of files that cannot be read."""

import gzip
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import ExpandConfig
from cotdistill.errors import USAGE, CotDistillError, UsageError
from cotdistill.inputs import documents
from cotdistill.inputs.documents import Documents
from cotdistill.inputs.documents.running_heads import without_running_heads
from cotdistill.inputs.documents.sections import Passage, Section, passages_of, tidy
from cotdistill.progress import Silent
from cotdistill.records import DroppedPrompt, Message, Prompt
from cotdistill.stages import expand
from cotdistill.stages.expand.plan import Plan
from cotdistill.stages.expand.sieve import Sieve
from cotdistill.stages.expand.sources import Source
from tests.conftest import cotdistill, make_response
from tests.cpu import at_most_cpu_s

MILL = (
    "The mill stands on the river and grinds grain for nine villages. Its wheel was built in 1821 and turns twelve "
    "times a minute. In winter the river freezes, so the miller works from March to November."
)


def pdf(*pages: str) -> bytes:
    """A PDF file of plain text: one line of it a line of the page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        shown = b"".join(b"(%s) Tj 0 -14 Td " % line.encode() for line in text.split("\n"))
        content = b"BT /F1 12 Tf 50 750 Td " + shown + b"ET"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        fonts = b"<< /Font << /F1 3 0 R >> >>"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources %s >>"
            % (len(objects), fonts)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    found, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(found))
        found += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(found))
    return found + head + table + end


def read(path: Path, letters: int = 2_000) -> list[Passage]:
    return list(Documents(path, letters).passages())


@pytest.mark.parametrize(
    ("name", "content", "places"),
    [
        ("a.md", f"---\nt: 1\n---\n# Mills\n\n{MILL}\n\n## Wind\n\n{MILL}!", ["Mills", "Mills > Wind"]),
        ("b.md", f"Wind *mills*\n---\n\n{MILL}\n\n```\n# no heading\n```\n", ["Wind mills"]),
        ("c.html", f"<nav>{MILL}</nav><h1>A &amp; B</h1><p>{MILL}</p><script>x({{}})</script>", ["A & B"]),
        ("d.html", f"{'<div>' * 50_000}{MILL}", ["text"]),
        ("e.txt", MILL, ["text"]),
        ("f.txt", f"\ufeff{MILL}".encode("utf-16"), ["text"]),
        ("g.txt", f"{MILL} Müller mahlen Körner.".encode("cp1252"), ["text"]),
        ("h.txt.gz", gzip.compress(MILL.encode()), ["text"]),
        ("i.pdf", pdf(MILL.replace(". ", ".\n"), "Page two. " + MILL.replace(". ", ".\n")), ["page 1", "page 2"]),
    ],
)
def test_a_document_is_read_as_passages_with_their_places(
    tmp_path: Path, name: str, content: str | bytes, places: list[str]
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read(tmp_path / name)
    assert [one.place for one in found] == places
    for one in found:
        assert "grinds grain for nine villages" in one.text and "<" not in one.text and "t: 1" not in one.text


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.pdf", b"%PDF-1.4 garbage", "not a PDF file that can be read: Stream has ended unexpectedly"),
        ("b.pdf", pdf(MILL)[:300], "not a PDF file that can be read"),
        ("c.txt", bytes(range(256)) * 10, "expected a text file, found other bytes"),
        ("d.txt", b"", "holds no text"),
        ("d.txt", b"A word or two.", "holds no passage of 25 words or more; the longest has 4"),
        ("e.png", b"\x89PNG", "expected a document, with a name ending in .txt"),
        ("f.txt.gz", b"\x1f\x8b\x08\x00cut", "cannot be uncompressed"),
        ("g.md", b"x" * 2_000_001, "holds more than 2 MB; cut it into smaller documents"),
        ("h.txt.gz", gzip.compress(b"a b " * 1_000_000), "holds more than 2 MB"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error_and_among_others_passed_over_by_name(
    tmp_path: Path, name: str, content: bytes, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 2_000_000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CotDistillError, match=rf"{name}: {problem}"):
        read(tmp_path / name)
    (tmp_path / "good.txt").write_text(MILL)
    folder = Documents(tmp_path, 2_000)
    assert [one.file for one in folder.passages()] == ["good.txt"]
    assert list(folder.skipped) == [name] and problem in folder.skipped[name]
    assert folder.notes()[0].startswith(f"{name}: passed over: ")


def test_links_pipes_and_hidden_files_of_a_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "good.txt").write_text(MILL)
    (tmp_path / ".hidden.txt").write_text(f"{MILL} hidden")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "nowhere.md").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "copy.txt").write_text(MILL)
    folder = Documents(tmp_path, 2_000)
    assert [one.file for one in folder.passages()] == ["copy.txt"], "a text that stands in two files is one passage"
    assert folder.skipped["pipe.txt"].startswith("expected a file, found a pipe")
    assert {name for name, why in folder.skipped.items() if why == "a symbolic link"} == {
        "circle",
        "link.txt",
        "nowhere.md",
    }


def test_a_name_that_is_no_utf_8_is_passed_over_before_anything_is_paid(tmp_path: Path) -> None:
    for name in (b"bad\xff.txt", b"sub\xff/good.txt"):
        place = tmp_path / os.fsdecode(name)
        place.parent.mkdir(exist_ok=True)
        place.write_text(MILL)
    folder = Documents(tmp_path, 2_000)
    assert [*folder.passages()] == []
    rename = "its name is not UTF-8; rename it"
    assert folder.skipped == {"bad\\udcff.txt": rename, "sub\\udcff/good.txt": rename}


def test_a_long_text_is_cut_between_paragraphs_then_sentences_and_nothing_is_lost() -> None:
    text = "\n\n".join(f"{MILL} Number {number}." for number in range(20))
    found, _ = passages_of("x", [Section("text", text)], 700)
    assert all(len(one.text) <= 700 for one in found)
    assert "\n\n".join(one.text for one in found) == text
    whole, _ = passages_of("x", [Section("text", text.replace("\n\n", " "))], 300)
    assert all(len(one.text) <= 300 for one in whole)
    assert " ".join(one.text for one in whole) == text.replace("\n\n", " ")


def test_spaces_of_other_kinds_stay_spaces_joiners_stay_and_what_hides_goes() -> None:
    assert tidy("New\u00a0York,\u3000一\u2028next \u202eright\x1b[0m \U000e0041می\u200cخواهم\ufffd") == (
        "New York, 一\nnext right[0m می\u200cخواهم"
    )


def test_questions_come_with_their_passage_file_and_place(tmp_path: Path) -> None:
    (tmp_path / "mill.md").write_text(f"# Mills\n\n{MILL}")
    config = ExpandConfig(teacher="mock", count=3, method=("document",), cache=str(tmp_path / "store.sqlite"))
    manifest = expand.run(tmp_path / "mill.md", tmp_path / "q.jsonl", config, Silent())
    found = list(read_records(tmp_path / "q.jsonl", Prompt))
    assert manifest.counts["new_prompts"] == len(found) == 3
    for one in found:
        passage, question = one.messages[0].content.split("\n\n")
        assert passage == MILL and question.endswith("?") and one.reference is None
        assert one.tags and (one.tags["file"], one.tags["place"]) == ("mill.md", "Mills")
    with pytest.raises(UsageError, match="questions about documents have no short answer"):
        expand.run(
            tmp_path / "mill.md",
            tmp_path / "r.jsonl",
            ExpandConfig(teacher="mock", method=("document",), samples=3),
            Silent(),
        )
    with pytest.raises(UsageError, match=r"mill.md: expected a file of prompts; .* --method document"):
        expand.run(tmp_path / "mill.md", tmp_path / "r.jsonl", ExpandConfig(teacher="mock"), Silent())


def test_questions_whose_answer_stands_in_the_passage_have_these_words_as_their_reference(tmp_path: Path) -> None:
    (tmp_path / "mill.md").write_text(f"# Mills\n\n{MILL}")
    config = ExpandConfig(teacher="mock", count=6, method=("extract",), cache=str(tmp_path / "store.sqlite"))
    manifest = expand.run(tmp_path / "mill.md", tmp_path / "q.jsonl", config, Silent())
    found = list(read_records(tmp_path / "q.jsonl", Prompt))
    assert 1 < len(found) == manifest.counts["new_prompts"]
    for one in found:
        passage, question = one.messages[0].content.rsplit("\n\n", 1)
        assert one.reference and one.reference in passage and one.reference not in question
        assert "Answer:" not in question and one.tags and one.tags["reference_by"] == "quote"
    assert "the references of the new prompts are words of their passages" in manifest.notes
    with pytest.raises(UsageError, match="the references are words of the passages; leave it out"):
        again = ExpandConfig(teacher="mock", method=("extract",), samples=3)
        expand.run(tmp_path / "mill.md", tmp_path / "r.jsonl", again, Silent())


@pytest.mark.parametrize(
    ("written", "reference", "why"),
    [
        ("When was it built?\n\n**Answer:** “1821”", "1821", None),
        ("What does it grind?\nAnswer: Grain for nine   villages.", "Grain for nine villages", None),
        ("When was it built?", None, "it does not say which words of the passage answer it"),
        ("When was it built?\nAnswer: 1921", None, "its answer does not stand in the passage"),
        ("When was it built?\nAnswer: 182", None, "its answer does not stand in the passage"),
        ("Was it built in 1821?\nAnswer: 1821", None, "it holds its answer"),
        (f"What is said?\nAnswer: {MILL}", None, "its answer has more than 100 letters"),
    ],
)
def test_a_quotation_that_is_none_is_left_out_with_its_reason(
    written: str, reference: str | None, why: str | None
) -> None:
    passage = Prompt(id="m#1", messages=(Message(role="user", content=MILL),))
    source = Source("m#1", MILL, passage)
    config = ExpandConfig(teacher="mock", method=("extract",))
    expanders = expand.expanders_of(config)
    (line,) = Plan([source], expanders, seed=0).take(1)
    found = Sieve.build(config, [source], expanders).look(line, make_response(written, prompt=passage))
    if isinstance(found, DroppedPrompt):
        assert reference is None and found.filter == "quote" and why and why in found.reason
    else:
        assert found.prompt.reference == reference


def test_a_recipe_is_begun_from_a_folder_of_documents(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books/mill.txt").write_text(MILL)
    (tmp_path / "books/empty.md").touch()
    done = cotdistill("init", tmp_path / "x", "--prompts", tmp_path / "books", "--yes")
    assert done.returncode == 0, done.stderr
    assert "1 document read, 1 passed over" in done.stdout and "empty.md: passed over: holds no text" in done.stdout
    assert tomllib.loads((tmp_path / "x/recipe.toml").read_text())["expand"]["per_seed"] == 4, "at most, of one passage"
    planned = cotdistill("run", tmp_path / "x/recipe.toml", "--plan")
    assert planned.returncode == 0, planned.stderr
    assert "requests for new prompts: " in planned.stdout
    refused = cotdistill("init", tmp_path / "y", "--prompts", tmp_path / "books", "--yes", "--task", "maths")
    assert refused.returncode == USAGE and "documents go with --task extraction" in refused.stderr


def test_titles_and_page_numbers_of_every_page_are_no_part_of_the_text() -> None:
    pages = [f"Inventory, page {n}\n\nThe mill {n} stands.\nIt has {n} wheels.\n\n- {n} -" for n in range(1, 7)]
    tables = [f"Name {chr(64 + n)}\n12 {n}" for n in range(1, 7)]
    assert without_running_heads(tables) == tables, "numbers at the end of each page may be a table's"
    pages[3] = "A page of its own.\n\n- 4 -"
    found = [" ".join(page.split()) for page in without_running_heads(pages)]
    assert found[:2] == ["The mill 1 stands. It has 1 wheels.", "The mill 2 stands. It has 2 wheels."]
    assert found[3] == "A page of its own."
    assert without_running_heads(pages[:3]) == pages[:3], "too few to tell a title from text"


def test_a_document_that_is_added_is_asked_about_and_the_questions_about_the_others_are_not_bought_again(
    tmp_path: Path,
) -> None:
    books, many = tmp_path / "books", [f"{name}: {MILL}" for name in ("Bergen", "Oslo", "Turku", "Porto")]
    books.mkdir()
    for number, text in enumerate(many[:2]):
        (books / f"{number}.txt").write_text(text)
    config = ExpandConfig(teacher="mock", per_seed=2, method=("extract",), cache=str(tmp_path / "store.sqlite"))
    first = expand.run(books, tmp_path / "q.jsonl", config, Silent())
    for number, text in enumerate(many[2:], 2):
        (books / f"{number}.txt").write_text(text)
    planned = expand.run(books, tmp_path / "q.jsonl", replace(config, dry_run=True), Silent())
    second = expand.run(books, tmp_path / "q.jsonl", config, Silent())
    assert abs(planned.counts["to_ask"] - second.counts["bought"]) <= 2, "a dry run bills what is new alone"
    assert planned.counts["in_store"] >= first.counts["new_prompts"], "wherever it stands among the others"
    assert first.counts["new_prompts"] == 2 * first.counts["seeds"] > 0, "two for each passage"
    assert second.counts["new_prompts"] == 2 * second.counts["seeds"] == 2 * first.counts["new_prompts"]
    assert second.counts["bought"] < second.counts["written"], "what was asked about the old ones is in the store"
    files = {one.tags["file"] for one in read_records(tmp_path / "q.jsonl", Prompt) if one.tags}
    assert files == {"0.txt", "1.txt", "2.txt", "3.txt"}
    again = expand.run(books, tmp_path / "q.jsonl", config, Silent())
    assert again.counts["bought"] == 0


def test_short_passages_that_were_asked_for_are_not_left_out_as_too_short() -> None:
    found, _ = passages_of("mill.md", [Section("Mills", MILL)], letters=100)
    assert " ".join(one.text for one in found) == MILL
    assert passages_of("mill.md", [Section("Mills", "Page 3")], letters=100) == ([], 1)


@pytest.mark.parametrize(
    "start",
    [
        "<![CDATA[" * 200_000,
        "<!--" * 300_000,
        "<!-- a -->" + "<!--" * 300_000 + "<p>",
        "</" * 300_000,
        "<?" * 1_000_000,
        "<a " * 300_000,
        "<svg>" * 100_000 + "</svg>" * 100_000,
        "<nav>" + "<svg>" * 100_000 + "</form>" * 100_000 + "</nav>",
    ],
    ids=lambda start: start[:12],
)
def test_a_page_that_was_made_to_hold_its_reader_up_is_read_in_one_pass(start: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"{start}\n\n{MILL}")
    with at_most_cpu_s(10, start[:12]):
        found = list(Documents(tmp_path / "page.html", 2000).passages())
    assert found[-1].text.endswith("from March to November."), found[-1].text[-80:]


def test_a_section_too_short_to_ask_about_is_counted(tmp_path: Path) -> None:
    (tmp_path / "mill.md").write_text(f"# Mills\n\n{MILL}\n\n# Weirs\n\nSee the next volume.\n")
    book = Documents(tmp_path / "mill.md", 2_000)
    assert [one.place for one in book.passages()] == ["Mills"]
    assert book.notes() == [
        "1 passage left out for fewer than 25 words: a heading, or a section too short to ask about"
    ]
