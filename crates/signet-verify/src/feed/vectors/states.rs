//! Folds and judgements.

use serde_json::{Value, json};

use super::book::{CLIENT, FAMILY, LIFE, SESSION, START, TOKEN, USER};

/// Lists of entries that have to fold to the same state, whatever list is taken.
pub(super) fn folds() -> Value {
    let mut all = merges().as_array().cloned().unwrap();
    all.extend(more_folds().as_array().cloned().unwrap());
    all.extend(fold_of_all_kinds().as_array().cloned().unwrap());
    Value::Array(all)
}

fn merges() -> Value {
    let (a, b, c) = (START + 100, START + 200, START + 300);
    json!([
        fold("nothing", &[json!([])], json!([])),
        fold(
            "duplicates count once",
            &[json!([["sid", "s", null, a], ["sid", "s", null, a], ["sid", "s", null, a]])],
            json!([["sid", "s", null, a]])
        ),
        fold(
            "the larger dies_at, in any order",
            &[
                json!([["jti", "j", null, a], ["jti", "j", null, b], ["jti", "j", null, c]]),
                json!([["jti", "j", null, c], ["jti", "j", null, a], ["jti", "j", null, b]]),
                json!([["jti", "j", null, b], ["jti", "j", null, c], ["jti", "j", null, b]]),
            ],
            json!([["jti", "j", null, c]])
        ),
        fold(
            "min and dies_at are each the larger, of whatever entry",
            &[
                json!([["sub", "u", 7, a], ["sub", "u", 3, b]]),
                json!([["sub", "u", 3, b], ["sub", "u", 7, a]]),
                json!([["sub", "u", 7, a], ["sub", "u", 3, b], ["sub", "u", 5, a], ["sub", "u", 7, a]]),
            ],
            json!([["sub", "u", 7, b]])
        ),
        fold(
            "null is larger than any number",
            &[
                json!([["fam", "f", null, a], ["fam", "f", 9_007_199_254_740_991_i64, b]]),
                json!([["fam", "f", 9_007_199_254_740_991_i64, b], ["fam", "f", null, a]]),
                json!([["fam", "f", 0, b], ["fam", "f", null, a], ["fam", "f", 1, a]]),
            ],
            json!([["fam", "f", null, b]])
        ),
    ])
}

fn more_folds() -> Value {
    let (a, b, c) = (START + 100, START + 200, START + 300);
    json!([
        fold(
            "one id under several kinds is several entries",
            &[
                json!([
                    ["sid", "x", null, a],
                    ["jti", "x", null, b],
                    ["fam", "x", 1, c],
                    ["kid", "x", null, a]
                ]),
                json!([
                    ["kid", "x", null, a],
                    ["fam", "x", 1, c],
                    ["jti", "x", null, b],
                    ["sid", "x", null, a]
                ]),
            ],
            json!([["kid", "x", null, a], ["sid", "x", null, a], ["fam", "x", 1, c], ["jti", "x", null, b]])
        ),
        fold(
            "ids are exact: case, spaces and forms differ",
            &[
                json!([
                    ["sid", "a", null, a],
                    ["sid", "A", null, a],
                    ["sid", "a ", null, a],
                    ["sid", USER, null, a],
                    ["sid", USER.to_uppercase(), null, a]
                ]),
                json!([
                    ["sid", USER.to_uppercase(), null, a],
                    ["sid", "A", null, a],
                    ["sid", USER, null, a],
                    ["sid", "a ", null, a],
                    ["sid", "a", null, a]
                ]),
            ],
            json!([
                ["sid", USER.to_uppercase(), null, a],
                ["sid", USER, null, a],
                ["sid", "A", null, a],
                ["sid", "a", null, a],
                ["sid", "a ", null, a]
            ])
        ),
        fold(
            "what is dead at the local clock is not held",
            &[
                json!([
                    ["sid", "dead", null, START],
                    ["sid", "dying", null, START + 1],
                    ["jti", "dead", null, 0]
                ]),
                json!([
                    ["jti", "dead", null, 0],
                    ["sid", "dying", null, START + 1],
                    ["sid", "dead", null, START]
                ]),
            ],
            json!([["sid", "dying", null, START + 1]])
        )
    ])
}

fn fold_of_all_kinds() -> Value {
    let (a, b) = (START + 100, START + 200);
    json!([fold(
        "all kinds",
        &[
            json!([
                ["jti", "j", null, a],
                ["iss", "", 5, a],
                ["sub", "u", 0, a],
                ["client", "c", 1, a],
                ["iss", "", 6, b],
                ["fam", "f", 2, a],
                ["sid", "s", null, a],
                ["kid", "k", null, a]
            ]),
            json!([
                ["kid", "k", null, a],
                ["iss", "", 6, b],
                ["iss", "", 5, a],
                ["client", "c", 1, a],
                ["sub", "u", 0, a],
                ["sid", "s", null, a],
                ["fam", "f", 2, a],
                ["jti", "j", null, a]
            ]),
        ],
        json!([
            ["iss", "", 6, b],
            ["kid", "k", null, a],
            ["client", "c", 1, a],
            ["sub", "u", 0, a],
            ["sid", "s", null, a],
            ["fam", "f", 2, a],
            ["jti", "j", null, a]
        ])
    ),])
}

fn fold(name: &str, orders: &[Value], state: Value) -> Value {
    json!({"name": name, "now": START, "orders": orders, "state": state})
}

/// States and tokens, and the first kind that voids the token.
pub(super) fn judgements() -> Value {
    let dies_at = START + LIFE;
    let iat = START - 60;
    let one = |name: &str, entry: Value, voided_by: Value| judged(name, json!([entry]), token(), voided_by);
    let mut all = vec![
        judged("an empty state voids nothing", json!([]), token(), json!(null)),
        one("issued before iss", json!(["iss", "", iat + 1, dies_at]), json!("iss")),
        one("issued at iss", json!(["iss", "", iat, dies_at]), json!(null)),
        one("the key", json!(["kid", "token-key-1", null, dies_at]), json!("kid")),
        one("another key", json!(["kid", "token-key-2", null, dies_at]), json!(null)),
        one("issued before the client's min", json!(["client", CLIENT, iat + 1, dies_at]), json!("client")),
        one("issued at the client's min", json!(["client", CLIENT, iat, dies_at]), json!(null)),
        one("another client", json!(["client", USER, iat + 1, dies_at]), json!(null)),
        one("an older epoch", json!(["sub", USER, 5, dies_at]), json!("sub")),
        one(
            "the same epoch: signed in again in the same second",
            json!(["sub", USER, 4, dies_at]),
            json!(null),
        ),
        one("another user", json!(["sub", CLIENT, 5, dies_at]), json!(null)),
        one("the session", json!(["sid", SESSION, null, dies_at]), json!("sid")),
        one("another session", json!(["sid", FAMILY, null, dies_at]), json!(null)),
        one("the whole family", json!(["fam", FAMILY, null, dies_at]), json!("fam")),
        one("an older generation", json!(["fam", FAMILY, 8, dies_at]), json!("fam")),
        one("the same generation", json!(["fam", FAMILY, 7, dies_at]), json!(null)),
        one("another family", json!(["fam", SESSION, null, dies_at]), json!(null)),
        one("the token", json!(["jti", TOKEN, null, dies_at]), json!("jti")),
        one("another token", json!(["jti", "AAECAwQFBgcICQoLDA0ODg", null, dies_at]), json!(null)),
        one(
            "an id in upper case is another",
            json!(["sid", SESSION.to_uppercase(), null, dies_at]),
            json!(null),
        ),
        one("dead at the local clock", json!(["sid", SESSION, null, START]), json!(null)),
        one("dead in a second", json!(["sid", SESSION, null, START + 1]), json!("sid")),
    ];
    let everything = json!([
        ["jti", TOKEN, null, dies_at],
        ["fam", FAMILY, null, dies_at],
        ["sid", SESSION, null, dies_at],
        ["sub", USER, 5, dies_at]
    ]);
    all.push(judged("the first of several, in the order of the table", everything, token(), json!("sub")));

    all.extend(judgements_of_other_tokens());
    Value::Array(all)
}

fn judgements_of_other_tokens() -> Vec<Value> {
    let (dies_at, iat) = (START + LIFE, START - 60);
    let mut all = Vec::new();
    let mut bare = token();
    bare["claims"].as_object_mut().unwrap().remove("rv");
    let sub = json!([["sub", USER, 0, dies_at]]);
    all.push(judged(
        "a token without rv is voided by any entry of its sub",
        sub.clone(),
        bare.clone(),
        json!("sub"),
    ));
    all.push(judged("and one with rv is not", sub, token(), json!(null)));
    let fam = json!([["fam", FAMILY, null, dies_at]]);
    all.push(judged("a token without rv has no family", fam, bare, json!(null)));

    let service = json!({
        "header": {"alg": "EdDSA", "typ": "at+jwt", "kid": "token-key-1"},
        "claims": {"iss": super::book::ISSUER, "sub": CLIENT, "client_id": CLIENT, "iat": iat, "exp": iat + 900, "jti": TOKEN}
    });
    let others =
        json!([["sid", SESSION, null, dies_at], ["fam", FAMILY, null, dies_at], ["sub", USER, 9, dies_at]]);
    all.push(judged("a client's own token", others, service.clone(), json!(null)));
    all.push(judged(
        "and its client",
        json!([["client", CLIENT, iat + 1, dies_at]]),
        service,
        json!("client"),
    ));

    let mut nameless = token();
    nameless["header"].as_object_mut().unwrap().remove("kid");
    let kid = json!([["kid", "token-key-1", null, dies_at]]);
    all.push(judged("a header without kid", kid, nameless, json!(null)));
    all
}

fn judged(name: &str, state: Value, token: Value, voided_by: Value) -> Value {
    json!({"name": name, "now": START, "state": state, "token": token, "voided_by": voided_by})
}

/// A user's token: epoch 4, generation 7.
fn token() -> Value {
    json!({
        "header": {"alg": "EdDSA", "typ": "at+jwt", "kid": "token-key-1"},
        "claims": {
            "iss": super::book::ISSUER, "sub": USER, "client_id": CLIENT, "iat": START - 60, "exp": START + 840,
            "jti": TOKEN, "sid": SESSION, "rv": [4, FAMILY, 7],
        }
    })
}
