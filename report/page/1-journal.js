// The journal as it is embedded, and what is so after each of its records. docs/report.md describes the format.

async function unpack(packed) {
  const letters = atob(packed.trim());
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}

// running adds up differences.
function running(differences, array) {
  let sum = 0;
  for (let i = 0; i < differences.length; i++) array[i] = sum += differences[i];
  return array;
}

// upTo returns the index of the last of sorted numbers that is not larger than one, -1 if there is none.
function upTo(numbers, most, low = 0, high = numbers.length) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= most) low = middle + 1; else high = middle;
  }
  return low - 1;
}

// Cell is one thing that is shown of a service: the rows at which it changed, and what it was from then on.
class Cell {
  constructor(document, values) {
    this.at = running(document.at || [], new Int32Array((document.at || []).length));
    this.value = Int32Array.from(document.value || []);
    this.values = values;
    this.place = 0;
  }

  // find returns the index of the change that counts at a row. Most often it is the one of the last time.
  find(row) {
    const { at, place } = this;
    if (at[place] <= row && !(at[place + 1] <= row)) return place;
    const found = upTo(at, row);
    if (found >= 0) this.place = found;
    return found;
  }

  get(row) {
    const found = this.find(row);
    return found < 0 ? undefined : this.values[this.value[found]];
  }
}

const noCell = new Cell({}, []);

class Service {
  constructor(document, values) {
    this.id = document.id;
    this.cells = new Map(document.cells.map((cell) => [cell.name, new Cell(cell, values)]));
  }

  cell(name) { return this.cells.get(name) || noCell; }
  get(name, row) { return this.cell(name).get(row); }
}

// Condition is what services wait for and what is none: it only has a lane.
class Condition {
  constructor(document, values) {
    this.label = document.name;
    this.bar = new Cell(document, values);
  }

  cell(name) { return name === 'bar' ? this.bar : noCell; }
}

class Journal {
  constructor(document) {
    if (document.format !== 'extactor-report' || document.version !== 1) throw new Error('unknown format of the embedded journal');
    const { rows } = document;
    const count = this.count = rows.seq.length;
    Object.assign(this, { document, texts: document.texts, boots: document.boots, before: document.before });
    this.seq = running(rows.seq, new Float64Array(count));
    this.skew = running(rows.skew, new Float64Array(count));
    this.kind = Int32Array.from(rows.kind);
    this.state = Int32Array.from(rows.state);
    this.message = Int32Array.from(rows.message);
    this.told = Int32Array.from(rows.told);
    this.roles = Uint8Array.from(rows.roles);
    this.services = document.services.map((service) => new Service(service, document.values));
    this.byID = new Map(this.services.map((service) => [service.id, service]));
    this.own = new Service({ id: '', cells: document.own }, document.values);
    this.awaited = document.awaited.map((cell) => new Condition(cell, document.values));
    this.times(rows.clock);
    this.owners(rows);
  }

  // times computes the clocks of each row, and its place on the axis: boots stand one after the other, and what lay between
  // two of them is shortened.
  times(differences) {
    const { count, boots } = this;
    this.clock = new Float64Array(count);
    this.bootOf = new Uint16Array(count);
    this.axis = new Float64Array(count);
    let boot = -1, sum = 0, span = 0;
    for (let i = 0; i < count; i++) {
      if (boot + 1 < boots.length && boots[boot + 1].first === i) { boot++; sum = 0; }
      this.bootOf[i] = boot;
      this.clock[i] = sum += differences[i];
      if (i > this.before && boots[boot].first !== i) span += Math.max(0, differences[i]);
    }
    const rest = Math.max(1e6, span * 0.02);
    let end = 0;
    for (let i = this.before; i < count; i++) {
      const here = boots[this.bootOf[i]];
      if (i === this.before) here.base = -this.clock[i];
      else if (here.first === i) {
        const former = boots[this.bootOf[i] - 1];
        const off = here.zero + this.clock[i] - (former.zero + this.clock[i - 1]);
        here.base = end + Math.min(Math.max(off, 0), rest) - this.clock[i];
        former.end = end;
      }
      if (here.begin === undefined) here.begin = here.base + this.clock[i];
      end = this.axis[i] = Math.max(end, here.base + this.clock[i]);
    }
    this.end = end + this.document.after;
    if (boots.length > 0) boots[boots.length - 1].end = this.end;
  }

  // owners lists the rows of each service, and those that have a text for people.
  owners(rows) {
    const { count, services, texts } = this;
    const number = new Map(services.map((service, i) => [service.id, i]));
    const of = texts.map((text) => (number.has(text) ? number.get(text) : -1));
    this.owner = new Int32Array(count);
    const lists = services.map(() => []), lines = services.map(() => []), all = [], spoken = [];
    for (let i = 0; i < count; i++) {
      const owner = this.owner[i] = of[rows.service[i]];
      const text = this.message[i] !== 0;
      if (owner >= 0) { lists[owner].push(i); if (text) lines[owner].push(i); }
      if (i < this.before) continue;
      all.push(i);
      if (text) spoken.push(i);
    }
    services.forEach((service, i) => { service.rows = Int32Array.from(lists[i]); service.lines = Int32Array.from(lines[i]); });
    this.all = Int32Array.from(all);
    this.spoken = Int32Array.from(spoken);
    this.cause = new Int32Array(count);
    this.decision = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      this.cause[i] = rows.cause[i] === 0 ? -1 : this.rowOf(this.seq[i] - rows.cause[i]);
      this.decision[i] = rows.decision[i] === 0 ? i : upTo(this.seq, this.seq[i] - rows.decision[i] - 1) + 1;
    }
  }

  // rowOf finds the row of a sequence, -1 if there is none.
  rowOf(seq) {
    const row = upTo(this.seq, seq);
    return row >= 0 && this.seq[row] === seq ? row : -1;
  }

  rowAt(time) { return Math.max(this.before, upTo(this.axis, time, this.before)); }

  wall(row) { return this.clock[row] + this.skew[row]; }
  text(row) { return this.texts[this.message[row]] || this.texts[this.told[row]] || this.texts[this.kind[row]] || '?'; }
  idOf(row) { return this.owner[row] < 0 ? '' : this.services[this.owner[row]].id; }

  // instant is a moment so many microseconds after a row, on both clocks.
  instant(row, after = 0) {
    return { wall: this.wall(row) + after, boot: this.clock[row] + after, bootID: this.boots[this.bootOf[row]].id };
  }

  // moment is what a cell of moments holds.
  moment(service, name, row) {
    const cell = service.cell(name), found = cell.find(row);
    if (found < 0) return undefined;
    const value = cell.values[cell.value[found]];
    return value === null ? this.instant(cell.at[found]) : { wall: value[0], boot: value[1], bootID: value[2] };
  }

  // recent are the rows of the last lines of EVENTS, oldest first, as many as a status has.
  recent(service, row, most = 64) {
    const end = upTo(service.lines, row) + 1;
    return service.lines.subarray(Math.max(0, end - most), end);
  }

  conditions(service, row) {
    return (service.get('depends', row) || []).map((key) => ({
      key, met: service.get('met ' + key, row), text: service.get('wait ' + key, row), since: this.moment(service, 'since ' + key, row),
    }));
  }

  waiting(service, row) {
    if (service.get('state', row) !== 'Waiting' || service.get('nextRetry', row) !== 0) return [];
    return this.conditions(service, row).filter((condition) => condition.met !== 'met');
  }

  present(row) { return this.services.filter((service) => service.get('present', row) === true); }
}
