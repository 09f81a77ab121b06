// Goes on once every app has been told, or three seconds have passed. Without JavaScript the page does so by itself.
"use strict";

const way = document.getElementById("continue");
if (way) {
  // The page has loaded when its frames have, also those that were quicker than this script.
  const told = new Promise((done) => {
    if (document.readyState === "complete") done();
    else addEventListener("load", done, { once: true });
  });
  const late = new Promise((done) => setTimeout(done, 3000));
  Promise.race([told, late]).then(() => location.replace(way.href));
}
