// Why a service is as it is: what package history tells of a journal, from the same records.

const shownRole = 1, commandRole = 2, personRole = 4, restartRole = 8, failedRole = 16, endRole = 32;

class Teller {
  constructor(journal, row) { Object.assign(this, { journal, row, told: new Set() }); }

  // explain is the chain of causes of a service, undefined where nothing is known of it.
  explain(id) {
    const { journal, row } = this, service = journal.byID.get(id);
    if (!service || !service.get('entered', row)) return undefined;
    const cause = this.service(service), stop = journal.own.get('stop', row);
    if (stop) cause.because.unshift(this.cause(this.find(stop), stop));
    return cause;
  }

  // find is the row of a sequence, -1 where the page does not have the record.
  find(seq) {
    const row = this.journal.rowOf(seq);
    return row >= this.journal.before ? row : -1;
  }

  service(service) {
    const { journal, row } = this, entered = service.get('entered', row), at = this.find(entered);
    const cause = {
      seq: entered, row: at, text: `${service.id} ${service.get('is', row)}`, then: '', lasting: true, because: [],
      at: at < 0 ? undefined : journal.instant(at),
    };
    if (this.told.has(service)) { cause.then = 'as told before'; return cause; }
    this.told.add(service);
    const waiting = journal.waiting(service, row);
    if (waiting.length > 0) cause.because.push(...waiting.map((condition) => this.waits(service, condition)), ...this.ends(service));
    else cause.because.push(...this.chain(at));
    const blocked = service.get('blocked', row);
    if (blocked) cause.because.unshift(this.cause(this.find(blocked), blocked));
    return cause;
  }

  waits(service, { key, met }) {
    const { journal, row } = this, changed = service.get('changed ' + key, row);
    const cause = { seq: 0, row: -1, text: service.get('awaits ' + key, row), then: 'of which nothing is known yet', lasting: false, because: [] };
    if (met === 'unknown') return cause;
    if (!changed) return Object.assign(cause, { then: 'of which nothing is left in the journal' });
    const at = this.find(changed), colon = key.indexOf(':'), kind = colon < 0 ? key : key.slice(0, colon);
    Object.assign(cause, { seq: changed, row: at, at: at < 0 ? undefined : journal.instant(at), lasting: true, then: 'which ' + service.get('absence ' + key, row) });
    const provider = colon < 0 ? undefined : journal.byID.get(key.slice(colon + 1));
    if (provider && provider.get('entered', row) && (kind === 'service' || kind === 'completed')) cause.because.push(this.service(provider));
    else cause.because.push(...this.chain(at < 0 ? -1 : this.former(at)));
    return cause;
  }

  ends(service) {
    const { journal, row } = this, last = service.get('lastExit', row), times = service.get('endings', row);
    if (!last) return [];
    const exit = this.cause(this.find(last), last);
    if (times > 0) exit.because.push({ seq: 0, row: -1, text: restarted(times), then: '', lasting: true, at: journal.moment(service, 'firstExit', row), because: [] });
    return [exit];
  }

  // cause is what a record says; of one that the page does not have that is not known.
  cause(row, seq) {
    const { journal } = this;
    if (row < 0) return { seq, row, text: `record ${seq}, from before this page`, then: '', lasting: false, because: [] };
    return { seq, row, text: journal.texts[journal.told[row]] || journal.texts[journal.message[row]], then: '', lasting: false, at: journal.instant(row), because: [] };
  }

  // chain tells what led to a row, back to a fact that nothing recorded led to, each step below the one that it led to.
  chain(row) {
    const first = [];
    let below = first;
    const add = (cause) => { below.push(cause); below = cause.because; };
    while (row >= 0) {
      if (this.worth(row)) add(this.cause(row, this.journal.seq[row]));
      if (!this.is(row, restartRole)) { row = this.former(row); continue; }
      const exit = this.former(row), { earliest, times } = this.earlier(exit);
      if (exit >= 0) add(this.cause(exit, this.journal.seq[exit]));
      if (times > 0) add({ seq: 0, row: -1, text: restarted(times), then: '', lasting: true, at: this.journal.instant(earliest), because: [] });
      row = this.former(earliest);
    }
    return first;
  }

  is(row, role) { return (this.journal.roles[row] & role) !== 0; }

  worth(row) {
    if (!this.is(row, failedRole)) return this.is(row, shownRole);
    const former = this.former(row);
    return former < 0 || !this.is(former, endRole);
  }

  // earlier goes back over the ends and restarts before the end of a task, to the first end.
  earlier(exit) {
    let earliest = exit, times = 0;
    for (let row = this.former(exit); row >= 0 && this.journal.owner[row] === this.journal.owner[exit]; row = this.former(row)) {
      if (!this.is(row, restartRole)) continue;
      const ended = this.former(row);
      if (ended >= 0) { earliest = row = ended; times++; }
    }
    return { earliest, times };
  }

  // former is the row that led to a row: the one before it in the same decision, else the decision's cause.
  former(row) {
    if (row < 0) return -1;
    const { journal } = this;
    if (journal.decision[row] < row) {
      const before = this.find(journal.seq[row] - 1);
      if (before >= 0 && (!this.is(before, commandRole) || this.is(before, personRole))) return before;
    }
    return this.is(row, commandRole) && this.is(row, personRole) ? -1 : Math.max(journal.cause[row], -1) < journal.before ? -1 : journal.cause[row];
  }
}

function restarted(times) { return times === 1 ? 'it was restarted once' : `it was restarted ${times} times`; }

// causeList shows a chain of causes; a click on one goes to it.
function causeList(causes, state) {
  const list = make('ul', 'causes');
  for (const cause of causes) {
    const item = make('li'), line = make('p');
    const boot = cause.row >= 0 && state.journal.boots[state.journal.bootOf[cause.row]];
    const wall = boot ? boot.zero + cause.at.boot : cause.at && cause.at.wall;
    line.append(clean(cause.text));
    if (wall) line.append(make('span', 'muted', ` ${cause.lasting ? 'since' : 'at'} ${clockText(wall)}`));
    if (cause.then) line.append(', ' + clean(cause.then));
    if (cause.row >= 0) {
      line.className = 'link';
      line.addEventListener('click', () => state.visit(cause.row));
    }
    item.append(line);
    if (cause.because.length > 0) item.append(causeList(cause.because, state));
    list.append(item);
  }
  return list;
}
