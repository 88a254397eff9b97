/**
 * The leak check: what must not be in the scripts of a page that uses a leaf over WebSocket. It reads the finished scripts,
 * however they were made: texts and the names of globals survive every bundler and minifier.
 */
import ts from 'typescript';

/** What the page does not ask for, as it would be imported, and what stands in it alone. */
export const UNWANTED: Record<string, RegExp> = {
  'isogossip/full': /pingsFromStrangers/,
  'isogossip/gateway': /the member is a gateway already/,
  'isogossip/group': /no other member is in the group/,
  'isogossip/v1': /v1: message type/,
  'isogossip/store': /not a message of a store/,
  'isogossip/store/file': /it is no store of isogossip/,
  'isogossip/store/indexed-db': /isogossip store /,
  'isogossip/election': /the leadership is over/,
  'isogossip/election/go': /heartbeatsMalformed/,
  'isogossip/quorum': /nobody knows whether it was done/,
  'isogossip/lock': /held by others until the deadline/,
  'isogossip/testing': /a simulation needs a wire/,
  'isogossip/codec/msgpack-raw': /msgpack-raw/,
  'isogossip/codec/json': /outside the years 0 to 9999 in JSON/,
  'isogossip/cipher/aes-gcm': /AES-GCM/,
  'isogossip/cipher/secretbox': /secretbox/,
  'isogossip/compressor/snappy': /snappy: the block/,
  'isogossip/compressor/deflate': /deflate: the block/,
  'isogossip/transport/shared-tabs': /this runtime has no WebSocket of its own/,
  'isogossip/transport/memory': /no memory transport has the address/,
  'isogossip/transport/http': /the HTTP transport is not running/,
  'isogossip/transport/several': /several\(\) needs at least one transport/,
  'isogossip/transport/socket': /the socket transport is not running/,
  'isogossip/transport/http-listener': /ERR_HTTP_REQUEST_TIMEOUT/,
  'isogossip/transport/websocket-listener': /503 Service Unavailable/,
  'isogossip/transport/websocket-bun': /Bun dropped the message/,
  'isogossip/transport/websocket-hibernation': /started anew/,
  'isogossip/transport/resolver': /each must be an IP, with a port if need be/,
  'isomorphic-ws': /MozWebSocket/,
  fflate: /invalid block type/,
  tweetnacl: /bad nonce size/,
  // Its half for browsers, too, which only throws.
  ws: /permessage-deflate|ws does not work in the browser/,
};

/** What every such page has, and has once. */
const WANTED: Record<string, string> = {
  'the class GossipError': 'GossipError',
  '@msgpack/msgpack': 'The type of key must be string or number but',
  'the WebSocket connection': 'the first message must be: isogossip 1 ADDRESS',
};

/** Globals that only Node has, and what a strict Content-Security-Policy forbids. */
const FORBIDDEN = 'require module exports __dirname __filename Buffer process global setImmediate eval'.split(' ');

/** A text this long that stands twice in a page is two copies of one thing: it is not said in two places of one source. */
const COPY_CHARS_MIN = 24;
/** But this is, by the msgpack library. */
const SAID_TWICE = ['Too large extension object: '];

/** One line for each thing that is in the scripts and should not be, or should be and is not. */
export function leaks(scripts: Iterable<string>): string[] {
  const found = new Set<string>();
  const times = new Map<string, number>();
  for (const script of scripts) {
    for (const [what, marker] of Object.entries(UNWANTED)) if (marker.test(script)) found.add(`contains ${what}`);
    const visit = (node: ts.Node): void => {
      if (ts.isIdentifier(node) && FORBIDDEN.includes(node.text) && !isMemberName(node)) found.add(`uses ${node.text}`);
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        if (node.expression.getText() === 'Function') found.add('makes a Function of a text');
      }
      if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
        times.set(node.text, (times.get(node.text) ?? 0) + 1);
        if (/^node:\w/.test(node.text)) found.add(`imports ${node.text}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile('page.js', script, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS));
  }
  for (const [what, marker] of Object.entries(WANTED)) {
    const count = [...times].reduce((sum, [text, more]) => (text.includes(marker) ? sum + more : sum), 0);
    if (count !== 1) found.add(`contains ${what} ${count} times`);
  }
  for (const [text, count] of times) {
    if (count > 1 && text.length >= COPY_CHARS_MIN && !SAID_TWICE.includes(text)) found.add(`says twice: ${text}`);
  }
  return [...found].sort();
}

/** A name after a dot or of a property is not the global of that name. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent) || ts.isClassElement(parent)) &&
    parent.name === node
  );
}
