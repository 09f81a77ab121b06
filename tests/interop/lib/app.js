// The application's own script, in the browser: what somebody who follows docs/spa.md would write.
import { cookieClient } from "/spa/index.js";

const { host, client: clientId, scope } = document.body.dataset;
const client = cookieClient({ clientId, host, ...(scope && { scope }) });
const changes = [];
const show = (text) => {
  document.getElementById("status").textContent = text;
};

client.onChange((change) => {
  changes.push(change);
  if (change.type === "signed-in" || change.type === "refreshed") show(`Signed in: ${change.session.sub}`);
  if (change.type === "signed-out") show(`Signed out: ${change.reason}`);
  if (change.type === "unavailable") show(client.session ? `Signed in: ${client.session.sub}` : "Unavailable");
});
document.getElementById("sign-in").onclick = () => client.signIn();
document.getElementById("sign-out").onclick = () => client.logout();
document.getElementById("everywhere").onclick = () => client.logout({ everywhere: true });
globalThis.app = { client, changes };

try {
  const session = await client.ready();
  if (session) show(`Signed in: ${session.sub}`);
  else if (client.returnError) show(`Came back with ${client.returnError.code}`);
  else if (location.pathname === "/auto") await client.signIn({ prompt: "none" });
  else show("Signed out");
} catch (error) {
  show(`Unavailable: ${error.code}`);
}
