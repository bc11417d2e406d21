// The pages: each is a function that fills <main>.
import { choose, language, settle, words } from '/words.js';
import * as door from '/door.js';

const page = document.getElementById('page');
const said = document.getElementById('said');
const toggle = document.getElementById('language');

/** What is shown now, to be shown again in the other language. */
let shown = () => login();

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function say(text, bad = false) {
  said.className = bad ? 'bad' : '';
  said.textContent = text;
}

function show(again, ...children) {
  shown = again;
  document.documentElement.lang = language();
  toggle.textContent = words.other;
  toggle.lang = words.otherCode;
  document.body.classList.remove('desktop');
  page.replaceChildren(...children);
  (page.querySelector('input, button.main') ?? page).focus();
}

/** What went wrong, in words; a session that is over leads to the log-in. */
function failed(error) {
  if (error instanceof door.Refused && error.over) {
    login();
    say(error.message || words.over, true);
  } else if (error instanceof door.Gone) {
    say(words.gone, true);
  } else {
    say(error.message || words.no, true);
  }
}

function field(label, attributes) {
  const id = `field-${attributes.name}`;
  const input = element('input', { id, required: true, ...attributes });
  return [input, element('label', { for: id }, label)];
}

function form(title, help, fields, act, ...more) {
  const button = element('button', { class: 'main' }, words.next);
  const made = element('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      say(words.wait);
      try {
        await act(Object.fromEntries(new FormData(made)));
      } catch (error) {
        button.disabled = false;
        failed(error);
        made.querySelector('input')?.select();
      }
    },
  }, element('h1', {}, title));
  if (help) made.append(element('p', {}, help));
  for (const [input, label] of fields) made.append(label, input);
  made.append(button, ...more);
  return made;
}

const link = (text, to) => element('p', {}, element('button', { type: 'button', onclick: () => { say(''); to(); } }, text));

function login() {
  const fields = [
    field(words.name, { name: 'person', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' }),
    field(words.password, { name: 'password', type: 'password', autocomplete: 'current-password' }),
  ];
  show(login, form(words.login, '', fields, async ({ person, password }) => {
    const { step } = await door.login(person.trim().toLowerCase(), password);
    say('');
    code(step);
  }, link(words.first, enrol)));
}

const codeField = (label) => field(label, { name: 'code', autocomplete: 'one-time-code', autocapitalize: 'none', spellcheck: 'false' });

function code(step) {
  show(() => code(step), form(words.code, words.codeHelp, [codeField(words.code)], async ({ code }) => {
    await door.code(step, code);
    say('');
    await home();
  }, link(words.back, login)));
}

function enrol() {
  const fields = [
    field(words.name, { name: 'person', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' }),
    field(words.enrolCode, { name: 'code', autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false' }),
  ];
  show(enrol, form(words.enrol, words.enrolHelp, fields, async ({ person, code }) => {
    const { step } = await door.enrol(person.trim().toLowerCase(), code);
    say('');
    newPassword(step);
  }, link(words.back, login)));
}

function newPassword(step) {
  const fields = [
    field(words.password, { name: 'password', type: 'password', autocomplete: 'new-password' }),
    field(words.again, { name: 'again', type: 'password', autocomplete: 'new-password' }),
  ];
  show(() => newPassword(step), form(words.choose, words.chooseHelp, fields, async ({ password, again }) => {
    if (password !== again) throw new Error(words.differ);
    const { secret, qr } = await door.password(step, password);
    say('');
    factor(step, secret, qr);
  }));
}

function qrCode({ size, path }, label) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'qr');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  const dark = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  dark.setAttribute('d', path);
  svg.append(dark);
  return svg;
}

function factor(step, secret, qr) {
  const made = form(words.factor, words.factorHelp, [codeField(words.code)], async ({ code }) => {
    const { recovery } = await door.confirm(step, code);
    say('');
    recoveryCodes(recovery);
  });
  const spaced = secret.replace(/(.{4})/g, '$1 ').trim();
  made.querySelector('label').before(
    qrCode(qr, words.qr),
    element('p', {}, words.factorSecret, element('br'), element('code', { id: 'secret' }, spaced)),
  );
  show(() => factor(step, secret, qr), made);
}

function recoveryCodes(codes) {
  show(
    () => recoveryCodes(codes),
    element('h1', {}, words.recovery),
    element('p', {}, words.recoveryHelp),
    element('ol', { class: 'codes' }, ...codes.map((code) => element('li', {}, code))),
    element('button', { class: 'main', onclick: () => home().catch(failed) }, words.written),
  );
}

function newDevice() {
  const fields = [field(words.deviceName, { name: 'title', maxlength: '40', autocomplete: 'off' })];
  show(newDevice, form(words.add, words.devicesHelp, fields, async ({ title }) => {
    deviceFile(title.trim(), await door.device(title.trim()));
    say('');
  }, link(words.back, () => home().catch(failed))));
}

function deviceFile(title, { file, qr }) {
  const url = URL.createObjectURL(new Blob([file], { type: 'application/octet-stream' }));
  const name = `${title.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 15) || 'varde'}.conf`;
  show(
    () => deviceFile(title, { file, qr }),
    element('h1', {}, words.device),
    element('p', {}, words.deviceHelp),
    qrCode(qr, words.deviceQr),
    element('p', {}, element('a', { href: url, download: name }, words.download)),
    element('button', { class: 'main', onclick: () => { URL.revokeObjectURL(url); home().catch(failed); } }, words.done),
  );
}

const moment = (when) => new Date(when).toLocaleString(language() === 'nb' ? 'nb-NO' : 'en-GB', { dateStyle: 'medium', timeStyle: 'short' });

async function home() {
  homePage(await door.home());
}

function act(name, what) {
  return element('button', {
    type: 'button',
    onclick: async (event) => {
      event.target.disabled = true;
      try {
        await what();
      } catch (error) {
        event.target.disabled = false;
        failed(error);
      }
    },
  }, name);
}

function homePage(at) {
  const pools = at.pools.map((pool) => element(
    'li', {},
    element('span', {}, pool.title, pool.forgets ? element('small', {}, words.forgets) : ''),
    element('button', { class: 'main', type: 'button', 'data-pool': pool.name, onclick: () => new Desktop(pool).open() }, words.open),
  ));
  const devices = at.devices.map((device) => element(
    'li', {},
    element('span', {}, device.title, element('small', {}, `${device.address}, ${words.since(moment(device.added))}`)),
    act(words.remove, async () => { await door.remove(device.id); await home(); }),
  ));
  const sessions = at.sessions.map((session) => element(
    'li', {},
    element('span', {}, session.agent || session.from, element('small', {}, `${session.from}, ${words.since(moment(session.began))}`)),
    session.id === at.session
      ? element('span', {}, words.here)
      : act(words.end, async () => { await door.end(session.id); await home(); }),
  ));
  show(
    () => homePage(at),
    element('h1', {}, at.title),
    element('h2', {}, words.home),
    pools.length ? element('ul', {}, ...pools) : element('p', {}, words.none),
    at.recovery < 3 ? element('p', {}, words.few(at.recovery)) : '',
    ...(at.tunnel ? [
      element('h2', {}, words.devices),
      element('p', {}, words.devicesHelp),
      element('ul', {}, ...devices),
      link(words.add, newDevice),
    ] : []),
    element('h2', {}, words.sessions),
    element('ul', {}, ...sessions),
    act(words.logout, async () => { await door.logout(); login(); say(words.out); }),
  );
}

const SESSION_OVER = 4001;
const POLICY = 1008;
const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** A desktop on the screen. It comes back by itself when the portal or the network was away. */
class Desktop {
  constructor(pool) {
    this.pool = pool;
    this.left = false;
  }

  async open() {
    this.draw();
    say(words.connecting);
    while (!this.left) {
      try {
        const { ticket } = await door.ticket(this.pool.name);
        if (ticket) {
          await this.show(ticket);
          say(words.lost);
        } else {
          say(words.starting);
          await pause(1000);
        }
      } catch (error) {
        if (!(error instanceof door.Gone) && error.status !== 503) {
          this.leave();
          failed(error);
          return;
        }
        say(words.gone, true);
        await pause(500);
      }
    }
  }

  draw() {
    this.screen ??= element('div', { id: 'screen', role: 'application', 'aria-label': words.screen });
    show(
      () => this.draw(),
      element(
        'nav', {},
        element('button', { type: 'button', onclick: () => { this.leave(); home().catch(failed); } }, words.left),
        element('button', { type: 'button', onclick: () => this.rfb?.sendCtrlAltDel() }, words.keys),
        element('button', { type: 'button', onclick: () => this.screen.requestFullscreen?.() }, words.full),
      ),
      this.screen,
    );
    document.body.classList.add('desktop');
  }

  /** Until the connection ends. */
  async show(ticket) {
    const { default: RFB } = await import('/novnc/core/rfb.js');
    const socket = new WebSocket(`wss://${location.host}/screen`, ['binary', `ticket.${ticket}`]);
    socket.binaryType = 'arraybuffer';
    let code = 0;
    socket.addEventListener('close', (event) => { code = event.code; });
    await new Promise((done) => {
      this.rfb = new RFB(this.screen, socket);
      this.rfb.scaleViewport = true;
      this.rfb.background = '#222';
      this.rfb.addEventListener('connect', () => { say(words.connected); this.rfb.focus(); });
      this.rfb.addEventListener('disconnect', done);
    });
    this.rfb = undefined;
    if (code === SESSION_OVER) throw new door.Refused(401, '');
    if (code === POLICY) throw new door.Refused(409, words.no);
    if (code === 1000 && !this.left) {
      this.leave();
      await home();
      say(words.closed);
    }
  }

  leave() {
    this.left = true;
    this.rfb?.disconnect();
  }
}

toggle.addEventListener('click', () => { choose(words.otherCode); say(''); shown(); });

try {
  const { title, language: site } = await door.site();
  settle(site);
  document.getElementById('site').textContent = title;
  document.title = title;
  await home();
} catch {
  login();
}
