"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

const element = (name, text, kind) => {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};
const chooser = (label, names) => {
  const box = element("select");
  box.setAttribute("aria-label", label);
  names.forEach((name, place) => {
    const option = element("option", name);
    option.value = place;
    box.append(option);
  });
  return box;
};
const FIRST = 10, MORE = 40; // prompts in the list
const MARKS = { right: "right", wrong: "wrong", open: "open" };

const answerBox = (name, answer, note, chosen) => {
  const box = element("div", null, "sample " + (answer ? MARKS[answer.mark] || "" : "") + (chosen ? " chosen" : ""));
  box.append(element("strong", name));
  if (!answer) {
    box.append(element("div", "was not asked", "small"));
    return box;
  }
  const whole = answer.answer === null || answer.answer.includes("\n") ? "" : answer.answer; // a program stands below
  const said = whole ? ": " + whole.slice(0, 80) + (whole.length > 80 ? "…" : "") : "";
  box.append(element("div", answer.status + said + (answer.detail ? " (" + answer.detail + ")" : ""), "verdict"));
  if (note) box.append(element("div", note, "small"));
  if (answer.reasoning) box.append(element("pre", answer.reasoning, "trace"));
  box.append(element("pre", answer.text));
  return box;
};

const promptBox = (prompt, answers) => {
  const box = element("details"), line = element("summary"), dots = element("span", null, "dots");
  for (const one of answers) {
    const dot = element("i", null, one.answer ? MARKS[one.answer.mark] || "" : "none");
    dot.title = one.name + ": " + (one.answer ? one.answer.status : "was not asked");
    dots.append(dot);
  }
  line.append(dots, document.createTextNode(prompt.question));
  box.append(line);
  box.addEventListener("toggle", () => {
    if (!box.open || box.childElementCount > 1) return;
    for (const turn of prompt.turns) {
      const said = element("div", null, "turn");
      said.append(element("b", turn.role), element("pre", turn.content));
      box.append(said);
    }
    const reference = prompt.reference === null ? "none" : prompt.reference, lines = reference.includes("\n");
    box.append(element("div", "Reference: " + (lines ? "" : reference), "reference"));
    if (lines) box.append(element("pre", reference));
    const samples = element("div", null, "samples");
    samples.append(...answers.map(one => answerBox(one.name, one.answer, one.note, one.chosen)));
    box.append(samples, element("div", "Prompt " + prompt.id, "small"));
  });
  return box;
};

/* A list with a search box: `choices` are [label, names, test(prompt, place)]; `columns` gives a prompt's answers. */
const browser = (place, prompts, words, choices, columns, about) => {
  const tools = element("div", null, "tools"), search = element("input"), count = element("p"), list = element("div"),
    more = element("button", "Show more");
  search.type = "search";
  search.placeholder = "Search in questions, traces and answers";
  search.setAttribute("aria-label", "Search");
  const boxes = choices.map(([label, names]) => chooser(label, names));
  tools.append(search, ...boxes);
  place.replaceChildren(tools, count, list, more);
  let found = [], shown = 0;
  const showMore = number => {
    list.append(...found.slice(shown, shown + number).map(prompt => promptBox(prompt, columns(prompt))));
    shown = Math.min(found.length, shown + number);
    more.hidden = shown >= found.length;
  };
  const update = () => {
    const wanted = search.value.toLowerCase();
    found = prompts.filter((prompt, number) => (!wanted || words[number].includes(wanted)) &&
      choices.every(([, , test], which) => boxes[which].value === "0" || test(prompt, Number(boxes[which].value) - 1)));
    count.textContent = about(found.length);
    list.replaceChildren();
    shown = 0;
    showMore(FIRST);
  };
  for (const box of [search, ...boxes]) box.addEventListener("input", update);
  more.addEventListener("click", () => showMore(MORE));
  update();
};
const lowered = prompts => prompts.map(prompt => JSON.stringify(prompt).toLowerCase());

const answersView = document.querySelector('[data-view="answers"]');
if (answersView && data.answers) {
  const { names, kinds, prompts } = data.answers;
  const columns = prompt => names.map((name, place) => ({ name, answer: prompt.answers[place] }));
  browser(answersView, prompts, lowered(prompts),
    [["Which prompts", ["all prompts", ...kinds], (prompt, kind) => prompt.kinds.includes(kind)]], columns,
    number => number + " prompts. Dots: " + names.join(", ") + "; full is right, hollow is wrong.");
  const telling = prompts.slice(0, FIRST).findIndex(prompt => prompt.kinds.includes(kinds.length - 1));
  if (telling >= 0) answersView.querySelectorAll("details")[telling].open = true;
}

const tracesView = document.querySelector('[data-view="traces"]');
if (tracesView && data.traces) {
  const inside = element("div");
  const show = set => {
    const all = set.prompts.flatMap(prompt => prompt.samples);
    const statuses = [...new Set(all.map(sample => sample.status))].sort();
    const decisions = [...new Set(all.map(sample => sample.decision))].sort();
    const columns = prompt => prompt.samples.map(sample => ({
      name: sample.name, answer: sample, note: sample.decision === "kept" ? "kept" : "rejected: " + sample.decision,
      chosen: sample.decision === "kept" }));
    browser(inside, set.prompts, lowered(set.prompts),
      [["Verdict", ["any verdict", ...statuses], (prompt, at) => prompt.samples.some(one => one.status === statuses[at])],
        ["Decision", ["any decision", ...decisions],
          (prompt, at) => prompt.samples.some(one => one.decision === decisions[at])]],
      columns, number => number + " prompts of the " + set.total.toLocaleString("en") + " of " + set.name + ".");
  };
  if (data.traces.length > 1) {
    const labels = data.traces.map((set, place) => set.name + (place ? "" : " (the best student learnt from it)"));
    const box = chooser("Run of filter", labels);
    box.addEventListener("input", () => show(data.traces[box.value]));
    tracesView.append(box);
  }
  tracesView.append(inside);
  show(data.traces[0]);
}
