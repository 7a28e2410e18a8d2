/** The ways in for photos: buttons, a drop anywhere on the page, and words for what cannot come in. */
import { h, icon } from "./dom.js";
import { ACCEPTED, dropped, sorted } from "./files.js";
import { several, size } from "./words.js";

const NAMED = 5;

/**
 * @param {{uploads: import("./uploads.js").Uploads, session: import("./session.js").Session, news: import("./news.js").News,
 *   curtain: HTMLElement}} parts curtain: what lies over the page while files are held over it
 * @returns {{buttons: () => HTMLElement[]}}
 */
export function uploadDoor({ uploads, session, news, curtain }) {
  const take = async (files) => {
    if (!session.canReview) {
      news.warn("You may look, not upload. Ask for the group reviewers to add photos.");
      return;
    }
    const largest = (await session.config()).max_upload_bytes;
    const { photos, notPhotos, tooLarge, empty } = sorted(files, largest);
    tell(news, notPhotos, "not a photo", "not photos");
    tell(news, tooLarge, `larger than ${size(largest)}`);
    tell(news, empty, "empty");
    if (photos.length) uploads.add(photos);
    else if (files.length === 0) news.say("There was no file in it.");
  };
  const field = (attributes) => {
    const input = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", ...attributes, change: async () => {
      const files = [...input.files];
      input.value = "";
      await take(files);
    } });
    return input;
  };

  let held = 0;
  const files = (event) => event.dataTransfer?.types.includes("Files");
  const hold = (change) => {
    held = Math.max(0, held + change);
    curtain.hidden = held === 0;
  };
  addEventListener("dragenter", (event) => files(event) && hold(1));
  addEventListener("dragleave", (event) => files(event) && hold(-1));
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!files(event)) return;
    event.preventDefault();
    hold(-held);
    await take(await dropped(event.dataTransfer));
  });

  const buttons = () => {
    if (!session.canReview) return [];
    const photos = field({ accept: ACCEPTED, "aria-label": "Photos to upload" });
    const folder = field({ webkitdirectory: true, "aria-label": "Folder to upload" });
    return [
      h("button", { type: "button", class: "accent", click: () => photos.click() }, icon("upload"), h("span", {}, "Upload photos")), photos,
      h("button", { type: "button", class: "folder", click: () => folder.click() }, icon("folder"), h("span", {}, "Folder")), folder,
    ];
  };
  return { buttons };
}

function tell(news, names, one, many = one) {
  if (names.length === 0) return;
  const more = names.length > NAMED ? ` and ${several(names.length - NAMED, "other")}` : "";
  const list = names.slice(0, NAMED).join(", ") + more;
  news.warn(names.length === 1 ? `Left out, because it is ${one}: ${list}.` : `Left out, because they are ${many}: ${list}.`);
}
