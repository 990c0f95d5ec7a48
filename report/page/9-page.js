// What the page shows: one moment, one service or none, a part of the time. Everything is drawn from here, once a frame.

class State {
  constructor(journal) {
    this.journal = journal;
    Object.assign(this, { row: journal.count - 1, time: journal.end, id: '', filter: '', from: 0, to: Math.max(journal.end, 1), playing: false });
    this.parts = [];
  }

  wants(id) { return this.filter === '' || id.toLowerCase().includes(this.filter); }

  // now is the moment that is shown, on the clocks of the row before it.
  get now() {
    const after = Math.max(0, this.time - this.journal.axis[this.row]);
    return this.journal.instant(this.row, after);
  }

  // worst is the service that somebody most likely wants to look at.
  worst() {
    for (const phase of ['Failed', 'Retrying', 'Unhealthy', 'Waiting']) {
      const found = this.journal.services.find((service) => service.get('phase', this.row) === phase);
      if (found) return found.id;
    }
    return '';
  }

  bad(row) {
    const owner = this.journal.owner[row];
    if (owner < 0) return false;
    const service = this.journal.services[owner], { at } = service.cell('exitAt');
    if (this.journal.texts[this.journal.state[row]] === 'Failed') return true;
    return at[upTo(at, row)] === row && service.get('exitGood', row) === false;
  }

  go(time) {
    this.time = Math.min(Math.max(time, 0), this.journal.end);
    this.row = this.journal.rowAt(this.time);
    this.redraw();
  }

  visit(row) {
    this.row = Math.min(Math.max(row, this.journal.before), this.journal.count - 1);
    this.time = this.journal.axis[this.row];
    this.follow();
    this.redraw();
  }

  // step goes to the next or previous event that is shown.
  step(by) {
    const list = this.events.list();
    const current = upTo(list, this.row);
    const next = by < 0 && list[current] !== this.row ? current : current + by;
    if (next >= 0 && next < list.length) this.visit(list[next]);
    else if (by > 0) this.go(this.journal.end);
  }

  choose(id) {
    this.id = id;
    this.redraw();
  }

  window(from, to) {
    const length = Math.min(Math.max(to - from, 1000), Math.max(this.journal.end, 1000));
    this.from = Math.min(Math.max(from, 0), Math.max(0, this.journal.end - length));
    this.to = this.from + length;
    this.redraw();
  }

  zoom(factor, around = this.time) { this.window(around - (around - this.from) * factor, around + (this.to - around) * factor); }

  // follow keeps the moment in sight.
  follow() {
    const length = this.to - this.from;
    if (this.time < this.from || this.time > this.to) this.window(this.time - length / 2, this.time + length / 2);
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  draw() {
    for (const part of this.parts) part.draw();
    this.head();
    this.address();
  }

  head() {
    const { journal, row, now } = this;
    const boot = journal.boots[journal.bootOf[row]];
    const wall = boot.zero + now.boot;
    const number = journal.boots.length - 1 - journal.bootOf[row];
    say(document.getElementById('moment'), wallText(wall));
    say(document.getElementById('place'), `${spanText(Math.max(0, this.time - boot.begin))} into ${number === 0 ? 'the last boot' : `boot -${number}`} · record ${journal.seq[row].toLocaleString('en')}`);
    const id = journal.idOf(row);
    say(document.getElementById('now'), `${id ? clean(id) + ': ' : ''}${clean(journal.text(row))}`);
  }

  // address keeps moment and service in the address of the page, not more often than browsers like.
  address() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const fragment = '#seq=' + this.journal.seq[this.row] + (this.id ? '&id=' + encodeURIComponent(this.id) : '');
      if (fragment !== location.hash) {
        try { history.replaceState(null, '', fragment); } catch { /* some browsers refuse it for files */ }
      }
    }, 300);
  }

  // arrive goes where the address says.
  arrive() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const id = asked.get('id'), seq = Number(asked.get('seq'));
    if (id && this.journal.byID.has(id)) this.id = id;
    else if (id && this.journal.byID.has('ext-' + id)) this.id = 'ext-' + id;
    if (seq > 0) this.visit(Math.max(this.journal.before, upTo(this.journal.seq, seq)));
    this.redraw();
  }

  play(on = !this.playing) {
    this.playing = on;
    const button = document.getElementById('play');
    button.setAttribute('aria-pressed', on);
    say(button, on ? '❚❚ Pause' : '▶ Play');
    if (!on) return;
    if (this.row >= this.journal.count - 1) this.visit(this.journal.before);
    let before;
    // Nobody waits for a night to pass: between two events it stands still for two seconds at most.
    let still = 0;
    const frame = (at) => {
      if (!this.playing) return;
      const passed = before === undefined ? 0 : Math.min(at - before, 100);
      before = at;
      const speed = Number(document.getElementById('speed').value), { row } = this;
      let time = this.time + passed * 1000 * speed;
      still += passed;
      if (still > 2000 && row + 1 < this.journal.count && this.journal.axis[row + 1] > time) time = this.journal.axis[row + 1];
      this.go(time);
      this.follow();
      if (this.row !== row) still = 0;
      if (this.time >= this.journal.end || this.row >= this.journal.count - 1) this.play(false);
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }
}

const legend = ['Waiting', 'Retrying', 'Preparing', 'Unhealthy', 'Running', 'Stopping', 'Finished', 'Failed', 'Skipped', 'Unmet', 'Met'];

function furnish(journal, state) {
  const { heading } = journal.document;
  const element = (id) => document.getElementById(id);
  element('node').textContent = clean(heading.node || 'extactor');
  if (heading.node) document.title = `${clean(heading.node)} - extactor report`;
  const boots = journal.boots.filter((boot) => boot.begin !== undefined).length, first = journal.before, last = journal.count - 1;
  const wall = (row) => { const at = journal.boots[journal.bootOf[row]].zero + journal.clock[row]; return `${dateText(at)} ${clockText(at, 0)}`; };
  element('facts').textContent = `${plural(journal.services.length, 'service')}, ${plural(boots, 'boot')}, ${plural(journal.count - journal.before, 'record')} from ${wall(first)} to ${wall(last)} UTC`;
  element('about').textContent = `extactor ${clean(heading.version)} made this page on ${wallText(journal.document.made)} from ${clean(heading.source)}` +
    `${heading.instance ? ', instance ' + clean(heading.instance) : ''}. It needs no network. Lines of services are those that were recorded when a task ended` +
    `${journal.document.logs ? ', and, as they were printed, the ends of the logs when the page was made: they may hold secrets' : ''}.`;
  if (heading.missing.length > 0) {
    const box = element('missing');
    box.hidden = false;
    box.open = heading.missing.length <= 5;
    box.querySelector('summary').textContent = `Not everything is here: ${plural(heading.missing.length, 'thing')} to know`;
    box.querySelector('ul').append(...heading.missing.map((text) => make('li', '', clean(text))));
  }
  const used = new Set([...journal.services, ...journal.awaited].flatMap((service) => { const cell = service.cell('bar'); return Array.from(cell.value, (value) => cell.values[value]); }));
  for (const phase of legend.filter((phase) => used.has(phase))) {
    const item = make('li', '', phaseText(phase));
    item.prepend(make('span', 'mark ' + phaseClass(phase)));
    element('legend').append(item);
  }
  if (state.timeline.failures.length > 0) {
    const item = make('li', '', 'task failed');
    item.prepend(make('span', 'diamond', '◆'));
    element('legend').append(item);
  }
}

function listen(journal, state) {
  const on = (id, name, work) => document.getElementById(id).addEventListener(name, work);
  const boot = () => { const { begin, end } = journal.boots[journal.bootOf[state.row]]; state.window(begin, end); };
  const around = () => state.window(state.time - 30e6, state.time + 30e6);
  on('first', 'click', () => state.visit(journal.before));
  on('last', 'click', () => state.go(journal.end));
  on('previous', 'click', () => state.step(-1));
  on('next', 'click', () => state.step(1));
  on('play', 'click', () => state.play());
  on('whole', 'click', () => state.window(0, journal.end));
  on('boot', 'click', boot);
  on('around', 'click', around);
  on('closer', 'click', () => state.zoom(0.5));
  on('wider', 'click', () => state.zoom(2));
  on('slider', 'input', (event) => state.go(Number(event.target.value)));
  on('filter', 'input', (event) => { state.filter = event.target.value.trim().toLowerCase(); state.redraw(); });
  on('theme', 'click', () => {
    theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
    state.timeline.stale = true;
    state.redraw();
  });
  const keys = {
    ArrowLeft: () => state.step(-1), ArrowRight: () => state.step(1), Home: () => state.visit(journal.before), End: () => state.go(journal.end),
    ' ': () => state.play(), '/': () => document.getElementById('filter').focus(), Escape: () => state.choose(''), '0': () => state.window(0, journal.end),
    b: boot, a: around, '+': () => state.zoom(0.5), '=': () => state.zoom(0.5), '-': () => state.zoom(2),
  };
  document.addEventListener('keydown', (event) => {
    const { target } = event;
    const typing = target.matches('input[type=search], select'), pressing = target.matches('button, summary, [role=button], input[type=checkbox]');
    if (event.ctrlKey || event.metaKey || event.altKey || typing && event.key !== 'Escape' || pressing && event.key === ' ') return;
    const work = keys[event.key];
    if (!work) return;
    event.preventDefault();
    if (typing) target.blur();
    work();
  });
  // What is drawn cannot be laid out anew on paper, so it is drawn as wide as paper is.
  const paper = (width) => () => {
    document.body.style.width = width;
    state.timeline.stale = true;
    state.draw();
  };
  window.addEventListener('beforeprint', paper('720px'));
  window.addEventListener('afterprint', paper(''));
  window.addEventListener('hashchange', () => state.arrive());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    delete document.documentElement.dataset.theme;
    theme(preferred(), false);
    state.timeline.stale = true;
    state.redraw();
  });
}

function preferred() { return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'; }

// theme sets the colours; what was chosen once stands until the viewer's preference changes.
function theme(name) {
  document.documentElement.dataset.theme = name;
  say(document.getElementById('theme'), name === 'dark' ? 'Light' : 'Dark');
}

async function open() {
  theme(preferred());
  if (!window.DecompressionStream) throw new Error('it needs a browser of 2023 or newer');
  const journal = new Journal(await unpack(document.getElementById('journal').textContent));
  const state = new State(journal);
  state.id = state.worst();
  if (journal.count === journal.before) {
    document.getElementById('facts').textContent = 'Nothing was recorded in this time.';
    document.documentElement.dataset.ready = 'yes';
    return;
  }
  state.timeline = new Timeline(journal, state);
  state.events = new Events(journal, state);
  state.table = new Table(journal, state);
  state.parts = [state.timeline, state.table, new Detail(journal, state), state.events, new Graph(journal, state)];
  furnish(journal, state);
  listen(journal, state);
  state.arrive();
  state.draw();
  window.extactor = { ready: performance.now(), journal, state, explain: (row, id) => new Teller(journal, row).explain(id) };
  document.documentElement.dataset.ready = 'yes';
}

open().catch((problem) => {
  document.documentElement.dataset.ready = 'no';
  document.getElementById('facts').textContent = `This page cannot be shown: ${problem.message}`;
  throw problem;
});
