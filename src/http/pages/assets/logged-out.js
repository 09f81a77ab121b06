// Goes on once every app has been told, or three seconds have passed. Without JavaScript the page does so by itself.
"use strict";

const way = document.getElementById("continue");
const frames = [...document.querySelectorAll("iframe.frontchannel")];
if (way) {
  const told = frames.map((frame) => new Promise((done) => frame.addEventListener("load", done, { once: true })));
  const late = new Promise((done) => setTimeout(done, 3000));
  Promise.race([Promise.all(told), late]).then(() => location.replace(way.href));
}
