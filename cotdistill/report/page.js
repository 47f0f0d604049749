"use strict";
const data = JSON.parse(document.getElementById("traces").textContent);
const list = document.getElementById("list");
if (list) {
  const search = document.getElementById("search"), status = document.getElementById("status"),
    decision = document.getElementById("decision"), more = document.getElementById("more"),
    count = document.getElementById("count");
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const options = (box, name) => {
    const values = new Set(data.flatMap(prompt => prompt.samples.map(sample => sample[name])));
    for (const value of [...values].sort()) {
      const option = element("option", value);
      option.value = value;
      box.append(option);
    }
  };
  options(status, "status");
  options(decision, "decision");
  const words = data.map(prompt => JSON.stringify(prompt).toLowerCase());
  const sampleBox = sample => {
    const box = element("div", null, "sample " + (/^[a-z_]+$/.test(sample.status) ? sample.status : ""));
    box.append(element("div", "sample " + sample.sample + ": " + sample.status + ", " + sample.decision, "small"));
    if (sample.reasoning) box.append(element("pre", sample.reasoning));
    box.append(element("pre", sample.text));
    box.append(element("div", "answer " + (sample.answer ?? "none") + ", ended by " + sample.stop, "small"));
    return box;
  };
  const promptBox = prompt => {
    const box = element("details");
    const right = prompt.samples.filter(sample => sample.status === "correct").length;
    box.append(element("summary", right + "/" + prompt.samples.length + "  " + prompt.question.slice(0, 160)));
    box.addEventListener("toggle", () => {
      if (!box.open || box.childElementCount > 1) return;
      box.append(element("pre", prompt.question));
      box.append(element("div", "id " + prompt.id + ", reference " + (prompt.reference ?? "none"), "small"));
      const samples = element("div", null, "samples");
      samples.append(...prompt.samples.map(sampleBox));
      box.append(samples);
    });
    return box;
  };
  let found = [], shown = 0;
  const showMore = () => {
    list.append(...found.slice(shown, shown + 40).map(promptBox));
    shown = Math.min(found.length, shown + 40);
    more.hidden = shown >= found.length;
  };
  const update = () => {
    const wanted = search.value.toLowerCase();
    found = data.filter((prompt, place) => (!wanted || words[place].includes(wanted)) &&
      prompt.samples.some(sample => (!status.value || sample.status === status.value) &&
        (!decision.value || sample.decision === decision.value)));
    count.textContent = found.length + " prompts";
    list.replaceChildren();
    shown = 0;
    showMore();
  };
  for (const box of [search, status, decision]) box.addEventListener("input", update);
  more.addEventListener("click", showMore);
  update();
}
