// The table of services, what is known of one of them, and the events.

const rowHeight = 26;

// Table fills only those of its rows that can be seen.
class Table {
  constructor(journal, state) {
    Object.assign(this, { journal, state });
    this.body = document.querySelector('#services tbody');
    this.count = document.getElementById('count');
    this.rejected = document.getElementById('rejected');
    this.rows = journal.services.map((service) => this.row(service));
    this.body.append(...this.rows.map((row) => row.element));
    this.box = this.body.closest('.scroll');
    this.box.addEventListener('scroll', () => state.redraw());
  }

  row(service) {
    const element = make('tr');
    const name = make('button', 'name', clean(service.id));
    name.type = 'button';
    name.addEventListener('click', () => this.state.choose(service.id));
    const mark = make('span', 'mark');
    const head = make('th');
    head.append(mark, name);
    const cells = ['state', 'health', 'number', 'change', 'event'].map((className) => make('td', className));
    element.append(head, ...cells);
    // The style lays rows out by itself, so that it has to be said what they are.
    element.setAttribute('role', 'row');
    head.setAttribute('role', 'rowheader');
    for (const cell of cells) cell.setAttribute('role', 'cell');
    element.addEventListener('click', (event) => { if (event.target !== name) this.state.choose(service.id); });
    return { service, element, mark, name, cells };
  }

  // find brings the service that was chosen into sight, without moving the page.
  find(id) {
    const row = this.rows.find(({ service }) => service.id === id), { box } = this;
    if (!row || row.element.hidden) return;
    const { offsetTop, offsetHeight } = row.element;
    if (offsetTop < box.scrollTop + offsetHeight || offsetTop + offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = offsetTop - box.clientHeight / 2;
  }

  draw() {
    const { journal, state } = this;
    const { row } = state;
    let services = 0, up = 0;
    const shown = [];
    for (const one of this.rows) {
      const present = one.service.get('present', row) === true, wanted = present && state.wants(one.service.id);
      if (present) { services++; if (one.service.get('state', row) === 'Running') up++; }
      show(one.element, wanted);
      if (wanted) shown.push(one);
    }
    if (this.found !== state.id) this.find(this.found = state.id);
    const { scrollTop, clientHeight } = this.box, first = Math.max(0, Math.floor(scrollTop / rowHeight) - 2);
    for (const one of this.whole ? shown : shown.slice(first, first + Math.ceil(clientHeight / rowHeight) + 4)) this.fill(one);
    const stopped = journal.own.get('stopped', row) === true;
    say(this.count, `${up} of ${services} running${stopped ? '; the daemon had stopped, and supervised nothing' : ''}`);
    const files = journal.own.get('rejected', row) || [];
    show(this.rejected, files.length > 0);
    if (files.length > 0) say(this.rejected, `${plural(files.length, 'file')} skipped: ${clean(files.join(', '))}`);
  }

  fill({ service, element, mark, cells }) {
    const { journal, state } = this;
    const { row, now } = state;
    const health = service.get('health', row), last = journal.recent(service, row, 1)[0];
    dress(mark, 'mark ' + phaseClass(service.get('phase', row)));
    dress(element, service.id === state.id ? 'chosen' : '');
    say(cells[0], service.get('state', row));
    say(cells[1], health);
    dress(cells[1], 'health ' + ({ OK: 'good', Fail: 'bad' }[health] || ''));
    say(cells[2], String(service.get('restarts', row) || ''));
    say(cells[3], last === undefined ? '' : ago(journal.instant(last), now));
    const event = last === undefined ? '<none>' : clean(journal.text(last));
    say(cells[4], event);
    if (cells[4].title !== event) cells[4].title = event;
  }
}

class Detail {
  constructor(journal, state) {
    Object.assign(this, { journal, state, box: document.getElementById('detail') });
  }

  draw() {
    const { journal, state, box } = this;
    const { row, now, id } = state;
    const service = journal.byID.get(id);
    const parts = [];
    if (!service) {
      parts.push(make('h2', '', 'Service'), make('p', 'muted', 'Choose a service in the table, the timeline or the graph.'));
      box.replaceChildren(...parts);
      return;
    }
    const heading = make('h2', '', clean(id));
    const close = make('button', '', '×');
    close.type = 'button';
    close.title = 'Choose none (Esc)';
    close.setAttribute('aria-label', 'Choose no service');
    close.addEventListener('click', () => state.choose(''));
    heading.append(close);
    parts.push(heading);
    if (service.get('present', row) !== true) {
      parts.push(make('p', 'muted', 'It was not there at this moment.'));
      box.replaceChildren(...parts);
      return;
    }
    parts.push(this.summary(service, row), this.facts(service, row, now));
    const why = this.why(service, row);
    if (why) parts.push(make('h3', '', 'How it came to be'), why);
    const conditions = journal.conditions(service, row);
    if (conditions.length > 0) parts.push(make('h3', '', 'Depends on'), this.conditions(conditions, now));
    const lines = service.get('exitLines', row);
    if (lines) parts.push(make('h3', '', 'Last lines of the task that ended'), make('pre', '', cleanLines(lines)));
    const logs = (journal.document.logs || {})[id];
    if (logs) parts.push(make('h3', '', 'Log, as it was when the page was made'), make('pre', '', cleanLines(logs.join('\n'))));
    parts.push(make('h3', '', 'Events'), this.lines(service, row, now));
    box.replaceChildren(...parts);
  }

  summary(service, row) {
    const line = make('p', 'summary');
    line.append(make('span', 'mark ' + phaseClass(service.get('phase', row))), make('strong', '', clean(service.get('text', row))));
    return line;
  }

  facts(service, row, now) {
    const list = make('dl');
    const add = (name, value, className) => {
      if (value === undefined || value === null || value === '' || value === false) return;
      list.append(make('dt', '', name), make('dd', className || '', clean(value)));
    };
    const since = this.journal.moment(service, 'since', row);
    if (since && since.wall !== 0) add('Since', `${spanText(age(since, now))} (${dateText(since.wall)} ${clockText(since.wall)})`);
    add('Problem', service.get('problem', row), 'bad');
    const waiting = this.journal.waiting(service, row);
    if (waiting.length > 0) add('Waits for', waiting.map((each) => each.text || each.key).join(', '), 'warn');
    const retry = service.get('nextRetry', row);
    if (retry) add('Next retry', `in ${spanText(Math.max(0, retry - now.boot))}`, 'warn');
    const health = service.get('health', row), message = service.get('healthMessage', row);
    add('Health', message ? `${health}: ${message}` : health, health === 'Fail' ? 'bad' : '');
    if (service.get('desired', row) === 'stopped') add('Wanted', 'stopped, by a person');
    add('Attempt', service.get('attempt', row) || '');
    add('Restarts', service.get('restarts', row) || '');
    add('PID', service.get('pid', row) || '');
    const exit = service.get('exit', row);
    if (exit) {
      const at = this.journal.moment(service, 'exitAt', row);
      add('Last exit', exit + (at ? `, ${spanText(age(at, now))} ago` : ''), service.get('exitGood', row) ? '' : 'bad');
    }
    add('Cycle', service.get('cycle', row), 'bad');
    add('File problem', service.get('fileProblem', row), 'bad');
    if (service.get('pending', row)) add('Restart', 'pending: the configuration has changed', 'warn');
    add('File', service.get('source', row));
    return list;
  }

  conditions(conditions, now) {
    const list = make('ul', 'conditions');
    for (const { key, met, text, since } of conditions) {
      const item = make('li', met);
      const what = (met !== 'met' && text) || labelOf(this.journal, key);
      item.append(make('span', '', clean(what)), make('span', 'muted', { met: ' met', unmet: ' unmet', unknown: ' not known yet' }[met] + (since ? `, ${spanText(age(since, now))}` : '')));
      const [kind, name] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)];
      if ((kind === 'service' || kind === 'completed') && this.journal.byID.has(name)) {
        item.classList.add('link');
        item.tabIndex = 0;
        item.addEventListener('click', () => this.state.choose(name));
        item.addEventListener('keydown', (event) => { if (event.key === 'Enter') this.state.choose(name); });
      }
      list.append(item);
    }
    return list;
  }

  // why tells what led there; where nothing did that is in the page, it is left out.
  why(service, row) {
    const cause = new Teller(this.journal, row).explain(service.id);
    return cause && cause.because.length > 0 ? causeList(cause.because, this.state) : null;
  }

  lines(service, row, now) {
    const list = make('ol', 'lines');
    const recent = this.journal.recent(service, row);
    for (let i = recent.length - 1; i >= 0; i--) {
      const at = recent[i];
      const item = make('li');
      item.append(make('span', 'state', `[${clean(this.journal.texts[this.journal.state[at]])}]`), make('span', '', ': ' + clean(this.journal.text(at))),
        make('span', 'muted', ` (${ago(this.journal.instant(at), now)})`));
      if (at >= this.journal.before) {
        item.classList.add('link');
        item.addEventListener('click', () => this.state.visit(at));
      }
      list.append(item);
    }
    return list;
  }
}

function labelOf(journal, key) {
  const [kind, name] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)];
  if (kind === 'service') return name;
  if (kind === 'completed') return `${name} to have finished`;
  const node = journal.document.graph.names.find((name) => name.condition && name.id === key);
  return node ? node.label : key;
}

const eventHeight = 22, mostEvents = 15;

// Events is a list of which only those rows are made that can be seen.
class Events {
  constructor(journal, state) {
    Object.assign(this, { journal, state });
    this.box = document.querySelector('#events .list');
    this.height = this.box.querySelector('.height');
    this.shown = document.getElementById('shown');
    this.every = document.getElementById('every');
    this.made = [];
    this.only = document.getElementById('only');
    for (const box of [this.every, this.only]) box.addEventListener('change', () => state.redraw());
    this.box.addEventListener('scroll', () => { this.scrolled = true; state.redraw(); });
    this.box.addEventListener('click', (event) => {
      const row = event.target.closest('.event');
      if (row) state.visit(row.row);
    });
  }

  list() {
    const { journal, state, every } = this;
    const id = this.only.checked ? state.id : '';
    const key = `${every.checked} ${id} ${state.filter}`;
    if (this.listed !== undefined && this.key === key) return this.listed;
    this.key = key;
    const all = every.checked ? journal.all : journal.spoken;
    if (id === '' && state.filter === '') return this.listed = all;
    const wanted = journal.services.map((service) => (id === '' ? state.wants(service.id) : service.id === id));
    return this.listed = all.filter((row) => journal.owner[row] >= 0 && wanted[journal.owner[row]]);
  }

  draw() {
    const { journal, state, box } = this;
    const list = this.list();
    const current = upTo(list, state.row);
    if (this.drawn !== list) {
      this.drawn = list;
      this.height.style.height = `${list.length * eventHeight}px`;
      box.style.height = `${Math.min(Math.max(list.length, 2), mostEvents) * eventHeight}px`;
      say(this.shown, plural(list.length, this.every.checked ? 'record' : 'event'));
      this.followed = undefined;
      dress(box, this.only.checked && state.id !== '' ? 'list one' : 'list');
    }
    if (this.followed !== state.row && !this.scrolled) {
      const top = current * eventHeight, height = box.clientHeight;
      if (top < box.scrollTop || top > box.scrollTop + height - 2 * eventHeight) box.scrollTop = Math.max(0, top - height / 2);
    }
    this.followed = state.row;
    this.scrolled = false;
    const first = Math.max(0, Math.floor(box.scrollTop / eventHeight) - 2);
    const visible = Math.min(list.length - first, Math.ceil(box.clientHeight / eventHeight) + 4);
    while (this.made.length < visible) this.made.push(this.event());
    this.made.forEach((event, i) => this.fill(event, i < visible ? list[first + i] : -1, first + i, current));
  }

  event() {
    const element = make('div', 'event');
    element.setAttribute('role', 'option');
    const parts = ['time', 'id', 'text'].map((className) => make('span', className));
    element.append(...parts);
    this.box.append(element);
    return { element, parts };
  }

  fill({ element, parts }, row, index, current) {
    const { journal, state } = this;
    show(element, row >= 0);
    if (row < 0) return;
    element.row = row;
    const top = index * eventHeight;
    if (element.top !== top) { element.top = top; element.style.transform = `translateY(${top}px)`; }
    dress(element, 'event' + (index === current ? ' current' : '') + (index > current ? ' later' : '') + (state.bad(row) ? ' bad' : '') + (state.id !== '' && journal.idOf(row) === state.id ? ' chosen' : ''));
    const boot = journal.boots[journal.bootOf[row]];
    say(parts[0], clockText(boot.zero + journal.clock[row]));
    say(parts[1], clean(journal.idOf(row) || 'extactor'));
    const text = clean(journal.text(row));
    say(parts[2], text);
    if (element.title !== text) element.title = text;
  }
}
