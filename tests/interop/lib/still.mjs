// The same text in every run, for pictures: what changes by itself (times, references, tokens) is written over.
export const still = (page) => page.evaluate(() => {
  const newest = Date.UTC(2026, 10, 21, 9, 30);
  const words = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  const cards = [...document.querySelectorAll("main li")].filter((card) => card.querySelector("time"));
  for (const element of document.querySelectorAll("#demo-log time")) element.textContent = "09:30:00";
  for (const element of document.querySelectorAll("time:not(#demo-log time)")) {
    const rank = Math.max(cards.indexOf(element.closest("li")), 0);
    const began = /since|signed in/i.test(element.closest("div")?.querySelector("dt")?.textContent ?? "");
    element.textContent = `${words.format(newest - rank * 17 * 60_000 - (began ? 3 * 3_600_000 : 0)).replace(" at ", ", ")} UTC`;
  }
  for (const element of document.querySelectorAll("#trace-id, #activity-list code")) element.textContent = "3f5c0a9be1d24c77";
  const texts = document.createTreeWalker(document.querySelector("main") ?? document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { currentNode: node } = texts;
    node.data = node.data
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, "0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11")
      .replace(/\b1[789]\d{8}\b/g, "1795253400")
      .replace(/\b\d+ ms\b/g, "12 ms")
      .replace(/\b\d+:\d\d left/, "9:48 left")
      .replace(/^\s*\d+ s\s*$/, "1 s")
      .replace(/(s[a-z]{2}_)[\w-]{4}…[\w-]{6}/g, "$1q3Xk…aUeP4x")
      .replace(/\b\d\d:\d\d:\d\d(\.\d+)?\b/g, "09:30:00")
      .replace(/(?<![\w/.:-])(s[a-z]{2}_)?(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{20,}/g, (_, kind) => `${kind ?? ""}q3XkT7vB0mWc2LzYh5RsNd8GfJ1aUeP4`);
  }
  document.activeElement?.blur();
});
