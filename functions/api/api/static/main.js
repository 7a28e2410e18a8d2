/** The start: who is there, which view, and what runs beside it. */
import { Where } from "./address.js";
import { Api } from "./api.js";
import { openDialog, top } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { Drafts } from "./drafts.js";
import { DriftView } from "./drift.js";
import { command, openSheet } from "./keys.js";
import { News } from "./news.js";
import { PhotosView } from "./photos.js";
import { Poll } from "./poll.js";
import { QueueView } from "./queue.js";
import { Reviews } from "./reviews.js";
import { Rows } from "./rows.js";
import { Session } from "./session.js";
import { Totals } from "./summary.js";
import { uploadDoor } from "./upload_door.js";
import { uploadPanel } from "./upload_panel.js";
import { Uploads } from "./uploads.js";
import { failureWords } from "./words.js";

/**
 * @typedef {{
 *   api: Api, rows: Rows, session: Session, news: News, where: Where, reviews: Reviews, drafts: Drafts, totals: Totals,
 *   uploads: Uploads, breeds: () => Promise<import("./api.js").Breed[]>, door: {buttons: () => HTMLElement[]}, help: () => void,
 * }} Parts
 */

const NEWEST = 100;
const TOTALS_MS = 60_000;
const VIEWS = { photos: [PhotosView, ""], queue: [QueueView, "To review · "], drift: [DriftView, "Drift · "] };

const base = new URL(".", location.href);
const main = document.querySelector("main");
const news = new News(document.querySelector(".news"));
const session = new Session(base);

async function start() {
  let signedIn;
  try {
    signedIn = await session.start();
  } catch (error) {
    welcome(failureWords(error));
    return;
  }
  if (signedIn) run();
  else welcome();
}

/** @param {string} [failure] */
function welcome(failure) {
  const button = h("button", { type: "button", class: "accent large", click: () => signIn() }, "Sign in");
  main.replaceChildren(h("div", { class: "start" },
    h("img", { src: new URL("icon.svg", import.meta.url), alt: "", width: 72, height: 72 }),
    h("h2", {}, "Which dog is it?"),
    h("p", {}, "Drop in photos, see what the model says within seconds, and put it right where it errs."),
    failure && h("p", { class: "failure", role: "alert" }, failure),
    button,
    h("p", { class: "quiet" }, "This page is private. Whoever runs it invites you by e-mail.")));
}

async function signIn() {
  try {
    await session.signIn();
  } catch (error) {
    news.warn(failureWords(error), { name: "sign-in" });
  }
}

function run() {
  const rows = new Rows();
  const api = new Api(base, session);
  const where = new Where();
  const drafts = new Drafts(session.user);
  const totals = new Totals(api);
  const uploads = new Uploads(api, rows);
  const reviews = new Reviews({ api, rows, session, drafts, news });
  const breeds = remembered(() => api.breeds());
  const door = uploadDoor({ uploads, session, news, curtain: document.querySelector(".drop") });
  const help = () => openSheet(news);
  const parts = { api, rows, session, news, where, reviews, drafts, totals, uploads, breeds, door, help };

  drawHeader(door, help);
  uploadPanel({ place: document.querySelector(".uploads"), uploads, rows, open: (key) => where.go({ view: "photos", photo: key, filters: {} }) });
  const views = showViews(parts);
  const poll = keepLooking(parts, views);
  warnWhenSignInEnds(poll);
  reviews.addEventListener("saved", () => totals.renew(1_000));
  reviews.addEventListener("new breed", breeds.forget);
  totals.renew();
  setInterval(() => document.hidden || totals.renew(), TOTALS_MS);
  addEventListener("keydown", (event) => {
    if (top()) return;
    if (command(event) === "help") help();
    else views.current().press(event);
  });
  if (session.canReview) reviews.sendLeft();
}

/** The breeds change seldom: they are asked for once, and again after somebody said a breed. */
function remembered(ask) {
  let answer = null;
  const get = () => {
    answer ??= ask().catch((error) => {
      answer = null;
      throw error;
    });
    return answer;
  };
  return Object.assign(get, { forget: () => (answer = null) });
}

function drawHeader(door, help) {
  document.querySelector(".views").hidden = false;
  const actions = document.querySelector(".actions");
  actions.hidden = false;
  actions.replaceChildren(...door.buttons(),
    h("button", { type: "button", class: "plain keys-button", "aria-label": "Keys", title: "Keys (?)", click: help }, icon("keys")),
    h("span", { class: "who", title: session.user }, session.user, session.canReview ? null : h("span", { class: "quiet" }, "may look")),
    h("button", { type: "button", class: "plain", "aria-label": "Sign out", title: "Sign out", click: () => session.signOut().catch((error) => news.warn(failureWords(error))) }, icon("out")));
}

/** @param {Parts} parts */
function showViews(parts) {
  const { where } = parts;
  const links = [...document.querySelectorAll(".views a")];
  let view = null;
  let name = "";
  const arrive = (before) => {
    const { place } = where;
    if (place.view === name) {
      view.update(before);
      return;
    }
    view?.close();
    name = place.view;
    const [View, title] = VIEWS[name];
    view = new View(parts);
    main.replaceChildren(view.element);
    document.title = `${title}Dog breeds`;
    for (const link of links) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (before) main.focus();
  };
  for (const link of links) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      where.go({ view: link.dataset.view, photo: null, filters: {} });
    });
  }
  where.addEventListener("change", (event) => arrive(event.detail));
  arrive(null);
  return { current: () => view };
}

/** @param {Parts} parts */
function keepLooking({ api, rows, uploads, totals, session: { canReview } }, views) {
  const look = async () => {
    const view = views.current();
    await view.look();
    if (!uploads.expecting) return;
    if (!view.showsNewest) {
      const { items } = await api.predictions({ limit: NEWEST });
      items.forEach((row) => rows.put(row));
      uploads.answered(items);
    }
    await uploads.askForOverdue();
    if (!uploads.expecting) totals.renew(1_000);
  };
  const poll = new Poll(look, () => uploads.due);
  if (canReview) uploads.addEventListener("sent", () => poll.now());
  let lost = null;
  poll.addEventListener("lost", (event) => {
    if (event.detail.name !== "SignedOut") lost = news.warn(`News have stopped coming in. ${failureWords(event.detail)}`, { name: "lost" });
  });
  poll.addEventListener("back", () => lost?.());
  poll.start();
  return poll;
}

function warnWhenSignInEnds(poll) {
  let dialog = null;
  session.addEventListener("ended", () => {
    if (dialog) return;
    poll.stop();
    dialog = openDialog({
      title: "Your sign-in has ended",
      news,
      closed: () => {
        dialog = null;
      },
      children: [
        h("p", {}, "Nothing you said or typed is lost. It is kept in this tab, and sent as soon as you have signed in again."),
        h("div", { class: "row" }, h("button", { type: "button", class: "accent", autofocus: true, click: () => signIn() }, "Sign in again")),
      ],
    });
  });
}

start();
