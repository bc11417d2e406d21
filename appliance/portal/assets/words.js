// What the page says, in both languages.
const ALL = {
  nb: {
    other: 'English', otherCode: 'en',
    login: 'Logg inn', name: 'Navn', password: 'Passord', next: 'Videre', back: 'Tilbake',
    first: 'Første gang her?',
    code: 'Kode fra telefonen', codeHelp: 'Seks sifre fra autentiseringsappen, eller en av kodene du skrev ned.',
    enrol: 'Første gang', enrolHelp: 'Du har fått en kode av driften. Den gjelder i ett døgn.', enrolCode: 'Kode fra driften',
    choose: 'Velg et passord', chooseHelp: 'Minst 12 tegn. Flere ord på rad er lett å huske.', again: 'Passordet en gang til',
    differ: 'De to passordene er ikke like.',
    factor: 'Koble til telefonen', factorHelp: 'Skann koden med en autentiseringsapp, og skriv de seks sifrene den viser.',
    factorSecret: 'Kan du ikke skanne? Skriv inn denne hemmeligheten i appen:', qr: 'QR-kode med hemmeligheten som står under',
    recovery: 'Skriv ned disse kodene', recoveryHelp: 'Hver av dem slipper deg inn én gang hvis telefonen er borte. De vises bare nå. Oppbevar dem ikke sammen med passordet.',
    written: 'Jeg har skrevet dem ned',
    home: 'Pultene dine', none: 'Ingen pult er åpnet for deg. Spør driften.', open: 'Åpne', forgets: 'Det du lagrer her, slettes når du logger ut.',
    sessions: 'Der du er logget inn', here: 'denne nettleseren', end: 'Avslutt', logout: 'Logg ut',
    few: (n) => `Du har ${n} koder igjen av dem du skrev ned. Be driften om en ny kode og begynn på nytt i tide.`,
    since: (when) => `siden ${when}`,
    starting: 'Pulten starter …', connecting: 'Kobler til …', connected: 'Pulten er åpen.', lost: 'Forbindelsen ble brutt. Kobler til igjen …',
    left: 'Til oversikten', keys: 'Ctrl+Alt+Del', full: 'Fullskjerm', screen: 'Skjermen til pulten',
    closed: 'Pulten ble slått av.', over: 'Økten er over. Logg inn på nytt.', gone: 'Portalen svarer ikke. Prøver igjen …',
    devices: 'Enhetene dine i tunnelen', devicesHelp: 'De kommer inn mens du er logget inn her, og ikke ellers.', add: 'Legg til en enhet', deviceName: 'Hva heter enheten?',
    device: 'Den nye enheten', deviceHelp: 'Skann koden med WireGuard på telefonen, eller last ned filen og åpne den i WireGuard på maskinen. Den vises bare nå, og hører til denne ene enheten.',
    download: 'Last ned filen', deviceQr: 'QR-kode med filen for WireGuard', remove: 'Fjern', done: 'Ferdig',
    wait: 'Vent …', out: 'Du er logget ut.', no: 'Det gikk ikke.',
  },
  en: {
    other: 'Norsk', otherCode: 'nb',
    login: 'Log in', name: 'Name', password: 'Password', next: 'Next', back: 'Back',
    first: 'First time here?',
    code: 'Code from the phone', codeHelp: 'Six digits from the authenticator app, or one of the codes that you wrote down.',
    enrol: 'First time', enrolHelp: 'The operators have given you a code. It holds for one day.', enrolCode: 'Code from the operators',
    choose: 'Choose a password', chooseHelp: 'At least 12 characters. Some words in a row are easy to remember.', again: 'The password once more',
    differ: 'The two passwords are not the same.',
    factor: 'Connect the phone', factorHelp: 'Scan the code with an authenticator app, and write the six digits that it shows.',
    factorSecret: 'Cannot scan? Write this secret into the app:', qr: 'QR code with the secret that stands below',
    recovery: 'Write these codes down', recoveryHelp: 'Each of them lets you in once if the phone is gone. They are shown now only. Do not keep them together with the password.',
    written: 'I have written them down',
    home: 'Your desktops', none: 'No desktop is open to you. Ask the operators.', open: 'Open', forgets: 'What you save here is deleted when you log out.',
    sessions: 'Where you are logged in', here: 'this browser', end: 'End', logout: 'Log out',
    few: (n) => `You have ${n} left of the codes that you wrote down. Ask the operators for a new code and begin anew in time.`,
    since: (when) => `since ${when}`,
    starting: 'The desktop is starting …', connecting: 'Connecting …', connected: 'The desktop is open.', lost: 'The connection was lost. Connecting again …',
    left: 'To the overview', keys: 'Ctrl+Alt+Del', full: 'Full screen', screen: 'The screen of the desktop',
    closed: 'The desktop was shut down.', over: 'The session is over. Log in again.', gone: 'The portal does not answer. Trying again …',
    devices: 'Your devices in the tunnel', devicesHelp: 'They come in while you are logged in here, and not else.', add: 'Add a device', deviceName: 'What is the device called?',
    device: 'The new device', deviceHelp: 'Scan the code with WireGuard on the phone, or download the file and open it in WireGuard on the computer. It is shown now only, and belongs to this one device.',
    download: 'Download the file', deviceQr: 'QR code with the file for WireGuard', remove: 'Remove', done: 'Done',
    wait: 'Wait …', out: 'You are logged out.', no: 'It did not work.',
  },
};

let chosen = localStorage.getItem('language');

export function language() {
  return chosen in ALL ? chosen : 'nb';
}

export function choose(code) {
  chosen = code;
  localStorage.setItem('language', code);
}

/** The site's language, until somebody chooses; a browser that wishes another one that there is comes first. */
export function settle(site) {
  if (chosen in ALL) return;
  const wished = navigator.languages.map((tag) => tag.slice(0, 2)).map((tag) => (['no', 'nn'].includes(tag) ? 'nb' : tag));
  chosen = wished.find((tag) => tag in ALL) ?? site;
}

export const words = new Proxy({}, { get: (_, key) => ALL[language()][key] });
