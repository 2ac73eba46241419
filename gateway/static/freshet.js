// Freshet in the browser: sends what a visitor does, and asks for lists. docs/browser.md explains it.
// Without consent it stores nothing, and sends nothing about the visitor.
"use strict";
(() => {
  const PREFIX = "freshet:"; // of the names in localStorage
  const MAX_WAITING = 500; // events without an answer; the gateway takes 600 a minute of a visitor
  const MAX_BATCH = 100; // events of one call
  const MAX_BATCH_BYTES = 60000; // a browser key, and a page that is left, may send 64 KiB
  const MAX_HISTORY = 100; // as many as the model reads
  const MAX_CLICKED = 50; // items whose list is remembered for later events
  const SEND_AFTER_MS = 1000; // events of this time share a call
  const SEEN_AFTER_MS = 1000; // half of the item in the viewport for this time is an impression
  const CALL_LIMIT_MS = 10000;
  const MAX_WAIT_S = 300; // between two attempts

  const script = document.currentScript;
  const memory = new Map(); // in place of localStorage where it is full or forbidden
  const counted = new Set(); // impressions of this page: list and item
  const inBeacons = new Set(); // events that were handed to sendBeacon
  let base, key, user;
  let hasConsent = false;
  let isSending = false;
  let timer = 0;
  let failures = 0;
  let clockError = null; // the gateway's clock minus ours in ms; null before the first answer
  let numStored = 0;

  const store = {
    get(name) {
      try {
        return memory.get(name) ?? localStorage.getItem(PREFIX + name);
      } catch {
        return memory.get(name) ?? null;
      }
    },
    set(name, value) {
      try {
        localStorage.setItem(PREFIX + name, value);
        memory.delete(name);
      } catch {
        memory.set(name, value);
      }
    },
    delete(name) {
      memory.delete(name);
      try {
        localStorage.removeItem(PREFIX + name);
      } catch {
        // nothing is stored where localStorage is forbidden
      }
    },
    names() {
      let stored = [];
      try {
        stored = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
      } catch {
        // as above
      }
      return [...stored.map((name) => name.slice(PREFIX.length)), ...memory.keys()].sort();
    },
  };

  // randomUUID would need HTTPS.
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
  }

  // --- events: each is stored under a name of its own, so tabs do not overwrite each other's ---

  function track(type, itemId, details = {}) {
    if (!hasConsent) return;
    const item_id = String(itemId);
    const lists = new Map(JSON.parse(store.get("lists") ?? "[]")); // of clicked items, oldest first
    const event = { event_id: uuid(), user_id: userId(), item_id, type, ...details };
    event.recommendation_id ??= lists.get(item_id);
    if (type === "click" && event.recommendation_id) {
      lists.delete(item_id);
      lists.set(item_id, event.recommendation_id);
      store.set("lists", JSON.stringify([...lists].slice(-MAX_CLICKED)));
    }
    const names = waiting();
    for (const name of names.slice(0, Math.max(0, names.length + 1 - MAX_WAITING))) store.delete(name);
    const place = String(numStored++ % 10000).padStart(4, "0");
    store.set(`event:${Date.now()}:${place}:${event.event_id}`, JSON.stringify(event));
    sendIn(SEND_AFTER_MS);
  }

  const waiting = () => store.names().filter((name) => name.startsWith("event:"));

  // Return events as the gateway takes them, the oldest first, with the names they are stored under.
  function nextBatch(names) {
    const batch = [];
    let size = 2;
    for (const name of names) {
      const at = (Number(name.split(":")[1]) + (clockError ?? 0)) / 1000;
      const event = { ...JSON.parse(store.get(name)), at };
      size += new Blob([JSON.stringify(event)]).size + 1;
      if (batch.length && (size > MAX_BATCH_BYTES || batch.length === MAX_BATCH)) break;
      batch.push({ name, event });
    }
    return batch;
  }

  function sendIn(delay_ms) {
    if (!timer && !isSending) timer = setTimeout(send, delay_ms);
  }

  async function send() {
    clearTimeout(timer);
    timer = 0;
    const batch = hasConsent && !isSending ? nextBatch(waiting()) : [];
    if (!batch.length) return;
    isSending = true;
    const wait_s = await sendBatch(batch);
    isSending = false;
    if (waiting().length) sendIn(wait_s * 1000);
  }

  // Send a batch, delete what needs no other attempt, and return the seconds until the next call.
  async function sendBatch(batch) {
    const clockWasKnown = clockError !== null;
    let answer;
    try {
      const events = batch.map(({ event }) => event);
      answer = { status: 202, ...(await call("/v1/events", { body: events })) };
    } catch (error) {
      answer = error;
    }
    const { status, rejected = [] } = answer;
    if (status === undefined || status >= 500 || [401, 403, 408, 429].includes(status)) {
      const again_s = Math.min(MAX_WAIT_S, 2 ** failures++) * (0.5 + Math.random() / 2);
      console.warn(`freshet: events wait for another attempt: ${answer.message}`);
      return Math.max(answer.retryAfter_s ?? 0, again_s);
    }
    failures = 0;
    // Events with a time in the gateway's future are sent again, by its clock.
    const early = new Set();
    for (const one of rejected) {
      if (one.field === "at" && !clockWasKnown) early.add(one.index);
      else console.warn(`freshet: event refused: ${one.reason}`);
    }
    if (status >= 400 && !rejected.length) console.warn(`freshet: ${answer.message}`);
    batch.forEach(({ name }, index) => early.has(index) || store.delete(name));
    return 0;
  }

  // A page that is left can't wait for an answer. Its events are sent now, without a header, and stay
  // stored until a later page has an answer for them; the gateway counts an event_id once.
  function sendBeacons() {
    let names = hasConsent ? waiting().filter((name) => !inBeacons.has(name)) : [];
    const address = `${base}/v1/events${key ? `?key=${encodeURIComponent(key)}` : ""}`;
    while (names.length) {
      const batch = nextBatch(names);
      const events = JSON.stringify(batch.map(({ event }) => event));
      if (!navigator.sendBeacon(address, new Blob([events], { type: "text/plain" }))) return;
      for (const { name } of batch) inBeacons.add(name);
      names = names.slice(batch.length);
    }
  }

  // --- impressions and clicks of shown items ---

  const timers = new WeakMap();
  const marks = new WeakMap();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        clearTimeout(timers.get(target));
        if (isIntersecting) timers.set(target, setTimeout(countImpression, SEEN_AFTER_MS, target));
      }
    },
    { threshold: 0.5 },
  );

  function countImpression(element) {
    const { itemId, details } = marks.get(element);
    observer.unobserve(element);
    if (!hasConsent || document.hidden) {
      observer.observe(element); // asks again when it is next painted
      return;
    }
    const once = `${details.recommendation_id} ${itemId}`;
    if (!counted.has(once)) track("impression", itemId, details);
    counted.add(once);
  }

  // A page may use an element for another item later: a click is that of the newest one.
  function shown(element, itemId, recommendationId) {
    const details = recommendationId ? { recommendation_id: recommendationId } : {};
    const isKnown = marks.has(element);
    marks.set(element, { itemId, details });
    observer.observe(element);
    if (isKnown) return;
    const click = () => track("click", marks.get(element).itemId, marks.get(element).details);
    element.addEventListener("click", click);
    element.addEventListener("auxclick", (event) => event.button === 1 && click());
  }

  // --- questions ---

  async function call(path, { body, parameters = {} } = {}) {
    // a list is a parameter that is repeated
    const pairs = Object.entries(parameters).flatMap(([name, value]) =>
      [].concat(value).map((one) => [name, one]),
    );
    const query = pairs.length ? `?${new URLSearchParams(pairs)}` : "";
    const answer = await fetch(`${base}${path}${query}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(key && { Authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      body: JSON.stringify(body),
      credentials: "omit",
      signal: AbortSignal.timeout(CALL_LIMIT_MS),
    });
    const date = Date.parse(answer.headers.get("Date"));
    if (date) clockError = Math.abs(date - Date.now()) > 60000 ? date - Date.now() : 0;
    const value = await answer.json().catch(() => ({}));
    if (answer.ok) return value;
    throw Object.assign(new Error(value.error?.reason ?? `the status is ${answer.status}`), {
      status: answer.status,
      field: value.error?.field,
      rejected: value.rejected,
      retryAfter_s: Number(answer.headers.get("Retry-After")) || 0,
    });
  }

  // Events that the gateway has not confirmed are not yet in the stored history: they go along.
  function recommend(question = {}) {
    const body = { ...question };
    if (hasConsent) {
      const events = nextBatch(waiting().slice(-MAX_BATCH)).map(({ event }) => event);
      const chosen = events.filter(({ type }) => type !== "impression").slice(-MAX_HISTORY);
      body.user_id ??= userId();
      body.history = [
        ...chosen.map(({ item_id: id, type, rating, at }) => ({ id, type, rating, at })),
        ...(question.history ?? []),
      ];
    } else {
      body.history ??= [];
    }
    return call("/v1/recommendations", { body });
  }

  // --- consent ---

  function userId() {
    if (user) return user;
    if (!store.get("visitor")) store.set("visitor", uuid());
    return store.get("visitor");
  }

  function consent(given) {
    hasConsent = given;
    if (!given) for (const name of store.names()) store.delete(name);
    else if (!store.get("visitor")) store.set("visitor", uuid());
    send();
  }

  function init(options = {}) {
    base = (options.url ?? new URL(".", script.src).href).replace(/\/$/, "");
    ({ key, user } = options);
    addEventListener("online", () => {
      failures = 0;
      send();
    });
    addEventListener("pagehide", sendBeacons);
    document.addEventListener("visibilitychange", () => document.hidden ? sendBeacons() : send());
    // another tab of the shop deletes the visitor when consent is withdrawn there
    addEventListener("storage", ({ key: name, newValue }) => {
      if ((name === null || name === `${PREFIX}visitor`) && newValue === null) consent(false);
    });
    // a visitor is stored where consent was given, and only there
    consent(options.consent ?? store.get("visitor") !== null);
  }

  // What this visitor likes comes a little earlier.
  function search(parameters) {
    const who = hasConsent ? { user_id: userId() } : {};
    return call("/v1/search", { parameters: { ...who, ...parameters } });
  }

  async function lookAlikes(picture, parameters) {
    let binary = "";
    for (const byte of new Uint8Array(await picture.arrayBuffer())) binary += String.fromCharCode(byte);
    return call("/v1/similar", { body: { picture: btoa(binary), ...parameters } });
  }

  async function picturesOf(itemId) {
    const { pictures, more } = await call("/v1/pictures", { parameters: { item_id: [itemId] } });
    return [pictures[itemId] ?? [], more[itemId] ?? []].flat().map((path) => base + path);
  }

  async function pictures(itemIds) {
    const found = await call("/v1/pictures", { parameters: { item_id: itemIds } });
    const addresses = Object.entries(found.pictures).map(([id, path]) => [id, base + path]);
    return Object.fromEntries(addresses);
  }

  const listCall = (path) => (parameters) => call(path, { parameters });

  window.freshet = {
    init,
    consent,
    track,
    view: (itemId, details) => track("view", itemId, details),
    click: (itemId, details) => track("click", itemId, details),
    shown,
    recommend,
    similar: (itemId, parameters) =>
      call(`/v1/items/${encodeURIComponent(itemId)}/similar`, { parameters }),
    lookAlikes,
    pictures,
    picturesOf,
    popular: listCall("/v1/popular"),
    trending: listCall("/v1/trending"),
    newest: listCall("/v1/new"),
    search,
    release: listCall("/v1/release"),
    get visitor() {
      return store.get("visitor");
    },
  };
})();
