// A storefront in one page. It knows nothing of Freshet but freshet.js, so it shows how a shop's own
// page could look. docs/browser.md explains each call of `freshet`.
"use strict";

const ROW_LENGTH = 12;
const byId = (id) => document.getElementById(id);
const FACTS = ["genre", "year", "brand", "price", "currency"]; // of items that have them
const LANGUAGE = navigator.language.startsWith("zh") ? "zh" : "en"; // of the page and of its texts
const ROW = { k: ROW_LENGTH, attributes: FACTS, copy: true, language: LANGUAGE };
const LOOK_ALIKES = { k: ROW_LENGTH, attributes: FACTS };
const titles = new Map(); // of the items that were shown, by id
const facts = new Map();

// 1. Start. Without keys the gateway answers pages of its own machine; with keys, this page needs a
// browser key, which is public, so it may be in the address: /shop?key=freshet_…
const key = new URLSearchParams(location.search).get("key") || undefined;
freshet.init({ key });

// The page's own words are in a table at the end. The elements of shop.html name theirs.
const say = (word, ...values) =>
  [].concat(WORDS[LANGUAGE][word]).reduce((text, part, i) => text + values[i - 1] + part);

function translatePage() {
  document.documentElement.lang = LANGUAGE;
  document.title = say("shop");
  for (const named of document.querySelectorAll("[data-word]")) {
    named.textContent = say(named.dataset.word);
  }
  const field = byId("search").elements.q;
  field.placeholder = say("search");
  field.setAttribute("aria-label", say("searchShop"));
}

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
const nameOf = (id) => titles.get(id) || say("item", id);

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
  if (match === "text") return say("nearText");
  if (match === "picture") return say("nearPicture");
  if (copy) return copy.text;
  return events ? say("visits", events) : "";
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
  showRow("picked", say(freshet.visitor ? "picked" : "begin"), () =>
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
    byId("liked").textContent = say(freshet.visitor ? "noted" : "notNoted");
    showPicked();
  };
  freshet.view(itemId);
  showRow("similar", say("similar"), () => freshet.similar(itemId, { ...ROW, by: "both" }));
  showRow("because", say("because"), () =>
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
  showRow("found", say("found", q), () => freshet.search({ q, ...ROW }), {
    ifEmpty: say("nothing", q),
  });
}

// A picture finds items that look like it.
byId("picture").addEventListener("change", (event) => {
  const [picture] = event.target.files;
  event.target.value = ""; // so that the same picture can be chosen again
  if (!picture) return;
  byId("problem").hidden = true;
  showRow("found", say("alike"), () => freshet.lookAlikes(picture, LOOK_ALIKES), {
    ifEmpty: say("noneAlike"),
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
  byId("release").textContent = list.fallback
    ? say("fallback", list.model_version)
    : known
      ? say("answeredAt", list.model_version, ageOf(age_s))
      : say("answered", list.model_version);
}

function ageOf(seconds) {
  if (seconds < 120) return say("seconds", Math.round(seconds));
  if (seconds < 7200) return say("minutes", Math.floor(seconds / 60));
  if (seconds < 172800) return say("hours", Math.floor(seconds / 3600));
  return say("days", Math.floor(seconds / 86400));
}

// 7. Problems. Without a valid key nothing works, so ask for one; anything else may pass.
function showProblem(error) {
  const needsKey = error.status === 401 || error.status === 403;
  byId("problem").replaceChildren(...(needsKey ? keyForm() : [element("span", { lang: "en" }, error.message)]));
  byId("problem").hidden = false;
}

function keyForm() {
  const text = say(key ? "wrongKey" : "needsKey");
  const make = ".venv/bin/python -m cron keys add --name shop --role browser --origin";
  const input = element("input", { type: "text", name: "key", "aria-label": say("key") });
  return [
    element("strong", {}, text),
    element("p", { class: "note" }, say("makeKey")),
    element("code", {}, `${make} ${location.origin}`),
    element("form", { method: "get" }, input, element("button", {}, say("useKey"))),
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

// 8. Words. A further language is a further column of this table, and a value of LANGUAGE. Where a
// text has several parts, values stand between them.
const WORDS = {
  en: {
    shop: "A shop on Freshet",
    search: "Search",
    searchShop: "Search the shop",
    byPicture: "Search by picture",
    consent: "Remember what I look at, and show me more like it",
    like: "I like this",
    noted: "Noted.",
    notNoted: "Not noted, since this shop may not remember what you look at.",
    picked: "Picked for you",
    begin: "To begin with",
    similar: "Similar",
    because: "Because you looked at it",
    popular: "Popular",
    new: "New",
    found: ["Found for “", "”"],
    nothing: ["Nothing found for “", "”"],
    alike: "Looks like your picture",
    noneAlike: "Nothing looks like your picture",
    item: ["Item ", ""],
    visits: ["", " visits"],
    nearText: "near in meaning",
    nearPicture: "its picture is near in meaning",
    answered: ["Answered by release ", "."],
    answeredAt: ["Answered by release ", "; its weights are ", " old."],
    fallback: ["The model does not answer: popular items of release ", "."],
    seconds: ["", " s"],
    minutes: ["", " min"],
    hours: ["", " h"],
    days: ["", " days"],
    key: "Browser key",
    needsKey: "This shop needs a browser key.",
    wrongKey: "This key does not work on this page.",
    makeKey: "Make one, and enter it here:",
    useKey: "Use this key",
    uses: "This page uses",
    and: "and the",
    api: "public API",
    alone: "alone;",
    source: "its source",
    teaches: "is a tutorial.",
  },
  zh: {
    shop: "Freshet 示例商店",
    search: "搜索",
    searchShop: "在本店搜索",
    byPicture: "以图搜索",
    consent: "记住我看过什么，为我推荐更多类似的",
    like: "我喜欢",
    noted: "已记下。",
    notNoted: "没有记下，因为您没有允许本店记住您看过什么。",
    picked: "为您推荐",
    begin: "不妨从这里开始",
    similar: "相似",
    because: "因为您看了它",
    popular: "热门",
    new: "新上架",
    found: ["“", "”的搜索结果"],
    nothing: ["没有找到“", "”"],
    alike: "与您的图片相似",
    noneAlike: "没有与您的图片相似的商品",
    item: ["商品 ", ""],
    visits: ["", " 次浏览"],
    nearText: "含义相近",
    nearPicture: "图片含义相近",
    answered: ["由版本 ", " 回答。"],
    answeredAt: ["由版本 ", " 回答，权重更新于 ", "前。"],
    fallback: ["模型没有回答，这些是版本 ", " 的热门商品。"],
    seconds: ["", " 秒"],
    minutes: ["", " 分钟"],
    hours: ["", " 小时"],
    days: ["", " 天"],
    key: "浏览器密钥",
    needsKey: "本店需要浏览器密钥。",
    wrongKey: "这个密钥在本页无效。",
    makeKey: "创建一个密钥，填在这里：",
    useKey: "使用这个密钥",
    uses: "本页只使用",
    and: "和",
    api: "公开的 API",
    alone: "；",
    source: "源代码",
    teaches: "就是一份教程。",
  },
};

translatePage();
showPage();
showRow("popular", say("popular"), () => freshet.popular(ROW));
showRow("new", say("new"), () => freshet.newest(ROW));
