// What a hostile page can make a browser send, run inside such a page. Resolves to what it could read: nothing, it hopes.
globalThis.attack = async (target, { client, guesses }) => {
  const json = JSON.stringify({ client_id: client });
  const fields = new URLSearchParams({ client_id: client, ...guesses }).toString();
  const read = [];
  const tried = async (how, promise) => {
    try {
      const response = await promise;
      if (response.type !== "opaque") read.push(`${how}: ${response.status} ${(await response.text()).slice(0, 80)}`);
    } catch {
      // Refused, which is what should happen.
    }
  };
  const post = { method: "POST", credentials: "include" };
  const custom = { "content-type": "application/json", "x-signet-request": "1" };
  await Promise.all([
    tried("no-cors text", fetch(target, { ...post, mode: "no-cors", body: json })),
    tried("no-cors form", fetch(target, { ...post, mode: "no-cors", body: new URLSearchParams(fields) })),
    tried("no-cors with a header", fetch(target, { ...post, mode: "no-cors", headers: custom, body: json })),
    tried("cors with the header", fetch(target, { ...post, headers: custom, body: json })),
    tried("cors with JSON", fetch(target, { ...post, headers: { "content-type": "application/json" }, body: json })),
    tried("cors text", fetch(target, { ...post, body: json })),
    tried("cors form", fetch(target, { ...post, body: new URLSearchParams(fields) })),
    tried("cors GET", fetch(target, { credentials: "include" })),
    tried("cors GET with the header", fetch(`${target}?client_id=${client}`, { credentials: "include", headers: { "x-signet-request": "1" } })),
    tried("cors PUT", fetch(target, { ...post, method: "PUT", headers: custom, body: json })),
    tried("cors DELETE", fetch(target, { ...post, method: "DELETE", headers: custom, body: json })),
    tried("keepalive", fetch(target, { ...post, mode: "no-cors", keepalive: true, body: json })),
  ]);
  await new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", target);
    request.withCredentials = true;
    request.setRequestHeader("content-type", "text/plain");
    request.onloadend = resolve;
    request.onload = () => read.push(`XHR: ${request.status}`);
    request.send(json);
  });
  for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
    navigator.sendBeacon(target, new Blob([type === "text/plain" ? json : fields], { type }));
  }
  // Chromium asks for permission (a preflight) for this type since it was abused.
  try { navigator.sendBeacon(target, new Blob([json], { type: "application/json" })); } catch { /* refused */ }

  const loaded = (element) => new Promise((resolve) => {
    element.onload = resolve;
    element.onerror = resolve;
    document.body.append(element);
  });
  await Promise.all(["img", "script"].map((kind) => loaded(Object.assign(document.createElement(kind), { src: `${target}?client_id=${client}` }))));

  for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    const frame = document.createElement("iframe");
    frame.name = `frame-${Math.random()}`;
    document.body.append(frame);
    const form = Object.assign(document.createElement("form"), { method: "POST", action: target, enctype, target: frame.name });
    // As text/plain a field is `name=value`: together they are JSON.
    const values = enctype === "text/plain"
      ? { [`{"client_id":"${client}","x":"`]: '"}' }
      : { client_id: client, ...guesses };
    for (const [name, value] of Object.entries(values)) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(form);
    const done = new Promise((resolve) => { frame.onload = resolve; });
    form.submit();
    await done;
  }
  return read;
};
