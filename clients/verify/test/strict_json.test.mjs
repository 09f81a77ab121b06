import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "../dist/jose/base64url.js";
import { DEEPEST, strictObject } from "../dist/jose/strict_json.js";

const read = (text, whole) => strictObject(Buffer.from(text), whole);

describe("strict JSON", () => {
  test("objects read as JSON.parse reads them", () => {
    const text = '{"a":null,"b":[true,-1,18446744073709551615,1.5,"\\u00e9 { } [ ] , : \\" \\\\"],"c":{"a":{}},"d":"","__proto__":1}';
    assert.deepEqual(read(text), JSON.parse(text));
  });

  test("everything else is refused", () => {
    for (const text of [
      "", " ", "null", "1", '"a"', "[]", "{", "{}{}", "{} x", "\ufeff{}", '{"a":1,}', "{a:1}", '{"a":1e400}', '{"a":-1e400}',
      '{"a":NaN}', '{"a":01}', '{"a":"\\ud800"}', '{"\\udc00":1}', "{'a':1}", '{"a":"\n"}',
    ]) assert.equal(read(text), undefined, text);
    assert.equal(strictObject(Buffer.from([...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}')])), undefined);
  });

  test("repeated members are refused at each level", () => {
    for (const text of [
      '{"a":1,"a":1}', '{"a":1,"b":2,"\\u0061":3}', '{"x":{"a":1,"a":2}}', '{"x":[[{"a":1,"a":2}]]}',
      '{"a":{"b":1},"a":2}', '{"a":"\\"","b":[{},{"c":[]}],"b":0}', '{"__proto__":1,"__proto__":2}', '{"":1,"":2}',
    ]) assert.equal(read(text), undefined, text);
    assert.ok(read('{"a":{"a":{"a":"a"}},"A":2,"b":["a","a",{"a":1},{"a":1}]}'));
  });

  test("nesting is bounded", () => {
    const nested = (depth) => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    assert.ok(read(nested(DEEPEST - 1)));
    for (const depth of [DEEPEST, 1_000, 1_000_000]) assert.equal(read(nested(depth)), undefined, String(depth));
  });

  test("numbers of named members are whole ones, written as such", () => {
    assert.ok(read('{"n":1,"x":1.5}', ["n"]));
    for (const n of ["1.0", "1e0", "-0", "[[1.0]]", "1E2", "99999999999999999999"]) assert.equal(read(`{"n":${n}}`, ["n"]), undefined, n);
  });
});

describe("strict base64url", () => {
  test("has one spelling for each value", () => {
    assert.deepEqual([...decode("AQID")], [1, 2, 3]);
    assert.deepEqual([...decode("AQI")], [1, 2]);
    assert.deepEqual([...decode("AQ")], [1]);
    for (const text of ["A", "AQ==", "AR", "AQJ", "AQ I", "A+/_", "AQID=", "AQIDA", "é", "AQ\n"]) assert.equal(decode(text), undefined, text);
  });
});
