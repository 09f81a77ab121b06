// The pictures in docs/screenshots/ of pages that `browser.test.mjs` takes none of. What changes with every run (times,
// references) is written over before.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { raise } from "./lib/stage.mjs";
import { DEVICES, makeApplications, signInAtPartner, useElsewhere, views } from "./lib/views.mjs";

const pictures = process.env.INTEROP_SCREENSHOTS;
const DEVICE = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const TAKEN_ELSEWHERE = ["login", "consent", "error", "logged-out", "demo", "account-login"];

/** A stage for one set of pictures: what the account's pages list must not depend on the sets before. */
async function prepare() {
  const stage = await raise({ port: 18443, sitesPort: 18444 });
  await makeApplications(stage);
  await stage.person("carol", "Carol Example");
  for (const userAgent of [DEVICES.phone, DEVICES.office]) await (await useElsewhere(stage, "carol", userAgent)).close();
  return stage;
}

/** The same text in every run. */
const still = (page) => page.evaluate(() => {
  const newest = Date.UTC(2026, 10, 21, 9, 30);
  const words = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  const cards = [...document.querySelectorAll("main li")].filter((card) => card.querySelector("time"));
  for (const element of document.querySelectorAll("time")) {
    const rank = Math.max(cards.indexOf(element.closest("li")), 0);
    const began = /since|signed in/i.test(element.closest("div")?.querySelector("dt")?.textContent ?? "");
    element.textContent = `${words.format(newest - rank * 17 * 60_000 - (began ? 3 * 3_600_000 : 0)).replace(" at ", ", ")} UTC`;
  }
  for (const element of document.querySelectorAll("#trace-id, #activity-list code")) element.textContent = "3f5c0a9be1d24c77";
  for (const element of document.querySelectorAll("#app-status, #app-session")) {
    element.textContent = element.textContent.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11").replace(/\b\d{10}\b/, "1795253400");
  }
  document.activeElement?.blur();
});

for (const colorScheme of ["light", "dark"]) {
  for (const [device, viewport] of Object.entries(DEVICE)) {
    test(`${device}, ${colorScheme}`, { skip: !pictures && "only with --screenshots" }, async () => {
      const stage = await prepare();
      const profile = await stage.profile({ colorScheme, viewport, reducedMotion: "reduce" });
      const page = await profile.page();
      const { nobody, somebody } = views(stage, "carol");
      await mkdir(pictures, { recursive: true });
      const take = async ([name, open]) => {
        if (TAKEN_ELSEWHERE.includes(name)) return;
        await open(page);
        await page.waitForLoadState("networkidle");
        await still(page);
        await page.screenshot({ path: join(pictures, `${name}-${device}-${colorScheme}.png`), fullPage: true });
      };
      for (const view of nobody) await take(view);
      await signInAtPartner(stage, page, "carol");
      for (const view of somebody) await take(view);
      await profile.close();
      await stage.close();
    });
  }
}
