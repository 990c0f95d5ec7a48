// The slider with what lies under it, and a lane for each service.

const laneHeight = 18, axisHeight = 22, mostLanes = 15, thumb = 16;

class Timeline {
  constructor(journal, state) {
    Object.assign(this, { journal, state });
    this.density = document.getElementById('density');
    this.slider = document.getElementById('slider');
    this.box = document.querySelector('#timeline .lanes');
    this.canvas = this.box.querySelector('canvas');
    this.height = this.box.querySelector('.height');
    this.head = this.box.querySelector('.head');
    this.failures = Int32Array.from(journal.services.flatMap((service) => Array.from(service.cell('exitAt').at)
      .filter((row) => row >= journal.before && service.get('exitGood', row) === false))).sort();
    this.order();
    this.box.addEventListener('scroll', () => { this.stale = true; state.redraw(); });
    new ResizeObserver(() => { this.stale = true; state.redraw(); }).observe(this.box);
    this.drag();
  }

  // order has services stand as they got going, as extactor plot does.
  order() {
    const { journal } = this;
    const begun = (service) => {
      const cell = service.cell('bar');
      for (let i = 0; i < cell.at.length; i++) {
        if (['Preparing', 'Running', 'Unhealthy', 'Met'].includes(cell.values[cell.value[i]])) return cell.at[i];
      }
      return Infinity;
    };
    const name = ({ id, label }) => id || label;
    this.ordered = [...journal.awaited, ...journal.services].map((lane) => [begun(lane), lane])
      .sort(([a, first], [b, second]) => (a === b ? (name(first) < name(second) ? -1 : 1) : a - b)).map(([, lane]) => lane);
  }

  filtered() {
    const { ordered, state } = this;
    if (this.kept === undefined || this.keptFor !== state.filter) {
      this.kept = ordered.filter(({ id, label }) => state.wants(id || label));
      this.keptFor = state.filter;
    }
    return this.kept;
  }

  x(time) { return this.left + (time - this.state.from) / (this.state.to - this.state.from) * this.width; }
  timeAt(x) { return this.state.from + (x - this.left) / this.width * (this.state.to - this.state.from); }

  // measure finds out where time begins and how wide it is: the same for the slider and the lanes.
  measure() {
    const overview = this.density.parentElement;
    overview.style.marginRight = `${this.box.offsetWidth - this.box.clientWidth}px`;
    const frame = overview.getBoundingClientRect();
    this.left = frame.left - this.box.getBoundingClientRect().left + thumb / 2;
    this.width = Math.max(50, frame.width - thumb);
    const style = getComputedStyle(document.documentElement);
    this.colours = new Map();
    this.colour = (name) => {
      let found = this.colours.get(name);
      if (found === undefined) this.colours.set(name, found = style.getPropertyValue('--' + name).trim());
      return found;
    };
  }

  draw() {
    const { state } = this;
    const lanes = this.filtered();
    if (this.stale || this.lanes !== lanes || this.from !== state.from || this.to !== state.to || this.selected !== state.id) {
      this.stale = false;
      Object.assign(this, { lanes, from: state.from, to: state.to, selected: state.id });
      this.narrow = this.box.offsetWidth < 600;
      this.room = (this.narrow ? 2 : 1) * laneHeight; // of one lane; on a narrow screen its name stands above it
      this.height.style.height = `${lanes.length * this.room + axisHeight}px`;
      this.box.style.height = `${Math.min(lanes.length, Math.max(4, Math.floor(mostLanes * laneHeight / this.room))) * this.room + axisHeight}px`;
      this.measure();
      this.find();
      this.drawLanes(lanes, this.room);
      this.drawDensity();
      this.slider.min = state.from;
      this.slider.max = state.to;
    }
    const x = this.x(state.time);
    this.head.style.transform = `translateX(${x}px)`;
    this.head.style.height = `${Math.max(this.box.clientHeight, lanes.length * this.room + axisHeight)}px`;
    show(this.head, x >= this.left - 1 && x <= this.left + this.width + 1);
    if (Number(this.slider.value) !== state.time) this.slider.value = state.time;
    const boot = this.journal.boots[this.journal.bootOf[state.row]];
    this.slider.setAttribute('aria-valuetext', wallText(boot.zero + this.journal.clock[state.row]));
  }

  // find brings the service that was chosen into sight.
  find() {
    const { box, room } = this, at = this.lanes.findIndex((service) => service.id === this.state.id);
    if (this.found === this.state.id || at < 0) return;
    this.found = this.state.id;
    const top = at * room;
    if (top < box.scrollTop || top + room + axisHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 2;
  }

  // surface sizes a canvas for the screen's points.
  surface(canvas, width, height) {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext('2d');
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.font = '12px system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';
    return pen;
  }

  drawLanes(lanes, laneRoom) {
    const { box, canvas, narrow } = this;
    const height = Math.min(box.clientHeight, lanes.length * laneRoom + axisHeight);
    const pen = this.surface(canvas, box.clientWidth, height);
    const from = box.scrollTop;
    this.drawAxis(pen, height);
    const first = Math.floor(from / laneRoom), last = Math.min(lanes.length, Math.ceil((from + height) / laneRoom));
    pen.save();
    pen.beginPath();
    pen.rect(0, axisHeight, box.clientWidth, height - axisHeight);
    pen.clip();
    for (let i = first; i < last; i++) {
      const y = axisHeight + i * laneRoom - from;
      const chosen = lanes[i].id !== undefined && lanes[i].id === this.state.id;
      if (chosen) { pen.fillStyle = this.colour('panel'); pen.fillRect(0, y, box.clientWidth, laneRoom); }
      pen.fillStyle = this.colour(chosen ? 'accent' : lanes[i].id ? 'ink' : 'muted');
      pen.font = pen.font.replace(/^(bold )?/, chosen ? 'bold ' : '');
      pen.fillText(fitText(pen, clean(lanes[i].id || lanes[i].label), narrow ? this.width : this.left - 16), narrow ? this.left : 8, y + 13);
      this.drawLane(pen, lanes[i], narrow ? y + laneHeight : y);
    }
    pen.restore();
  }

  // drawLane draws the phases of a service. Parts that are too thin to be seen are drawn as one, as the longest of them.
  drawLane(pen, service, y) {
    const { journal, state } = this;
    const cell = service.cell('bar'), { axis } = journal;
    const count = cell.at.length;
    const right = this.left + this.width, top = y + 3, height = laneHeight - 6;
    let i = Math.max(0, upTo(cell.at, journal.rowAt(state.from)));
    let begin = -1, best = '', longest = -1;
    for (let looked = 0; i < count && looked < 20000; i++, looked++) {
      const starts = axis[Math.max(cell.at[i], journal.before)];
      if (starts > state.to) break;
      const boot = journal.boots[journal.bootOf[Math.max(cell.at[i], journal.before)]];
      const ends = i + 1 < count ? Math.min(axis[cell.at[i + 1]], boot.end) : boot.end;
      const x = Math.max(this.left, this.x(starts)), until = Math.min(right, this.x(ends));
      if (begin < 0) begin = x;
      const phase = cell.values[cell.value[i]];
      if (until - x >= longest) { longest = until - x; best = phase; }
      const goesOn = i + 1 < count && axis[cell.at[i + 1]] <= state.to && axis[cell.at[i + 1]] <= boot.end;
      if (until - begin < 1.2 && goesOn) continue;
      if (best !== '') {
        pen.fillStyle = this.colour(phaseClass(best));
        pen.fillRect(begin, top, Math.max(1.2, until - begin), height);
      }
      begin = longest = -1;
    }
    if (service.id) this.drawEnds(pen, service, y + laneHeight / 2);
  }

  // drawEnds marks where tasks ended with a failure.
  drawEnds(pen, service, y) {
    const { journal, state } = this;
    const { at } = service.cell('exitAt');
    let free = -Infinity;
    for (let i = upTo(at, journal.rowAt(state.from)) + 1, looked = 0; i < at.length && looked < 20000; i++, looked++) {
      const time = journal.axis[at[i]];
      if (time > state.to) break;
      const x = this.x(time);
      if (x < free || x < this.left || service.get('exitGood', at[i]) !== false) continue;
      free = x + 4;
      pen.fillStyle = this.colour('bad');
      pen.beginPath();
      pen.moveTo(x, y - 5); pen.lineTo(x + 4, y); pen.lineTo(x, y + 5); pen.lineTo(x - 4, y);
      pen.fill();
    }
  }

  // drawAxis draws the marks of each boot: by the clock, or, where one boot is looked at closely, from its beginning.
  drawAxis(pen, height) {
    const { journal, state } = this;
    const length = state.to - state.from, step = tickOf(length, Math.max(2, Math.floor(this.width / 90)));
    const seen = journal.boots.filter((boot) => boot.begin !== undefined && boot.begin <= state.to && boot.end >= state.from);
    const relative = seen.length === 1 && length < 600e6;
    let free = this.left - 20;
    pen.textAlign = 'center';
    pen.font = pen.font.replace(/\d+px/, '11px');
    for (const boot of seen) {
      const former = journal.boots[journal.boots.indexOf(boot) - 1];
      if (former && former.end !== undefined && boot.begin > state.from) this.drawPause(pen, this.x(former.end), this.x(boot.begin), height);
      const origin = relative ? boot.begin : boot.base - boot.zero, from = Math.max(state.from, boot.begin), to = Math.min(state.to, boot.end);
      for (let mark = Math.ceil((from - origin) / step) * step; mark + origin <= to; mark += step) {
        const x = Math.round(this.x(mark + origin)) + 0.5;
        pen.strokeStyle = this.colour('grid');
        pen.beginPath(); pen.moveTo(x, axisHeight - 4); pen.lineTo(x, height); pen.stroke();
        const text = relative ? (mark === 0 ? '0' : '+' + spanText(mark)) : axisText(mark, step), half = pen.measureText(text).width / 2;
        if (x - half < Math.max(free, 0) || x + half > this.left + this.width + 8) continue;
        pen.fillStyle = this.colour('muted');
        pen.fillText(text, x, 13);
        free = x + half + 12;
      }
    }
    pen.font = pen.font.replace(/\d+px/, '12px');
    pen.textAlign = 'start';
  }

  // drawPause marks the time between two boots, which is longer than it looks.
  drawPause(pen, from, to, height) {
    pen.fillStyle = this.colour('grid');
    pen.globalAlpha = 0.6;
    pen.fillRect(from, axisHeight, to - from, height - axisHeight);
    pen.globalAlpha = 1;
    pen.strokeStyle = this.colour('calm-line');
    pen.setLineDash([4, 3]);
    pen.beginPath(); pen.moveTo(to, 2); pen.lineTo(to, height); pen.stroke();
    pen.setLineDash([]);
  }

  // drawDensity draws how much happened when.
  drawDensity() {
    const { journal, density, state } = this;
    const width = density.parentElement.clientWidth, height = density.parentElement.clientHeight;
    const pen = this.surface(density, width, height);
    const bars = Math.max(1, Math.floor((width - 16) / 3));
    const count = (list) => {
      const found = new Int32Array(bars);
      let before = upTo(list, upTo(journal.axis, state.from - 1, journal.before));
      for (let i = 0; i < bars; i++) {
        const end = upTo(list, upTo(journal.axis, state.from + (i + 1) / bars * (state.to - state.from), journal.before), Math.max(0, before));
        found[i] = end - before;
        before = end;
      }
      return found;
    };
    const all = count(journal.spoken), failed = count(this.failures);
    const most = Math.log2(1 + all.reduce((a, b) => Math.max(a, b), 1));
    for (let i = 0; i < bars; i++) {
      const size = all[i] === 0 ? 0 : Math.max(2, Math.log2(1 + all[i]) / most * (height - 16));
      pen.fillStyle = this.colour('calm-line');
      pen.fillRect(8 + i * 3, height - 8 - size, 2, size);
      if (failed[i] > 0) {
        pen.fillStyle = this.colour('bad');
        pen.fillRect(8 + i * 3, height - 8 - size, 2, Math.max(3, size * failed[i] / all[i]));
      }
    }
  }

  // hint says what is under the pointer.
  hint(lane, time) {
    const { journal } = this, row = journal.rowAt(Math.min(Math.max(time, 0), journal.end));
    const phase = lane.cell('bar').get(row), boot = journal.boots[journal.bootOf[row]];
    return `${clean(lane.id || lane.label)}: ${phase ? phaseText(phase) : 'not there'} at ${clockText(boot.zero + time - boot.base)}`;
  }

  // drag moves the moment with the pointer; a click on a name chooses the service. The wheel with Ctrl zooms.
  drag() {
    const { box, state } = this;
    const place = (event) => {
      const frame = box.getBoundingClientRect();
      const x = event.clientX - frame.left, y = event.clientY - frame.top;
      const lane = y < axisHeight ? -1 : Math.floor((y - axisHeight + box.scrollTop) / this.room);
      return { x, service: this.filtered()[lane] };
    };
    box.addEventListener('pointerdown', (event) => {
      const { x, service } = place(event);
      if (event.button !== 0 || x > box.clientWidth) return;
      if (service && service.id) state.choose(service.id);
      if (x < this.left) return;
      box.setPointerCapture(event.pointerId);
      state.go(this.timeAt(x));
    });
    box.addEventListener('pointermove', (event) => {
      const { x, service } = place(event);
      if (box.hasPointerCapture(event.pointerId)) state.go(this.timeAt(x));
      else box.title = service && x >= this.left ? this.hint(service, this.timeAt(x)) : '';
    });
    for (const area of [box, this.slider]) {
      area.addEventListener('wheel', (event) => {
        if (!event.ctrlKey && !event.shiftKey) return;
        event.preventDefault();
        const frame = box.getBoundingClientRect();
        if (event.ctrlKey) state.zoom(event.deltaY < 0 ? 0.8 : 1.25, this.timeAt(event.clientX - frame.left));
        else state.window(state.from + (state.to - state.from) * Math.sign(event.deltaY || event.deltaX) * 0.1, state.to + (state.to - state.from) * Math.sign(event.deltaY || event.deltaX) * 0.1);
      }, { passive: false });
    }
  }
}

// tickOf is a round distance of marks, so that there are at most so many.
function tickOf(length, most) {
  for (let unit = 1; unit <= 1e7; unit *= 10) {
    for (const step of [1, 2, 5]) if (length / (unit * step) <= most && unit * step <= 30e6) return unit * step;
  }
  for (const minutes of [0.5, 1, 2, 5, 10, 30, 60, 120, 360, 720]) if (length / (minutes * 60e6) <= most) return minutes * 60e6;
  let days = 86400e6;
  while (length / days > most) days *= 2;
  return days;
}

function axisText(wall, step) {
  const midnight = Math.abs(wall % 86400e6) < 1;
  if (midnight || step >= 86400e6) return dateText(wall).slice(5);
  return step >= 60e6 ? clockText(wall, 0).slice(0, 5) : clockText(wall, step >= 1e6 ? 0 : 3);
}

// fitText cuts a text to a width.
function fitText(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(text.slice(0, middle) + '…').width <= room) low = middle; else high = middle - 1;
  }
  return text.slice(0, low) + '…';
}
