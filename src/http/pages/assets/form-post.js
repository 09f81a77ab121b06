// Presses the button of the page that sends an authorization response back to the app.
"use strict";

document.getElementById("form-post")?.requestSubmit();
