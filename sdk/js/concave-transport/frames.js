// Bytes and words that the other files share.

const encoder = new TextEncoder();

/** The bytes of a text in UTF-8, which is how a socket carries it. */
export const bytesOf = (text) => encoder.encode(text).length;

/** Whether a text is over so many bytes; a short one is not measured: no UTF-16 unit takes more than three. */
export const isOver = (text, bytes) => text.length * 3 > bytes && bytesOf(text) > bytes;

/** A size for people. */
export const kilobytes = (bytes) => `${Math.ceil(bytes / 1000).toLocaleString("en")} KB`;

/** The names of the queries and calls of a frame, a few of them, for a line on the console. */
export const named = (paths) => {
  const different = [...new Set(paths)];
  return different.length > 3 ? `${different.slice(0, 3).join(", ")} and ${different.length - 3} more` : different.join(", ");
};
