// Extras for people with JavaScript. Every page is complete without this file.
"use strict";

// A button that shows the password, and hides it again. What it says and what it is called change, so it has no state.
for (const button of document.querySelectorAll("button[data-reveals]")) {
  const field = document.getElementById(button.dataset.reveals);
  if (!field) continue;
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", shown ? "Hide password" : "Show password");
  };
  button.hidden = false;
  show(false);
  button.addEventListener("click", () => {
    show(field.type === "password");
    field.focus();
  });
  // A shown password must not end up in the browser's list of remembered texts.
  if (field.form) field.form.addEventListener("submit", () => show(false));
}

// Some browsers do not honour autofocus on an element that is not a form field.
const summary = document.querySelector(".alert[autofocus]");
if (summary) summary.focus();

// One press is one request: a second press of the same button is dropped, until five seconds have passed or the page is
// shown again. After that a load was stopped or came to nothing, and the button must not be dead.
for (const form of document.querySelectorAll("form[method=post]")) {
  let pressed, timer;
  const again = () => {
    clearTimeout(timer);
    pressed = undefined;
  };
  form.addEventListener("submit", (event) => {
    if (event.submitter === pressed) return event.preventDefault();
    again();
    pressed = event.submitter;
    timer = setTimeout(again, 5000);
  });
  addEventListener("pageshow", again);
}
