/** Files that a person chose or dropped: folders walked through, and what cannot be a photo told apart. */

const TYPES = {
  jpg: "image/jpeg", jpeg: "image/jpeg", jpe: "image/jpeg", png: "image/png", webp: "image/webp", gif: "image/gif", bmp: "image/bmp",
  tif: "image/tiff", tiff: "image/tiff", heic: "image/heic", heif: "image/heif", avif: "image/avif",
};
/** What a field for files offers. Systems differ in whether they know HEIC. */
export const ACCEPTED = ["image/*", ".heic", ".heif", ".avif"].join(",");
// Files that systems put into folders of photos.
const SYSTEM = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/**
 * The files behind a drop, those in folders too. The list of a drop is gone after the event, so
 * everything is taken from it before the first wait.
 * @param {DataTransfer} data
 * @returns {Promise<File[]>}
 */
export async function dropped(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  if (entries.length === 0) return [...data.files];
  return (await Promise.all(entries.map(walk))).flat();
}

/** @returns {Promise<File[]>} */
async function walk(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (some.length === 0) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(walk))).flat();
}

/**
 * The content type of a photo: by its name where the browser does not know it.
 * @param {File} file
 * @returns {string | null} null: not a photo
 */
export function photoType(file) {
  const byName = TYPES[file.name.split(".").pop()?.toLowerCase() ?? ""];
  if (byName) return byName;
  return Object.values(TYPES).includes(file.type) ? file.type : null;
}

/**
 * @param {File[]} files
 * @param {number} largest bytes
 * @returns {{photos: File[], notPhotos: string[], tooLarge: string[], empty: string[]}}
 */
export function sorted(files, largest) {
  const chosen = files.filter((file) => !SYSTEM.test(file.name));
  const notPhotos = chosen.filter((file) => photoType(file) === null);
  const rest = chosen.filter((file) => photoType(file) !== null);
  const names = (some) => some.map((file) => file.name);
  return {
    photos: rest.filter((file) => file.size > 0 && file.size <= largest),
    notPhotos: names(notPhotos),
    tooLarge: names(rest.filter((file) => file.size > largest)),
    empty: names(rest.filter((file) => file.size === 0)),
  };
}
