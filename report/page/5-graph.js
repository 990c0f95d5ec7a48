// The graph of dependencies. Its places are those of all services that there ever were: nothing moves between two moments.

const svgSpace = 'http://www.w3.org/2000/svg';

function draw(name, attributes, className) {
  const element = document.createElementNS(svgSpace, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (className) dress(element, className);
  return element;
}

const graphMargin = 12, manyNodes = 50;

class Graph {
  constructor(journal, state) {
    Object.assign(this, { journal, state, graph: journal.document.graph });
    this.box = document.querySelector('#graph .scroll');
    this.pen = document.createElement('canvas').getContext('2d');
    const { graph } = this;
    this.width = graph.width + 2 * graphMargin;
    this.height = graph.height + 2 * graphMargin;
    this.svg = draw('svg', { viewBox: `${-graphMargin} ${-graphMargin} ${this.width} ${this.height}`, role: 'group', 'aria-label': 'What depends on what' });
    this.frames = graph.frames.map((frame) => this.svg.appendChild(draw('rect', { x: frame.x, y: frame.y, width: frame.width, height: frame.height, rx: 8 }, 'frame')));
    this.ways = graph.ways.map((way) => this.way(way));
    this.nodes = graph.nodes.map((place, i) => this.node(place, graph.names[i]));
    this.box.append(this.svg);
    const fit = document.getElementById('fit');
    this.fitted = this.width < 1.5 * this.box.clientWidth;
    fit.setAttribute('aria-pressed', this.fitted);
    fit.addEventListener('click', () => { this.fitted = !this.fitted; fit.setAttribute('aria-pressed', this.fitted); this.size(); });
    this.size();
    new ResizeObserver(() => this.size()).observe(this.box);
    new IntersectionObserver((entries) => { this.seen = entries[entries.length - 1].isIntersecting; if (this.seen) state.redraw(); }).observe(this.box);
    window.addEventListener('beforeprint', () => { this.seen = true; this.draw(); });
    show(document.getElementById('graph'), graph.names.length > 0);
  }

  size() {
    const least = this.fitted ? Math.min(this.width, Math.max(this.box.clientWidth - 2, 200)) : this.width;
    this.svg.setAttribute('width', least);
    this.svg.setAttribute('height', least * this.height / this.width);
  }

  // find brings a service into sight.
  find(id) {
    const { box, svg } = this, node = this.nodes.find(({ name }) => name.id === id);
    if (!node) return;
    const scale = svg.clientWidth / this.width;
    box.scrollLeft = (node.place.x + node.place.width / 2) * scale - box.clientWidth / 2;
    box.scrollTop = (node.place.y + node.place.height / 2) * scale - box.clientHeight / 2;
  }

  way(way) {
    const group = draw('g', {});
    const tip = way.back ? 7 : -7;
    group.append(draw('path', { d: way.path }, 'line'), draw('path', { d: `M${way.x} ${way.y}l${tip} -4v8z` }, 'tip'));
    this.svg.append(group);
    return { way, group };
  }

  node(place, name) {
    const group = draw('g', { transform: `translate(${place.x} ${place.y})` }, 'node');
    const title = draw('title', {});
    group.append(title, draw('rect', { width: place.width, height: place.height, rx: name.condition ? place.height / 2 : 5 }, 'body'));
    const node = { place, name, group, title, service: name.condition ? undefined : this.journal.byID.get(name.id) };
    this.pen.font = (name.condition ? '' : '600 ') + '12px system-ui, sans-serif';
    const label = draw('text', { x: name.condition ? 24 : 12, y: name.condition ? 17 : 17 }, 'label');
    label.textContent = fitText(this.pen, clean(name.label), place.width - (name.condition ? 32 : 18));
    if (name.condition) {
      node.sign = draw('path', { d: '' }, 'sign');
      group.append(node.sign, label);
    } else {
      node.strip = draw('rect', { width: 6, height: place.height, rx: 2 });
      node.line = draw('text', { x: 12, y: 32 }, 'line-two');
      group.append(node.strip, label, node.line);
      group.setAttribute('tabindex', '0');
      group.setAttribute('role', 'button');
      group.addEventListener('click', () => this.state.choose(name.id));
      group.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        this.state.choose(name.id);
      });
    }
    this.svg.append(group);
    return node;
  }

  // edge tells how a dependency is at a row: undefined where there is none.
  edge(index, row) {
    const { graph } = this;
    const [, to] = graph.edges[index];
    const { service } = this.nodes[to];
    if (!service || service.get('present', row) !== true) return undefined;
    const key = graph.keys[index];
    if (!(service.get('depends', row) || []).includes(key)) return undefined;
    return service.get('met ' + key, row) === 'met' ? 'met' : 'unmet';
  }

  draw() {
    const { state, seen } = this;
    if (!seen) return;
    if (this.chosen !== state.id) this.find(this.chosen = state.id);
    const { row } = state;
    dress(this.svg, state.id !== '' && this.nodes.length > manyNodes ? 'crowded' : '');
    const unmet = new Set(), needed = new Set(), circle = new Set();
    for (const service of this.journal.services) {
      const path = service.get('present', row) === true ? service.get('cycle', row) : '';
      if (path) path.split(' -> ').forEach((id) => circle.add(id));
    }
    for (const { way, group } of this.ways) {
      let worst;
      for (const index of way.edges) {
        const how = this.edge(index, row);
        if (how === undefined) continue;
        const [from, to] = this.graph.edges[index];
        needed.add(from);
        if (how === 'unmet') unmet.add(from);
        const cycle = circle.has(this.graph.names[from].id) && circle.has(this.graph.names[to].id);
        worst = cycle ? 'cycle' : how === 'unmet' && worst !== 'cycle' ? 'unmet' : worst || 'met';
      }
      const chosen = way.edges.some((index) => this.graph.edges[index].some((node) => this.graph.names[node].id === state.id));
      const shown = worst !== undefined && !(way.implied && worst === 'met');
      dress(group, 'way ' + (shown ? worst : 'absent') + (chosen ? ' chosen' : ''));
    }
    this.nodes.forEach((node, i) => (node.name.condition ? this.drawCondition(node, needed.has(i), unmet.has(i)) : this.drawService(node, needed.has(i), circle)));
  }

  drawCondition(node, needed, unmet) {
    dress(node.group, 'node condition ' + (!needed ? 'absent' : unmet ? 'unmet' : 'met'));
    const sign = unmet ? 'M9 9l8 8m0 -8l-8 8' : 'M9 13l3 3l6 -7';
    if (node.signed !== sign) { node.signed = sign; node.sign.setAttribute('d', sign); }
    say(node.title, `${clean(node.name.label)}: ${!needed ? 'nobody needs it' : unmet ? 'unmet' : 'met'}`);
  }

  drawService(node, needed, circle) {
    const { service, name, place } = node;
    const present = service && service.get('present', this.state.row) === true;
    const phase = present ? service.get('phase', this.state.row) : 'Unknown';
    const text = present ? clean(service.get('text', this.state.row)) : service ? 'Not there' : 'Not known';
    const bad = circle.has(name.id) || phase === 'Failed' || !service && needed;
    dress(node.group, 'node' + (!present && !needed ? ' absent' : bad ? ' bad' : ['Retrying', 'Unhealthy'].includes(phase) ? ' warn' : '') + (name.id === this.state.id ? ' chosen' : ''));
    dress(node.strip, 'strip ' + phaseClass(service && !present ? 'Initialized' : phase));
    if (node.told !== text) {
      node.told = text;
      this.pen.font = '10px system-ui, sans-serif';
      node.line.textContent = fitText(this.pen, text, place.width - 18);
      node.title.textContent = `${clean(name.label)}: ${text}`;
    }
  }
}
