// The pictures in docs/screenshots/. What changes with every run (times, references, tokens) is written over before.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { raise } from "./lib/stage.mjs";
import { still } from "./lib/still.mjs";
import { DEVICES, makeApplications, signInAtPartner, useElsewhere, views } from "./lib/views.mjs";

const pictures = process.env.INTEROP_SCREENSHOTS;
const DEVICE = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** A stage for one set of pictures: what the account's pages list must not depend on the sets before. */
async function prepare() {
  const stage = await raise({ port: 18443, sitesPort: 18444 });
  await makeApplications(stage);
  await stage.person("carol", "Carol Example");
  for (const userAgent of [DEVICES.phone, DEVICES.office]) await (await useElsewhere(stage, "carol", userAgent)).close();
  return stage;
}

for (const colorScheme of ["light", "dark"]) {
  for (const [device, viewport] of Object.entries(DEVICE)) {
    test(`${device}, ${colorScheme}`, { skip: !pictures && "only with --screenshots" }, async () => {
      const stage = await prepare();
      const profile = await stage.profile({ colorScheme, viewport, reducedMotion: "reduce" });
      const page = await profile.page();
      const { nobody, somebody } = views(stage, "carol");
      await mkdir(pictures, { recursive: true });
      const take = async ([name, open, { picture = true } = {}]) => {
        if (!picture) return;
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
