// What the server's answer to a copied refresh token means, in words. Pure: the page passes in what it knows.

/**
 * @param answer  `{status, body}` of the token endpoint
 * @param facts   `copy`: the token presented; `current`: the owner's token now, `null` if the owner is signed out;
 *                `behind`: how often the owner refreshed since the copy was made
 * @returns `{name, tone, words}`
 */
export function explain({ status, body }, { copy, current, behind }) {
  if (status === 200) return accepted(body.refresh_token ?? null, { copy, current, behind });
  if (body?.error === "invalid_grant") return refused(current, behind);
  return {
    name: status === 0 ? "No answer" : `Answer ${status}`,
    tone: "warn",
    words: "The server could not decide. Nothing has changed, and nobody is signed out by a fault.",
  };
}

/** What an owner's refresh means after a thief has used a copy. */
export function explainOwner({ status, body }, thiefToken) {
  if (status === 200 && body.refresh_token && body.refresh_token === thiefToken) {
    return {
      name: "Retry",
      tone: "warn",
      words: "The owner got the very token that the thief holds: there is one successor, never two. Whoever uses it first leaves the other with a used token.",
    };
  }
  if (body?.error === "invalid_grant") {
    return {
      name: "Theft found",
      tone: "bad",
      words: "The owner's token had been replaced and its replacement was used, so two parties hold tokens. Every session of the user has ended, the thief's too.",
    };
  }
  return null;
}

function accepted(token, { copy, current, behind }) {
  if (!token || token === copy) {
    return behind === 0
      ? verdict("No new token", "warn", "The token is still the current one, and it was refreshed many times just now, so the server does not rotate again.")
      : verdict("Hold", "warn", "Too late for a retry, too early to judge: an access token for ten minutes, but no refresh token. The thief cannot go on from here.");
  }
  if (behind === 0) {
    return verdict("The thief was first", "warn",
      "Nobody else has used this token yet, so the server cannot know. Now press “Owner refreshes”. Within 30 s the owner gets the thief's token as a retry; later, one of the two shows a used token and everything ends.");
  }
  if (token === current) {
    return verdict("Retry", "warn",
      "A lost answer looks like this, so the sender gets the successor that already exists, byte for byte. No second line of tokens came into being. Wait until a minute has passed, refresh as the owner, and try the old copy again.");
  }
  return verdict("Late, and displaced", "warn",
    "The owner's last answer may have been lost, so the sender gets a fresh successor and the owner's unconfirmed one is void, with its access tokens. Press “Owner refreshes”: the void token gives the theft away.");
}

function refused(current, behind) {
  if (current === null) {
    return verdict("Refused", "good", "The session had ended before. A copy of its token is worth nothing.");
  }
  if (behind === 0) {
    return verdict("Refused", "good", "The session has ended, so the copy is worth nothing.");
  }
  return verdict("Theft found", "good",
    "The successor of this token has been used, so its owner had received it. Only a copy can come back like this. Every session of the user has ended: thief and owner both sign in again, and only one of them has the password.");
}

function verdict(name, tone, words) {
  return { name, tone, words };
}
