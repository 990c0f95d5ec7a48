// Times and texts as people read them, as the command line words them.

// clean keeps a text in its line: what is invisible, or turns the direction of writing, is shown as such.
function clean(text) {
  return String(text).replace(/\p{Cc}/gu, ' ').replace(/[\p{Cf}\p{Co}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}

function cleanLines(text) { return String(text).split('\n').map(clean).join('\n').trimEnd(); }

// age is how long before now a moment was: by the boot clock within a boot, else by the wall clock.
function age(moment, now) {
  const between = moment.bootID === now.bootID && now.bootID !== '' ? now.boot - moment.boot : now.wall - moment.wall;
  return Math.max(0, between);
}

// ageText rounds microseconds to seconds: "2m47s".
function ageText(micros) {
  const seconds = Math.round(micros / 1e6), hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  if (hours > 0) return `${hours}h${minutes}m${seconds % 60}s`;
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}

function ago(moment, now) { return ageText(age(moment, now)) + ' ago'; }

// spanText words a length with three digits: "820 µs", "34 ms", "1.25 s", "2 min 5 s".
function spanText(micros) {
  const digits = (value) => String(Number(value.toPrecision(3)));
  const pair = (large, name, small, smaller) => {
    const rest = Math.floor((micros % large) / small);
    return `${Math.floor(micros / large)} ${name}` + (rest > 0 ? ` ${rest} ${smaller}` : '');
  };
  if (micros < 1) return '0';
  if (micros < 1e3) return digits(micros) + ' µs';
  if (micros < 1e6) return digits(micros / 1e3) + ' ms';
  if (micros < 60e6) return digits(micros / 1e6) + ' s';
  if (micros < 3600e6) return pair(60e6, 'min', 1e6, 's');
  if (micros < 48 * 3600e6) return pair(3600e6, 'h', 60e6, 'min');
  return pair(86400e6, 'd', 3600e6, 'h');
}

const two = (number) => String(number).padStart(2, '0');

function dateText(wall) {
  const at = new Date(wall / 1e3);
  return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
}

function clockText(wall, digits = 3) {
  const at = new Date(wall / 1e3);
  const fraction = String(Math.floor(wall % 1e6)).padStart(6, '0').slice(0, digits);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}` + (digits > 0 ? '.' + fraction : '');
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

function wallText(wall) { return `${weekdays[new Date(wall / 1e3).getUTCDay()]} ${dateText(wall)} ${clockText(wall)} UTC`; }

function plural(number, what) { return number === 1 ? `1 ${what}` : `${number.toLocaleString('en')} ${what}s`; }

function phaseText(phase) { return { Retrying: 'Waiting to retry', Unhealthy: 'Running, not healthy', Unmet: 'Condition unmet', Met: 'Condition met' }[phase] || phase; }

function phaseClass(phase) {
  const known = ['Initialized', 'Waiting', 'Preparing', 'Running', 'Stopping', 'Finished', 'Failed', 'Skipped', 'Retrying', 'Unhealthy', 'Unmet', 'Met', 'Unknown'];
  return 'is-' + (known.includes(phase) ? phase : 'Initialized').toLowerCase();
}

// make makes an element; nothing but text ever goes into one.
function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// say and dress change an element only where it says or looks something else.
function say(element, text) { if (element.said !== text) { element.said = text; element.textContent = text; } }
function dress(element, className) { if (element.worn !== className) { element.worn = className; element.setAttribute('class', className); } }
function show(element, visible) { if (element.hidden === visible) element.hidden = !visible; }

// sync has an element for each item, and keeps those that there are.
function sync(parent, items, create, update) {
  const { children } = parent;
  while (children.length > items.length) parent.lastChild.remove();
  while (children.length < items.length) parent.append(create());
  for (let i = 0; i < items.length; i++) update(children[i], items[i]);
}
