// A storefront in one page. It knows nothing of Freshet but freshet.js, so it shows how a shop's own
// page could look. docs/browser.md explains each call of `freshet`.
"use strict";

const ROW_LENGTH = 12;
const byId = (id) => document.getElementById(id);
const FACTS = ["genre", "year", "brand", "price", "currency"]; // of items that have them
const LANGUAGE = navigator.language.startsWith("zh") ? "zh" : "en"; // of the texts about items
const ROW = { k: ROW_LENGTH, attributes: FACTS, copy: true, language: LANGUAGE };
const LOOK_ALIKES = { k: ROW_LENGTH, attributes: FACTS };
const titles = new Map(); // of the items that were shown, by id
const facts = new Map();

// 1. Start. Without keys the gateway answers pages of its own machine; with keys, this page needs a
// browser key, which is public, so it may be in the address: /shop?key=freshet_…
const key = new URLSearchParams(location.search).get("key") || undefined;
freshet.init({ key });

// 2. Consent. Before it, freshet.js stores and sends nothing about the visitor.
byId("consent").checked = freshet.visitor !== null;
byId("consent").addEventListener("change", (event) => {
  freshet.consent(event.target.checked);
  showPage();
});

// 3. Rows. Each asks for a list and shows it. `shown` reports which items were seen and clicked.
async function showRow(id, heading, ask, { ifEmpty = "" } = {}) {
  const section = byId(id);
  const asked = (section.asked = Symbol(id)); // an answer that comes after a newer question is dropped
  let list;
  try {
    list = await ask();
  } catch (error) {
    if (section.asked === asked) section.hidden = true;
    showProblem(error);
    return;
  }
  if (section.asked !== asked) return;
  const ofPage = list.item_id === undefined ? [] : [{ ...list, id: list.item_id }]; // what is asked of
  for (const { id, title, attributes } of [...list.items, ...ofPage]) {
    if (title) titles.set(id, title);
    facts.set(id, factsOf(attributes));
  }
  nameItem();
  const text = list.items.length ? heading : ifEmpty;
  const title = list.items.length ? list.row_title : undefined; // what the items have in common
  const below = title ? [element("p", { class: "note", lang: LANGUAGE }, title.text)] : [];
  const row = element("ul", { class: "row" });
  row.append(...list.items.map((item) => cardOf(item, list)));
  section.setAttribute("aria-label", text);
  section.replaceChildren(element("h2", {}, text), ...below, row);
  section.hidden = !text;
  showPictures(section, list.items);
  if (list.policy && list.model_version) showRelease(list); // popular lists need no model
}

// An item without a title, or whose title no answer had yet, is shown by its id.
const nameOf = (id) => titles.get(id) || `Item ${id}`;

function cardOf(item, list) {
  const title = nameOf(item.id);
  const letter = title.slice(0, 1);
  const marks = { class: "cover", "aria-hidden": "true", "data-item": item.id };
  const cover = element("span", marks, letter);
  cover.style.setProperty("--hue", hueOf(item.id));
  const card = element(
    "a",
    { class: "card", href: `#item=${encodeURIComponent(item.id)}` },
    cover,
    element("span", { class: "title" }, title),
    element("span", { class: "facts" }, facts.get(item.id)),
    element("span", { class: "why", ...(item.copy && !item.match && { lang: LANGUAGE }) }, whyOf(item)),
  );
  freshet.shown(card, item.id, list.recommendation_id);
  return element("li", {}, card);
}

// Show the pictures of items that have one, in place of the first letter of the title.
async function showPictures(section, items) {
  if (!items.length) return;
  const found = await freshet.pictures(items.map(({ id }) => id)).catch(() => ({}));
  for (const cover of section.querySelectorAll(".cover")) {
    const src = found[cover.dataset.item];
    if (src) cover.replaceChildren(element("img", { src, alt: "" }));
  }
  if (Object.keys(found).length) byId("by-picture").hidden = false;
}

// Say what an item is, in a line: its newest record may have none of this.
function factsOf({ genre = [], year, brand, price, currency } = {}) {
  const genres = [].concat(genre).slice(0, 2).join(", ");
  const cost = typeof price === "number" ? `${price.toFixed(2)} ${currency ?? ""}`.trim() : price;
  return [brand, genres, year, cost].filter(Boolean).join(" · ");
}

// Say how a search found an item, or why it is there: a line of copy, in the visitor's language.
function whyOf({ copy, match, events }) {
  if (match === "text") return "near in meaning";
  if (match === "picture") return "its picture is near in meaning";
  if (copy) return copy.text;
  return events ? `${events} visits` : "";
}

// 4. The page. Its address says what it shows: #item=… an item, #q=… what a search found. All rows
// are asked for at once.
const inAddress = (name) => new URLSearchParams(location.hash.slice(1)).get(name);

function showPage() {
  byId("problem").hidden = true;
  showItem(inAddress("item"));
  showFound(inAddress("q"));
  showPicked();
}

// `recommend` knows the clicks of the last second too, so the row changes with each click.
function showPicked() {
  showRow("picked", freshet.visitor ? "Picked for you" : "To begin with", () =>
    freshet.recommend(ROW),
  );
}

// An item's page: what is like it, and what its visitors go on to. The click was counted by `shown`;
// that the page was opened is a view.
function showItem(itemId) {
  byId("item").hidden = itemId === null;
  if (itemId === null) return closeRows("similar", "because");
  nameItem();
  showAllPictures(itemId);
  byId("liked").textContent = "";
  byId("like").onclick = () => {
    freshet.track("like", itemId);
    byId("liked").textContent = freshet.visitor
      ? "Noted."
      : "Not noted, since this shop may not remember what you look at.";
    showPicked();
  };
  freshet.view(itemId);
  showRow("similar", "Similar", () => freshet.similar(itemId, { ...ROW, by: "both" }));
  showRow("because", "Because you looked at it", () =>
    freshet.recommend({ ...ROW, context: { item_id: itemId } }),
  );
}

// All pictures of the item on its page. An answer that comes after another item was opened is dropped.
async function showAllPictures(itemId) {
  byId("item-pictures").replaceChildren();
  const found = await freshet.picturesOf(itemId).catch(() => []);
  if (inAddress("item") !== itemId) return;
  byId("item-pictures").replaceChildren(...found.map((src) => element("img", { src, alt: "" })));
}

function nameItem() {
  const itemId = inAddress("item");
  if (itemId === null) return;
  byId("item-title").textContent = nameOf(itemId);
  byId("item-facts").textContent = facts.get(itemId) ?? "";
}

// Hide rows. An answer that is under way is not shown any more.
function closeRows(...ids) {
  for (const id of ids) Object.assign(byId(id), { hidden: true, asked: null });
}

addEventListener("hashchange", () => {
  showPage();
  const heading = byId("item").hidden ? document.querySelector("h1 a") : byId("item-title");
  heading.focus(); // where a screen reader goes on
  scrollTo(0, 0);
});

// 5. Search. What was found stands in place of an item.
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const q = new FormData(event.target).get("q").trim();
  history.pushState(null, "", q ? `#${new URLSearchParams({ q })}` : "#");
  showPage();
  scrollTo(0, 0);
});

function showFound(q) {
  byId("search").elements.q.value = q ?? "";
  if (!q) return closeRows("found");
  showRow("found", `Found for “${q}”`, () => freshet.search({ q, ...ROW }), {
    ifEmpty: `Nothing found for “${q}”`,
  });
}

// A picture finds items that look like it.
byId("picture").addEventListener("change", (event) => {
  const [picture] = event.target.files;
  event.target.value = ""; // so that the same picture can be chosen again
  if (!picture) return;
  byId("problem").hidden = true;
  showRow("found", "Looks like your picture", () => freshet.lookAlikes(picture, LOOK_ALIKES), {
    ifEmpty: "Nothing looks like your picture",
  });
});

// 6. Which release answered, and how old its weights are.
let release = { model_version: null };

async function showRelease(list) {
  if (release.model_version !== list.model_version) {
    const found = await freshet.release().catch(() => ({ model_version: null }));
    release = { ...found, asked_at: performance.now() };
  }
  const age_s = release.age_s + (performance.now() - release.asked_at) / 1000;
  const known = release.model_version === list.model_version;
  const age = known ? `; its weights are ${ageOf(age_s)} old` : "";
  byId("release").textContent = list.fallback
    ? `The model does not answer: popular items of release ${list.model_version}.`
    : `Answered by release ${list.model_version}${age}.`;
}

function ageOf(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

// 7. Problems. Without a valid key nothing works, so ask for one; anything else may pass.
function showProblem(error) {
  const needsKey = error.status === 401 || error.status === 403;
  byId("problem").replaceChildren(...(needsKey ? keyForm() : [error.message]));
  byId("problem").hidden = false;
}

function keyForm() {
  const text = key ? "This key does not work on this page." : "This shop needs a browser key.";
  const make = ".venv/bin/python -m cron keys add --name shop --role browser --origin";
  const input = element("input", { type: "text", name: "key", "aria-label": "Browser key" });
  return [
    element("strong", {}, text),
    element("p", { class: "note" }, "Make one, and enter it here:"),
    element("code", {}, `${make} ${location.origin}`),
    element("form", { method: "get" }, input, element("button", {}, "Use this key")),
  ];
}

// Titles are inserted as text: nobody's title becomes part of the page's code.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function hueOf(id) {
  let hue = 0;
  for (const character of id) hue = (hue * 31 + character.codePointAt(0) * 47) % 360;
  return hue;
}

showPage();
showRow("popular", "Popular", () => freshet.popular(ROW));
showRow("new", "New", () => freshet.newest(ROW));
