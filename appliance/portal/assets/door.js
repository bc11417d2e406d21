// Asks the portal, and signs what is asked with the key of this browser's session.
//
// The key is made here and cannot be taken out again, not even by this page: a cookie that is stolen is good for nothing
// elsewhere.
import { language } from '/words.js';

/** Something that the portal refused, in the person's words. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }

  get over() {
    return this.status === 401;
  }
}

/** The portal could not be reached. */
export class Gone extends Error {}

const PATIENCE = 30000;

async function post(name, body) {
  let answer;
  try {
    answer = await fetch(`/api/${name}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Varde-Language': language() },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch (error) {
    throw new Gone(String(error));
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.error ?? `${answer.status}`);
  return said;
}

function base64url(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** One object store for one key. */
function store(mode, act) {
  return new Promise((done, failed) => {
    const opening = indexedDB.open('varde', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('keys');
    opening.onerror = () => failed(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const request = act(database.transaction('keys', mode).objectStore('keys'));
      request.onsuccess = () => { database.close(); done(request.result); };
      request.onerror = () => { database.close(); failed(request.error); };
    };
  });
}

async function newKey() {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  return { pair, raw: base64url(await crypto.subtle.exportKey('raw', pair.publicKey)) };
}

async function proved(name, what, body = {}) {
  const key = await store('readonly', (keys) => keys.get('session'));
  if (!key) throw new Refused(401, '');
  const { challenge } = await post('challenge', {});
  const text = new TextEncoder().encode(`varde-door-1\n${what}\n${challenge}`);
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, text);
  return post(name, { ...body, challenge, signature: base64url(signature) });
}

async function enter(name, body) {
  const { pair, raw } = await newKey();
  const entered = await post(name, { ...body, key: raw });
  await store('readwrite', (keys) => keys.put(pair.privateKey, 'session'));
  return entered;
}

export const login = (person, password) => post('login', { person, password });
export const code = (step, code) => enter('code', { step, code });
export const enrol = (person, code) => post('enrol', { person, code });
export const password = (step, password) => post('password', { step, password });
export const confirm = (step, code) => enter('confirm', { step, code });
export const home = () => proved('home', 'home');
export const ticket = (pool) => proved('ticket', `ticket ${pool}`, { pool });
export const device = (title) => proved('device', `device ${title}`, { title });
export const remove = (device) => proved('remove', `remove ${device}`, { device });
export const end = (session) => proved('end', `end ${session}`, { session });

export async function logout() {
  await proved('logout', 'logout');
  await store('readwrite', (keys) => keys.delete('session'));
}

export async function site() {
  const answer = await fetch('/site.json');
  return answer.json();
}
