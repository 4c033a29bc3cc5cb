// The queries of one connection: frames that are too large are split, and versions are told as the client counts them.
//
// The client and the server count the frames that change the set of queries (`ModifyQuerySet`), and every `Transition` names
// the last one that it includes. When one frame of the client becomes several, the two count differently; `marks` joins them:
// each is a version of the server's at which a version of the client's is complete. What the server says in between waits, so
// the client never sees half of what it asked for.

import { bytesOf, kilobytes } from "./frames.js";

const EMPTY = bytesOf(JSON.stringify({ type: "ModifyQuerySet", baseVersion: 9_999_999, newVersion: 9_999_999, modifications: [] }));

export class QuerySets {
  #marks = [{ server: 0, client: 0 }];
  #sent = 0;
  #live = new Map(); // query id → its Add, with the journal that was told last
  #refused = new Map(); // query id → why it was never sent to the server
  #untold = []; // what the server cannot say about those, each with the version at which it is due
  #held = [];

  /** @param {number} limit the bytes that a frame may have. */
  constructor(limit) {
    this.limit = limit;
  }

  /** The frames, as texts, that tell the server what this `ModifyQuerySet` of the client says. */
  outgoing({ modifications, newVersion }) {
    const told = modifications.filter((each) => (each.type === "Add" ? this.#add(each) : this.#remove(each)));
    const frames = this.#split(told);
    this.#marks.push({ server: this.#sent, client: newVersion });
    for (const each of this.#untold) each.due ??= this.#sent;
    return frames;
  }

  /** Frames that have every query evaluated anew, and the version at which that is done. */
  renew() {
    const frames = this.#split([...this.#live.values()]);
    this.#marks.push({ server: this.#sent, client: this.#marks.at(-1).client });
    return { frames, version: this.#sent };
  }

  /** A `Transition` has come: it waits for `take`. Throws when it does not follow the one before it. */
  incoming(transition) {
    const before = this.#held.at(-1);
    if (before && !sameVersion(before.endVersion, transition.startVersion)) throw new Error("a Transition is missing");
    for (const each of transition.modifications) {
      const add = this.#live.get(each.queryId);
      if (add && each.journal !== undefined) add.journal = each.journal;
    }
    this.#held.push(transition);
  }

  /** The server's version of what has come, or -1 when nothing waits. */
  get arrived() {
    return this.#held.at(-1)?.endVersion.querySet ?? -1;
  }

  /** All that has come, as one `Transition` in the client's versions; null while nothing has, or only a part of a frame. */
  take() {
    const [first, last] = [this.#held[0], this.#held.at(-1)];
    const end = last && this.#marks.findLast(({ server }) => server === last.endVersion.querySet);
    if (!end) return null;
    const start = this.#marks.findLast(({ server }) => server === first.startVersion.querySet) ?? end;
    const due = this.#untold.filter((each) => each.due <= last.endVersion.querySet);
    this.#untold = this.#untold.filter((each) => !due.includes(each));
    const modifications = [...this.#held.flatMap((each) => each.modifications), ...due.map((each) => each.modification)];
    const only = this.#held.length === 1 && start.client === start.server && end.client === end.server && !due.length;
    this.#held = [];
    this.#marks = this.#marks.filter(({ server }) => server >= end.server);
    if (only) return last;
    const skew = first.clientClockSkew ?? last.clientClockSkew;
    return {
      ...last,
      ...(skew !== undefined && { clientClockSkew: skew }),
      startVersion: { ...first.startVersion, querySet: start.client },
      endVersion: { ...last.endVersion, querySet: end.client },
      modifications,
    };
  }

  #add(add) {
    const size = bytesOf(JSON.stringify(add));
    if (size + EMPTY <= this.limit) {
      this.#live.set(add.queryId, { ...add });
      return true;
    }
    const errorMessage = `The arguments of a live query must fit a frame of ${kilobytes(this.limit)}; with these it has ${kilobytes(size)}. Ask for it by HTTP instead.`;
    const modification = { type: "QueryFailed", queryId: add.queryId, errorMessage, logLines: [], journal: null };
    this.#refused.set(add.queryId, errorMessage);
    this.#untold.push({ modification });
    return false;
  }

  #remove({ queryId }) {
    this.#live.delete(queryId);
    if (!this.#refused.delete(queryId)) return true;
    this.#untold = this.#untold.filter((each) => each.modification.queryId !== queryId);
    this.#untold.push({ modification: { type: "QueryRemoved", queryId } });
    return false;
  }

  /** As few frames as hold these modifications, at least one; each starts where the one before it ends. */
  #split(modifications) {
    const parts = [[]];
    let size = EMPTY;
    for (const each of modifications) {
      const more = bytesOf(JSON.stringify(each)) + 1;
      if (size + more > this.limit && parts.at(-1).length) {
        parts.push([]);
        size = EMPTY;
      }
      parts.at(-1).push(each);
      size += more;
    }
    return parts.map((part) =>
      JSON.stringify({ type: "ModifyQuerySet", baseVersion: this.#sent, newVersion: ++this.#sent, modifications: part }),
    );
  }
}

const sameVersion = (one, two) =>
  one.querySet === two.querySet && one.identity === two.identity && one.ts === two.ts;
