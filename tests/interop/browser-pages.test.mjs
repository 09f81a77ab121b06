// Every page for people with a screen reader, a keyboard alone, a small screen, or large letters.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { graveFindings } from "./lib/axe.mjs";
import { PASSWORD, raise } from "./lib/stage.mjs";
import { authorizeUrl, DEVICES, isSignedIn, makeApplications, signInAtPartner, useElsewhere, views } from "./lib/views.mjs";

const NARROW = { width: 320, height: 640 };
/** A window of 1024 × 768 at a zoom of 200 %. */
const ZOOMED = { width: 512, height: 384 };
const WIDE = { width: 1280, height: 800 };

let stage;
let user;
const findings = { light: [], dark: [], narrow: [], zoomed: [] };
const seen = [];
let expected;
before(async () => {
  stage = await raise();
  await makeApplications(stage);
  user = await stage.person("carol");
  // Another device, so that lists are lists.
  await (await useElsewhere(stage, user, DEVICES.phone)).close();
  await walk();
});
after(() => stage?.close());

/** Opens each page in turn, and looks at it in every way. */
async function walk() {
  const profile = await stage.profile({ viewport: WIDE, reducedMotion: "reduce", expected: [/status of 4\d\d/] });
  const page = await profile.page();
  const { nobody, somebody } = views(stage, user);
  expected = [...nobody, ...somebody].map(([name]) => name);
  const look = async (name) => {
    seen.push(name);
    findings.light.push(...await graveFindings(page, name));
    await page.emulateMedia({ colorScheme: "dark" });
    // Colours are all that the scheme changes.
    findings.dark.push(...await graveFindings(page, name, ["color-contrast"]));
    await page.emulateMedia({ colorScheme: "light" });
    for (const [kind, viewport] of [["narrow", NARROW], ["zoomed", ZOOMED]]) {
      await page.setViewportSize(viewport);
      findings[kind].push(...await overflow(page, name));
    }
    await page.setViewportSize(WIDE);
  };
  for (const [name, open] of nobody) {
    await open(page);
    await look(name);
  }
  await signInAtPartner(stage, page, user);
  for (const [name, open] of somebody) {
    await open(page);
    await look(name);
  }
  assert.deepEqual(profile.faults, []);
  await profile.close();
}

/** What one would have to scroll sideways for. */
async function overflow(page, name) {
  return page.evaluate((where) => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const wide = scrollWidth > clientWidth ? [`${where} needs ${scrollWidth} px of ${clientWidth}`] : [];
    const cut = [...document.querySelectorAll("button, input, select, a")]
      .filter((element) => element.checkVisibility() && !element.closest(".scroll, pre"))
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1);
    return [...wide, ...cut.map((element) => `${where}: ${element.outerHTML} is cut`)];
  }, name);
}

/** Presses Tab until this element has the focus. */
async function tabTo(page, selector) {
  for (let press = 0; press < 40; press += 1) {
    if (await page.locator(selector).evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${selector} cannot be reached by the Tab key`);
}
const focusIsVisible = (page) => page.evaluate(() => {
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
  return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe-core finds nothing on any page (${colorScheme})`, () => {
    assert.deepEqual(seen, expected);
    assert.deepEqual(findings[colorScheme], []);
  });
}

test("no page scrolls sideways on a screen of 320 pixels", () => assert.deepEqual(findings.narrow, []));

test("no page scrolls sideways at a zoom of 200 %", () => assert.deepEqual(findings.zoomed, []));

describe("with a keyboard alone", () => {
  test("a person signs in and consents", async () => {
    const profile = await stage.profile();
    const page = await profile.page(authorizeUrl(stage, { prompt: "consent" }));
    await page.locator("#username:focus").waitFor();
    await page.keyboard.type(user);
    await tabTo(page, "#password");
    assert.ok(await focusIsVisible(page));
    await page.keyboard.type(PASSWORD);
    await tabTo(page, "#login-submit");
    assert.ok(await focusIsVisible(page));
    await page.keyboard.press("Enter");
    await page.locator("#consent-form").waitFor();
    await tabTo(page, "#consent-approve");
    assert.ok(await focusIsVisible(page));
    await page.keyboard.press("Enter");
    await page.locator("#back").waitFor();
    assert.deepEqual(profile.faults, []);
    await profile.close();
  });

  test("a person signs out another device", async () => {
    const phone = await stage.profile({ userAgent: DEVICES.phone });
    await signInAtPartner(stage, await phone.page(), user);
    const profile = await stage.profile();
    const page = await profile.page();
    await signInAtPartner(stage, page, user);
    await page.goto(`${stage.issuer}/account`);
    await tabTo(page, '#account-nav a[href="/account/sessions"]');
    assert.ok(await focusIsVisible(page));
    await page.keyboard.press("Enter");
    await page.locator("#sessions-list").waitFor();
    const button = page.locator("#sessions-list li", { hasText: "Safari on iOS" }).first().locator("button");
    await tabTo(page, `#${await button.getAttribute("id")}`);
    assert.ok(await focusIsVisible(page));
    await page.keyboard.press("Enter");
    await page.locator("#account-done").waitFor();
    assert.ok(await isSignedIn(stage, profile));
    assert.ok(!await isSignedIn(stage, phone));
    assert.deepEqual([...profile.faults, ...phone.faults], []);
    await Promise.all([profile.close(), phone.close()]);
  });
});
