// One question, one answer: the browser makes or uses a passkey, and the program that served this page judges it.
"use strict";

const at = (id) => document.getElementById(id);

function state(name, text) {
  document.body.dataset.state = name;
  at("now").textContent = text;
}

function octets(letters) {
  const plain = atob(letters.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function letters(buffer) {
  const plain = Array.from(new Uint8Array(buffer), (octet) => String.fromCharCode(octet)).join("");
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Why a browser did not, in words that help; its own words say too little on purpose.
function why(fault) {
  if (fault.name === "InvalidStateError") return "This device has a passkey of yours already.";
  if (fault.name === "NotAllowedError") return "Nothing came of it: it was cancelled, took too long, or no passkey of yours is on this device.";
  return `The browser could not: ${fault.name}.`;
}

async function ceremony(asked) {
  const key = asked.publicKey;
  key.challenge = octets(key.challenge);
  for (const list of [key.excludeCredentials, key.allowCredentials]) {
    for (const known of list ?? []) known.id = octets(known.id);
  }
  if (asked.kind === "create") {
    key.user.id = octets(key.user.id);
    const made = await navigator.credentials.create({ publicKey: key });
    return {
      id: letters(made.rawId),
      client_data: letters(made.response.clientDataJSON),
      attestation: letters(made.response.attestationObject),
    };
  }
  const used = await navigator.credentials.get({ publicKey: key });
  return {
    id: letters(used.rawId),
    client_data: letters(used.response.clientDataJSON),
    authenticator_data: letters(used.response.authenticatorData),
    signature: letters(used.response.signature),
  };
}

async function begin() {
  const asked = await (await fetch("/options")).json();
  at("title").textContent = asked.title;
  at("who").textContent = asked.who;
  at("go").textContent = asked.button;
  at("go").disabled = false;
  state("ready", "");
  at("go").addEventListener("click", async () => {
    at("go").disabled = true;
    state("asks", "Your device asks you now: fingerprint, face or PIN.");
    let answer;
    try {
      // Each try takes a copy: the letters become octets in it.
      answer = await ceremony(structuredClone(asked));
    } catch (fault) {
      at("go").disabled = false;
      state("failed", why(fault));
      return;
    }
    try {
      const said = await fetch("/answer", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(answer),
      });
      state(said.ok ? "done" : "failed", await said.text());
    } catch {
      state("failed", "The program that asked is gone; run its command again.");
    }
  });
}

begin().catch(() => state("failed", "The program that asked is gone; run its command again."));
