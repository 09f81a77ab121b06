// The pictures in docs/screenshots/ of pages that `browser.test.mjs` takes none of. What changes with every run (times,
// references) is written over before.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { raise } from "./lib/stage.mjs";
import { DEVICES, makeApplications, signInAtPartner, useElsewhere, views } from "./lib/views.mjs";

const pictures = process.env.INTEROP_SCREENSHOTS;
const DEVICE = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const TAKEN_ELSEWHERE = ["login", "consent", "error", "logged-out", "demo", "account-login"];

let stage;
before(async () => {
  if (!pictures) return;
  await mkdir(pictures, { recursive: true });
  stage = await raise({ port: 18443, sitesPort: 18444 });
  await makeApplications(stage);
  await stage.person("carol", "Carol Example");
  for (const userAgent of [DEVICES.phone, DEVICES.office]) await (await useElsewhere(stage, "carol", userAgent)).close();
});
after(() => stage?.close());

/** The same text in every run. */
const still = (page) => page.evaluate(() => {
  const start = Date.UTC(2026, 10, 21, 9, 30);
  document.querySelectorAll("time").forEach((element, index) => {
    const at = new Date(start - index * 17 * 60_000);
    element.textContent = `${at.toISOString().slice(0, 10)} ${at.toISOString().slice(11, 16)} UTC`;
  });
  for (const element of document.querySelectorAll("#trace-id, #activity-list code")) element.textContent = "3f5c0a9be1d24c77a41f0d5be8a2c610";
  document.activeElement?.blur();
});

for (const colorScheme of ["light", "dark"]) {
  for (const [device, viewport] of Object.entries(DEVICE)) {
    test(`${device}, ${colorScheme}`, { skip: !pictures && "only with --screenshots" }, async () => {
      const profile = await stage.profile({ colorScheme, viewport, reducedMotion: "reduce" });
      const page = await profile.page();
      const { nobody, somebody } = views(stage, "carol");
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
      // The list of devices must not grow from picture to picture.
      await page.goto(`${stage.issuer}/logout`);
      await page.click("#logout-confirm");
      await profile.close();
    });
  }
}
