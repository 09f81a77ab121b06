/** Server-sent events (HTML Living Standard §9.2), as far as the feed needs them. */

/** One event. */
export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/**
 * Reads events from a body. It ends with the body, and throws where a line is longer than `longest` characters.
 *
 * @param onBytes called whenever anything arrives, comments too
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  longest: number,
  onBytes: () => void,
): AsyncGenerator<ServerEvent> {
  let name = "";
  let data: string[] = [];
  for await (const line of readLines(body, longest, onBytes)) {
    if (line === "") {
      if (data.length > 0) yield { name, data: data.join("\n") };
      name = "";
      data = [];
      continue;
    }
    const [field, value] = splitField(line);
    if (field === "event") name = value;
    // A message of the feed has no line breaks.
    if (field === "data" && data.push(value) > 1) throw new Error("an event of several lines");
  }
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(":");
  if (colon === -1) return [line, ""];
  const start = line[colon + 1] === " " ? colon + 2 : colon + 1;
  return [line.slice(0, colon), line.slice(start)];
}

async function* readLines(
  body: ReadableStream<Uint8Array>,
  longest: number,
  onBytes: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let pending = "";
  // CR LF may be cut in two.
  let afterReturn = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      let text = decoder.decode(value, { stream: true });
      if (afterReturn && text.startsWith("\n")) text = text.slice(1);
      if (text !== "") afterReturn = text.endsWith("\r");
      // Only what has just come is searched, so that a long line costs what it is long.
      const lines = text.split(/\r\n|\n|\r/);
      const last = lines.pop() ?? "";
      for (const line of lines) {
        yield pending + line;
        pending = "";
      }
      pending += last;
      if (pending.length > longest) throw new Error("a line is too long");
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
