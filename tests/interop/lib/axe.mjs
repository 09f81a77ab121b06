// axe-core on a page of ours.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const GRAVE = ["moderate", "serious", "critical"];

/**
 * The findings of these rules, or of all, that are more than minor: also the order of headings, landmarks, and the size of
 * what is pressed. Evaluated outside the page's policy, which would not let it in.
 */
export async function graveFindings(page, name, rules) {
  const { violations } = await page.evaluate(([source, only]) => {
    if (!globalThis.axe) (0, eval)(source);
    const options = only ? { runOnly: only } : { rules: { "target-size": { enabled: true } } };
    return globalThis.axe.run(document, { resultTypes: ["violations"], iframes: false, ...options });
  }, [axe, rules]);
  return violations.filter(({ impact }) => GRAVE.includes(impact))
    .map(({ id, nodes }) => `${name}: ${id} ${nodes.map(({ html }) => html).join(" ")}`);
}
