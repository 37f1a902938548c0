"use strict";
// Draws the report in #report. It writes text and attributes, never markup: names and reasons come from programs.

const PAGE = 100; // rows that are added at a time
const LINES = 200; // lines in one picture; of more tasks, these stand for all
const CARDS = 20; // refusers on top; all are in the table, too

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const inSeconds = (value) => `${value.toFixed(value < 100 ? 2 : 0)} s`;
const short = (coroutine) => coroutine.split("<locals>.").pop();

// -- what is drawn --------------------------------------------------------------------------------------------------

const report = JSON.parse($("report").textContent);
const KNOWN = ["drain", "interrupt", "terminate", "kill"];
let total = report.seconds;
let others = 0;
let at = 0;
const rungs = report.rungs.map((rung) => {
  const kind = KNOWN.includes(rung.name) ? rung.name : `other${others++ % 2}`;
  const begin = at;
  at += rung.seconds;
  return { ...rung, begin, kind };
});
const groups = report.groups.map((group) => {
  const tasks = group.tasks.map(([name, seconds]) => {
    const last = seconds.findLastIndex((spent) => spent !== null);
    const end = last < 0 ? null : rungs[last].begin + seconds[last];
    total = Math.max(total, end ?? 0);
    return { name, seconds, end };
  });
  const where = [group.coroutine, ...group.said, ...group.stack].join("\n").toLowerCase();
  const longest = tasks.reduce((most, task) => Math.max(most, task.end ?? 0), 0);
  return { ...group, tasks, where, longest };
});
total = Math.max(total, at) || 1;
const everyone = groups.flatMap((group) => group.tasks);
const percent = (seconds) => `${((100 * seconds) / total).toFixed(3)}%`;

// -- bars -----------------------------------------------------------------------------------------------------------

/** One line for each task, the longest on top; of very many, some stand for all. */
function bars(tasks, kind, label) {
  const sorted = tasks.filter((task) => task.end !== null).sort((a, b) => b.end - a.end);
  const step = (sorted.length - 1) / (LINES - 1);
  const lines =
    sorted.length <= LINES ? sorted : Array.from({ length: LINES }, (_, n) => sorted[Math.round(n * step)]);
  const size = { viewBox: `0 0 1000 ${lines.length || 1}`, preserveAspectRatio: "none" };
  const picture = drawn("svg", { class: `bars ${kind}`, role: "img", "aria-label": label, ...size });
  rungs.forEach((rung, index) => {
    const path = outline(lines, index, rung.begin);
    if (path) picture.append(drawn("path", { class: `r-${rung.kind}`, d: path }));
    const x = (1000 * rung.begin) / total;
    if (x) picture.append(drawn("line", { class: "edge", x1: x, x2: x, y1: 0, y2: lines.length || 1 }));
  });
  return picture;
}

/** The path around what these tasks spent on one rung; equal neighbours are one rectangle. */
function outline(lines, index, begin) {
  let path = "";
  for (let from = 0, to; from < lines.length; from = to) {
    const spent = lines[from].seconds[index];
    for (to = from + 1; to < lines.length && lines[to].seconds[index] === spent; to++);
    if (spent === null) continue;
    const width = Math.max((1000 * spent) / total, 4); // so that it can be seen
    const left = Math.min((1000 * begin) / total, 1000 - width);
    path += `M${left.toFixed(2)} ${from}h${width.toFixed(2)}V${to}h${(-width).toFixed(2)}z`;
  }
  return path;
}

/** When they had ended, in seconds since the stop began. */
function endOf(tasks) {
  const ends = tasks.map((task) => task.end).filter((end) => end !== null);
  if (!ends.length) return "no rung came to it";
  const first = ends.reduce((a, b) => Math.min(a, b));
  const last = ends.reduce((a, b) => Math.max(a, b));
  return inSeconds(first) === inSeconds(last) ? inSeconds(last) : `${inSeconds(first)} to ${inSeconds(last)}`;
}

function timesOf(tasks) {
  if (tasks.length > 1) return `${count(tasks.length, "task")}: ${endOf(tasks)}`;
  const { seconds } = tasks[0];
  const spent = rungs.flatMap((rung, n) => (seconds[n] === null ? [] : [`${rung.name} ${inSeconds(seconds[n])}`]));
  return spent.join(", ") || "no rung came to it";
}

function barsOf(tasks) {
  if (tasks.every((task) => task.end === null)) return "";
  return bars(tasks, tasks.length > 1 ? "many" : "one", timesOf(tasks));
}

// -- the head, the ladder, the process ------------------------------------------------------------------------------

function showHead() {
  const said = report.said[0].replace(` (reason: ${report.reason})`, "");
  $("title").textContent = said[0].toUpperCase() + said.slice(1);
  const ended = report.said[1]?.replace(/^.* ends /, "");
  const facts = {
    Reason: report.reason,
    Ladder: report.ladder,
    Began: report.began?.replace("T", " ").replace(/\.\d+\+00:00$/, " UTC"),
    Process: ended ? `${report.pid}, ended ${ended}` : `${report.pid}`,
  };
  for (const [name, value] of Object.entries(facts)) {
    if (value) $("about").append(element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  }
}

function ticks() {
  const made = element("div", { class: "ticks", "aria-hidden": "true" });
  const rough = total / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  for (let n = 0; n * step <= total * 1.0001; n++) {
    const tick = element("span", {}, `${+(n * step).toPrecision(6)} s`);
    tick.style.left = percent(n * step);
    if (n * step > total * 0.97) tick.className = "last";
    made.append(tick);
  }
  return made;
}

function showLadder() {
  if (!rungs.length) return;
  const bands = element("div", { class: "bands", "aria-hidden": "true" });
  for (const rung of rungs.filter((rung) => rung.seconds / total > 0.06)) {
    const band = element("span", { class: `r-${rung.kind}` }, rung.name);
    band.style.left = percent(rung.begin);
    band.style.width = percent(rung.seconds);
    bands.append(band);
  }
  const told = rungs.filter((rung) => !rung.skipped).map((rung) => `${rung.name} ended ${rung.ended} of ${rung.sent}`);
  const label = `${count(everyone.length, "task")} over ${inSeconds(total)}: ${told.join(", ")}`;
  $("picture").append(bands, bars(everyone, "all", label), ticks());
  const heads = ["Rung", "Seconds", "Told", "Ended"].map((name) => element("th", { scope: "col" }, name));
  if (rungs.some(remarkOn)) heads.push(element("th", { scope: "col" }, "Remark"));
  $("rungs").append(element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rungs.map(rungRow)));
  $("overview").hidden = false;
}

const remarkOn = (rung) => (rung.skipped ? "skipped: nobody can hear it" : rung.unasked ? "no task has asked for it" : "");

function rungRow(rung) {
  const name = element("th", { scope: "row" }, element("span", { class: `key r-${rung.kind}` }), rung.name);
  const numbers = [rung.seconds.toFixed(2), rung.sent.toLocaleString("en"), rung.ended.toLocaleString("en")];
  const cells = numbers.map((text) => element("td", { class: "number" }, text));
  if (rungs.some(remarkOn)) cells.push(element("td", {}, remarkOn(rung)));
  return element("tr", {}, name, ...cells);
}

function showProcess() {
  const { note, threads, children } = report;
  if (note) $("left").append(element("p", { class: "note" }, note));
  for (const [what, lines] of [["Threads that were left", threads], ["Processes that were ended with it", children]]) {
    if (lines.length) $("left").append(element("h3", {}, what), list(lines, "said"));
  }
  $("left").hidden = !(note || threads.length || children.length);
}

// -- one kind of task -----------------------------------------------------------------------------------------------

const list = (lines, kind) => element("ul", { class: kind }, ...lines.map((line) => element("li", {}, line)));

/** What is known of where it stood, and what it did with its signals. */
function details(group) {
  const made = [];
  if (group.said.length) made.push(list(group.said, "said"));
  if (group.stack.length) {
    const lines = group.stack.map((line) => element("li", {}, line));
    const title = `Stack of ${group.tasks.length === 1 ? group.tasks[0].name : "each"}, the innermost line last`;
    made.push(element("p", { class: "small" }, title));
    made.push(element("ol", { class: "stack", tabindex: "0", "aria-label": title }, ...lines));
  }
  return made;
}

function nameOf(group, tasks) {
  return tasks.length === 1 ? tasks[0].name : `${count(tasks.length, "task")}, e.g. ${tasks[0].name}`;
}

/** Its coroutine, where that says more than its name. */
function coroutineOf(group, tasks) {
  const what = short(group.coroutine);
  return tasks.length === 1 && what === tasks[0].name ? "" : what;
}

function showRefusers() {
  const found = groups.filter((group) => group.resisted);
  if (!found.length) return;
  const number = found.reduce((sum, group) => sum + group.tasks.length, 0);
  $("resisted-title").append(`${count(number, "task")} need${number === 1 ? "s" : ""} attention`);
  for (const group of found.slice(0, CARDS)) {
    const head = element("h3", {}, nameOf(group, group.tasks), " ", element("small", {}, coroutineOf(group, group.tasks)));
    const ending = element("span", { class: "ending-bad" }, group.ending);
    const top = element("header", {}, head, ending);
    $("refusers").append(element("article", { class: "refuser" }, top, barsOf(group.tasks), ...details(group)));
  }
  if (found.length > CARDS) {
    $("refusers").append(element("p", {}, `${count(found.length - CARDS, "other kind")} of task, too: see all tasks below.`));
  }
  $("resisted").hidden = false;
}

// -- the table ------------------------------------------------------------------------------------------------------

let shown = []; // [group, its tasks that are asked for]
let rows = 0;

function fillFilters() {
  const by = (key) => {
    const found = new Map();
    for (const group of groups) found.set(key(group), (found.get(key(group)) ?? 0) + group.tasks.length);
    return [...found].sort((a, b) => b[1] - a[1]);
  };
  const fill = (select, any, counts, names) => {
    select.append(element("option", { value: "*" }, any));
    for (const [value, number] of counts) {
      select.append(element("option", { value: `=${value}` }, `${names(value)} (${number.toLocaleString("en")})`));
    }
  };
  fill($("by-rung"), "any rung", by((group) => group.rung ?? ""), (name) => name || "none");
  fill($("by-ending"), "any way", by((group) => group.ended), (name) => name);
}

function choose() {
  const text = $("by-name").value.trim().toLowerCase();
  const [rung, ending] = [$("by-rung").value, $("by-ending").value];
  shown = [];
  for (const group of groups) {
    if (rung !== "*" && rung !== `=${group.rung ?? ""}`) continue;
    if (ending !== "*" && ending !== `=${group.ended}`) continue;
    const all = !text || group.where.includes(text);
    const tasks = all ? group.tasks : group.tasks.filter((task) => task.name.toLowerCase().includes(text));
    if (tasks.length) shown.push([group, tasks]);
  }
  shown.sort(ORDERS[$("order").value]);
  const number = shown.reduce((sum, [, tasks]) => sum + tasks.length, 0);
  const of = number === everyone.length ? count(number, "task") : `${number.toLocaleString("en")} of ${count(everyone.length, "task")}`;
  $("shown").textContent = `${of}, in ${count(shown.length, "row")}; equal tasks share a row.`;
  $("rows").replaceChildren();
  rows = 0;
  showMore();
}

const ORDERS = {
  urgency: ([a], [b]) => a.urgency - b.urgency || b.resisted - a.resisted || b.longest - a.longest,
  longest: ([a], [b]) => b.longest - a.longest,
  name: ([, a], [, b]) => (a[0].name < b[0].name ? -1 : 1),
};

function showMore() {
  const added = shown.slice(rows, rows + PAGE).map(([group, tasks]) => rowOf(group, tasks));
  $("rows").append(...added);
  rows = Math.min(rows + PAGE, shown.length);
  $("more").textContent = `Show ${Math.min(PAGE, shown.length - rows)} more of ${count(shown.length - rows, "row")}`;
  $("more").hidden = rows === shown.length;
  return added;
}

const cell = (attributes, ...children) => element("td", { role: "cell", ...attributes }, ...children);

function rowOf(group, tasks) {
  const row = element("tr", { role: "row" });
  const name = nameOf(group, tasks);
  const has = tasks.length > 1 || group.said.length || group.stack.length;
  const head = has ? element("button", { class: "toggle", type: "button", "aria-expanded": "false" }, name) : element("div", { class: "plain" }, name);
  if (has) head.addEventListener("click", () => toggle(head, row, group, tasks));
  const what = element("div", { class: "small" }, coroutineOf(group, tasks), group.descendant ? " (spawned by a target)" : "");
  const ending = element("div", { class: group.resisted ? "ending-bad" : "" }, group.ending);
  row.append(cell({}, head, what), cell({}, barsOf(tasks)), cell({}, ending, element("div", { class: "small" }, endOf(tasks))));
  return row;
}

/** Show or hide what is below a row: its details, and its tasks, each with a bar of its own. */
function toggle(button, row, group, tasks) {
  const open = button.getAttribute("aria-expanded") === "false";
  button.setAttribute("aria-expanded", String(open));
  if (!open) {
    for (const below of row.below) below.remove();
    return;
  }
  row.below = [];
  const known = details(group);
  if (known.length) addBelow(row, element("tr", { role: "row" }, cell({ class: "wide", colspan: 3 }, ...known)));
  if (tasks.length > 1) addTasks(row, [...tasks].sort((a, b) => (b.end ?? 0) - (a.end ?? 0)), 0);
}

function addBelow(row, added) {
  (row.below.at(-1) ?? row).after(added);
  row.below.push(added);
}

function addTasks(row, tasks, from) {
  const members = tasks.slice(from, from + PAGE);
  members.forEach((task, index) => {
    const member = element("tr", { role: "row", class: "member", tabindex: -1 });
    member.append(cell({}, task.name), cell({}, barsOf([task])), cell({ class: "small" }, timesOf([task])));
    addBelow(row, member);
    if (from && !index) member.focus(); // what had the focus, the button, is gone
  });
  const rest = tasks.length - from - members.length;
  if (!rest) return;
  const button = element("button", { type: "button" }, `Show ${Math.min(PAGE, rest)} more of ${count(rest, "task")}`);
  const last = element("tr", { role: "row", class: "more" }, cell({ class: "wide", colspan: 3 }, button));
  addBelow(row, last);
  button.addEventListener("click", () => {
    row.below.pop();
    addTasks(row, tasks, from + PAGE);
    last.remove();
  });
}

function showAll() {
  if (!everyone.length) return;
  fillFilters();
  $("filters").addEventListener("input", choose);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => setTimeout(choose)); // when the fields are empty
  $("more").addEventListener("click", () => {
    const [first] = showMore();
    if (!$("more").hidden) return;
    first.tabIndex = -1; // the button, which had the focus, is gone
    first.focus();
  });
  $("all").hidden = false;
  choose();
}

showHead();
showLadder();
showProcess();
showRefusers();
showAll();
