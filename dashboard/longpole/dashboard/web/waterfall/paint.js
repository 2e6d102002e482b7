// Draws a view of the trace: rows, critical path, axis and minimap. Reads the view, changes nothing.
const ROW = 22, THIN = 6, THICK_BAR = 13, INDENT = 14, MINI = 40, AXIS = 22;
const FAINT_LEAST = 24, FITTED_MOST = 2000;

class Theme {
  constructor(host) {
    const style = getComputedStyle(host);
    const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    this.background = read("--st-background-color", "#fff");
    this.text = read("--st-text-color", "#222");
    this.line = read("--st-border-color", "#ccc");
    this.accent = read("--st-primary-color", "#06c");
    this.font = read("--st-font", "sans-serif");
    this.isDark = isDark(this.background);
  }

  name() { return this.isDark ? "dark" : "light"; }
}

function isDark(colour) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = colour;
  const [red, green, blue] = [1, 3, 5].map(at => parseInt(probe.fillStyle.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

class Painter {
  constructor(view) {
    this.view = view;
    this.fitted = new Map();  // what has been shortened; measuring text costs more than drawing it
  }

  paint() {
    const view = this.view;
    this.trace = view.trace;
    this.theme = view.theme;
    this.colours = view.trace.colours[view.theme.name()];
    this.errorColour = view.trace.errorColours[view.theme.name()];
    this.ticks = this.ticksInView();
    this.paintRows();
    this.paintAxis();
    this.paintMini();
  }

  font(context, size = 12, weight = 400) { context.font = `${weight} ${size}px ${this.theme.font}`; }

  ticksInView() {
    const { from, to, width, gutter } = this.view;
    const wanted = (to - from) / Math.max(2, (width - gutter) / 105);
    const power = 10 ** Math.floor(Math.log10(wanted));
    this.tickStep = [1, 2, 5, 10].map(times => times * power).find(step => step >= wanted);
    const ticks = [];
    for (let number = Math.ceil(from / this.tickStep); number * this.tickStep <= to; number++) {
      ticks.push(number * this.tickStep);
    }
    return ticks;
  }

  paintRows() {
    const { view, trace, theme } = this, { width, height, gutter, layout } = view;
    const context = this.context = view.scaled(view.main), top = view.scroller.scrollTop;
    context.fillStyle = theme.background;
    context.fillRect(0, 0, width, height);
    context.fillStyle = theme.line;
    context.globalAlpha = 0.55;
    for (const tick of this.ticks) {
      const x = Math.round(view.x(tick));
      if (x > gutter) context.fillRect(x, 0, 1, height);
    }
    context.globalAlpha = 1;
    context.textBaseline = "middle";
    const firstShown = Math.max(0, Math.floor(top / ROW));
    const lastShown = Math.min(layout.count, Math.ceil((top + height) / ROW));
    for (let at = firstShown; at < lastShown; at++) {
      const members = layout.members.get(at);
      if (members) this.paintGroup(layout.shown[at], members, at * ROW - top);
      else this.paintRow(layout.shown[at], at * ROW - top, trace);
    }
    this.paintPath(top);
    // Last, so that the path does not run through the numbers.
    context.save();
    context.beginPath();
    context.rect(gutter, 0, width - gutter, height);
    context.clip();
    for (let at = firstShown; at < lastShown; at++) {
      if (!layout.members.has(at)) this.paintMarks(layout.shown[at], at * ROW - top + ROW / 2);
    }
    context.restore();
    context.globalAlpha = 1;
    context.fillStyle = theme.line;
    context.fillRect(gutter - 1, 0, 1, height);
  }

  paintRow(row, y, trace) {
    const { view, context } = this, { width, gutter } = view, middle = y + ROW / 2;
    this.paintChosen(row, y);
    const isDimmed = this.isDimmed(row);
    context.save();
    context.beginPath();
    context.rect(gutter, y, width - gutter, ROW);
    context.clip();
    this.paintBar(row, y, middle, isDimmed ? 0.25 : 1);
    context.restore();
    context.save();
    context.beginPath();
    context.rect(0, y, gutter - 6, ROW);
    context.clip();
    this.paintLabel(row, y, middle, isDimmed ? 0.45 : 1);
    context.restore();
  }

  // Many rows as one: the darker, the more of them ran at that moment.
  paintGroup(row, members, y) {
    const { view, trace, theme, context, colours } = this, { width, gutter } = view, middle = y + ROW / 2;
    this.paintChosen(row, y);
    const running = new Int32Array(Math.max(1, Math.ceil(width - gutter)) + 1), last = running.length - 1;
    const column = at => Math.max(0, Math.min(last, Math.floor(view.x(at) - gutter)));
    for (const member of members) {
      if (view.x(trace.end[member]) < gutter || view.x(trace.start[member]) > width) continue;
      running[column(trace.start[member])]++;
      running[Math.min(last, column(trace.end[member]) + 1)]--;
    }
    for (let at = 1; at <= last; at++) running[at] += running[at - 1];
    const peak = Math.max(1, most(running));
    context.fillStyle = colours[trace.family[row]];
    for (let at = 0; at < last; at++) {
      if (!running[at]) continue;
      context.globalAlpha = 0.25 + 0.55 * running[at] / peak;
      context.fillRect(gutter + at, middle - THICK_BAR / 2, 1, THICK_BAR);
    }
    context.save();
    context.beginPath();
    context.rect(0, y, gutter - 6, ROW);
    context.clip();
    this.paintTree(row, y, middle, true, 1);
    this.font(context, 12);
    context.globalAlpha = 1;
    context.fillStyle = theme.text;
    context.fillText(view.groupLabel(row, members), view.indent(trace.depth[row]) + 24, middle);
    context.restore();
    context.globalAlpha = 1;
  }

  paintChosen(row, y) {
    const { view, theme, context } = this, { width } = view;
    if (row === view.selected || row === view.hovered) {
      context.globalAlpha = row === view.selected ? 0.13 : 0.05;
      context.fillStyle = row === view.selected ? theme.accent : theme.text;
      context.fillRect(0, y, width, ROW);
      context.globalAlpha = 1;
      if (row === view.selected) {
        context.fillStyle = theme.accent;
        context.fillRect(0, y, 3, ROW);
      }
    }
  }

  isDimmed(row) {
    const { dims, found } = this.view;
    return (dims && !this.trace.has(row, FLAG.onPath)) || (found !== null && !found.has(row));
  }

  paintBar(row, y, middle, alpha) {
    const { view, trace, theme, context, colours } = this;
    const thickness = trace.has(row, FLAG.thick) ? THICK_BAR : THIN, top = middle - thickness / 2;
    const left = view.x(trace.start[row]), right = view.x(trace.end[row]);
    context.globalAlpha = alpha;
    this.paintWait(row, left, middle, alpha);
    if (trace.isWhole && (row === view.selected || row === view.hovered)) this.paintSlack(row, right, middle);
    const begin = Math.max(view.gutter - 4, left);
    const wide = Math.max(2, Math.min(view.width + 4, right) - begin);
    if (right >= view.gutter && left <= view.width) {
      context.globalAlpha = alpha;
      context.fillStyle = colours[trace.family[row]];
      context.beginPath();
      context.roundRect(begin, top, wide, thickness, Math.min(2.5, wide / 2));
      context.fill();
      this.paintFirstToken(row, begin, top, thickness, alpha);
      if (trace.has(row, FLAG.running)) this.paintStripes(begin, top, wide, thickness, alpha);
      if (trace.has(row, FLAG.error)) {
        context.fillStyle = this.errorColour;
        context.fillRect(begin, top + thickness - 1, wide, 3);
      }
    }
    context.globalAlpha = 1;
  }

  paintWait(row, right, middle, alpha) {
    const { view, trace, theme, context } = this, wait = trace.wait[row];
    if (!(wait > 0)) return;
    const left = view.x(trace.start[row] - wait);
    if (right - left < 1) return;
    context.save();
    context.strokeStyle = theme.text;
    context.globalAlpha = 0.5 * alpha;
    if (trace.has(row, FLAG.waitInferred)) context.setLineDash([3, 2]);
    context.strokeRect(left + 0.5, middle - 2.5, right - left - 1, 5);
    context.fillStyle = theme.text;
    context.globalAlpha = 0.1 * alpha;
    context.fillRect(left, middle - 3, right - left, 6);
    context.restore();
  }

  paintSlack(row, left, middle) {
    const { view, trace, theme, context } = this, slack = trace.slack[row];
    if (!(slack > 0)) return;
    const right = view.x(trace.end[row] + slack);
    context.save();
    context.strokeStyle = theme.text;
    context.globalAlpha = 0.7;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(left, middle);
    context.lineTo(right, middle);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.moveTo(right, middle - 5);
    context.lineTo(right, middle + 5);
    context.stroke();
    context.restore();
  }

  // Before the first token the bar is pale: the model was thinking, or queueing at the provider.
  paintFirstToken(row, begin, top, thickness, alpha) {
    const { view, trace, theme, context } = this, first = trace.firstToken[row];
    if (!(first > 0)) return;
    const x = Math.min(view.x(trace.start[row] + first), view.width);
    if (x - begin < 2) return;
    context.globalAlpha = 0.45 * alpha;
    context.fillStyle = theme.background;
    context.fillRect(begin, top + 2, x - begin, thickness - 4);
  }

  paintStripes(begin, top, wide, thickness, alpha) {
    const { context, theme } = this;
    context.save();
    context.beginPath();
    context.rect(begin, top, wide, thickness);
    context.clip();
    context.globalAlpha = 0.4 * alpha;
    context.strokeStyle = theme.background;
    context.lineWidth = 3;
    context.beginPath();
    for (let x = begin - thickness; x < begin + wide; x += 8) {
      context.moveTo(x, top + thickness);
      context.lineTo(x + thickness, top);
    }
    context.stroke();
    context.restore();
  }

  marks(row) {
    const { trace, theme } = this, marks = [];
    if (trace.has(row, FLAG.error)) marks.push(["✕", this.errorColour]);
    if (trace.has(row, FLAG.fallback)) marks.push([`⤳${trace.attempt[row]}`, theme.text]);
    else if (trace.attempt[row] > 1) marks.push([`↻${trace.attempt[row]}`, theme.text]);
    if (trace.has(row, FLAG.cacheHit)) marks.push(["cached", theme.text]);
    if (trace.has(row, FLAG.stopped)) marks.push([trace.statuses[trace.status[row]], theme.text]);
    if (trace.has(row, FLAG.lost)) marks.push(["lost", this.errorColour]);
    if (trace.has(row, FLAG.tied)) marks.push(["≈", theme.text]);
    if (trace.has(row, FLAG.swapped)) marks.push(["⇄ swapped", this.errorColour]);
    if (trace.has(row, FLAG.limitIgnored)) marks.push(["limit ignored", this.errorColour]);
    return marks;
  }

  // Marks and duration stand behind the bar, or before it where there is no room.
  paintMarks(row, middle) {
    const { view, trace, theme, context } = this, alpha = this.isDimmed(row) ? 0.25 : 1;
    const left = view.x(trace.start[row]), right = Math.max(view.x(trace.end[row]), left + 2);
    if (right < view.gutter || left > view.width) return;
    const duration = durationText(trace.length(row));
    const parts = [...this.marks(row).map(([text, colour]) => [text, colour, 0.95, 600]),
      [duration, theme.text, 0.7, 400]];
    let room = 4;
    for (const part of parts) {
      this.font(context, 11, part[3]);
      part.push(context.measureText(part[0]).width);
      room += part[4] + 5;
    }
    let x = Math.max(right, view.gutter) + 5;
    if (x + room > view.width) {
      const wait = trace.wait[row] > 0 ? trace.wait[row] : 0;
      x = view.x(trace.start[row] - wait) - room;
      if (x < view.gutter + 2) return this.paintMarksInside(parts, middle, alpha, room);
    }
    this.paintTexts(parts, x, middle, alpha);
  }

  paintMarksInside(parts, middle, alpha, room) {
    const { view, theme, context } = this, from = view.width - 6 - room;
    context.globalAlpha = 0.85;
    context.fillStyle = theme.background;
    context.beginPath();
    context.roundRect(from - 2, middle - 8, room + 2, 16, 3);
    context.fill();
    this.paintTexts(parts, from + 2, middle, alpha);
  }

  paintTexts(parts, from, middle, alpha) {
    const { context, theme } = this;
    let x = from;
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.setLineDash([]);
    context.strokeStyle = theme.background;
    for (const [text, colour, strength, weight, wide] of parts) {
      this.font(context, 11, weight);
      context.globalAlpha = 1;
      context.strokeText(text, x, middle);
      context.globalAlpha = strength * alpha;
      context.fillStyle = colour;
      context.fillText(text, x, middle);
      x += wide + 5;
    }
  }

  paintLabel(row, y, middle, alpha) {
    const { view, trace } = this, isFolded = view.folded.has(row);
    this.paintTree(row, y, middle, isFolded, alpha);
    this.paintName(row, view.indent(trace.depth[row]) + 24, middle, alpha, isFolded);
  }

  // What stands before a name: the lines of the tree, the arrow, and the colour of its bar.
  paintTree(row, y, middle, isFolded, alpha) {
    const { view, trace, theme, context, colours } = this;
    const indent = view.indent(trace.depth[row]), hasRows = trace.below[row] > 0 || view.layout.groupAt(row);
    context.fillStyle = theme.text;
    context.globalAlpha = 0.16;
    for (let depth = 1; depth <= trace.depth[row]; depth++) {
      context.fillRect(Math.round(view.indent(depth) - 7), y, 1, ROW);
    }
    if (hasRows) {
      context.globalAlpha = 0.65 * alpha;
      context.beginPath();
      if (isFolded) triangle(context, indent, middle - 4, indent + 5, middle, indent, middle + 4);
      else triangle(context, indent - 1.5, middle - 2.5, indent + 6.5, middle - 2.5, indent + 2.5, middle + 2.5);
      context.fill();
    }
    context.globalAlpha = alpha;
    context.fillStyle = colours[trace.family[row]];
    context.beginPath();
    context.roundRect(indent + 11, middle - 4, 8, 8, 2);
    context.fill();
  }

  paintName(row, left, middle, alpha, isFolded) {
    const { trace, theme, context } = this, { strong, faint } = trace.labelParts(row);
    const end = this.view.gutter - 8;
    context.fillStyle = trace.has(row, FLAG.error) ? this.errorColour : theme.text;
    this.font(context, 12, trace.has(row, FLAG.onPath) ? 600 : 400);
    const name = this.fit(strong, end - left);
    context.fillText(name, left, middle);
    let x = left + context.measureText(name).width + 7;
    this.font(context, 11, 400);
    context.globalAlpha = 0.7 * alpha;
    if (faint && end - x > FAINT_LEAST) {
      const beside = this.fit(faint, end - x);
      context.fillText(beside, x, middle);
      x += context.measureText(beside).width + 7;
    }
    if (isFolded) context.fillText(`+${trace.below[row].toLocaleString("en")}`, x, middle);
  }

  // A text that is too wide loses its middle: names of branches often differ at their ends.
  fit(text, room) {
    const { context } = this, key = `${Math.round(room)} ${context.font} ${text}`;
    let fitting = this.fitted.get(key);
    if (fitting === undefined) {
      fitting = context.measureText(text).width <= room ? text : this.shortened(text, room);
      if (this.fitted.size > FITTED_MOST) this.fitted.clear();
      this.fitted.set(key, fitting);
    }
    return fitting;
  }

  shortened(text, room) {
    let least = 0, most = text.length;
    const cut = kept => `${text.slice(0, Math.ceil(kept * 0.6))}…${text.slice(text.length - Math.floor(kept * 0.4))}`;
    while (least < most - 1) {
      const kept = (least + most) >> 1;
      if (this.context.measureText(cut(kept)).width <= room) least = kept;
      else most = kept;
    }
    return cut(least);
  }

  // The chain the run waited for: along the foot of each bar, then straight to the next owner.
  paintPath(top) {
    const { view, trace, theme, context } = this, { gutter, width, height, layout } = view;
    context.save();
    context.beginPath();
    context.rect(gutter, 0, width - gutter, height);
    context.clip();
    context.strokeStyle = theme.text;
    context.lineWidth = 2;
    context.lineCap = "butt";
    let fromX = NaN, fromY = NaN;
    for (let part = 0; part < trace.pathRow.length; part++) {
      // What is too short to be seen would only add a pair of upright lines.
      if (view.wide(trace.pathEnd[part] - trace.pathStart[part]) < 2.5) continue;
      const y = layout.place[trace.pathRow[part]] * ROW - top + ROW - 2;
      const left = view.x(trace.pathStart[part]), right = view.x(trace.pathEnd[part]);
      const isInTime = right >= gutter - 2 && left <= width + 2;
      if (isInTime && Math.min(y, fromY) < height + 4 && Math.max(y, fromY) > -4 && y !== fromY) {
        context.globalAlpha = 0.6;
        this.stroke([], 1.25, left, clampedY(fromY, height), left, clampedY(y, height));
      }
      context.globalAlpha = 1;
      if (isInTime && y > -4 && y < height + 4) {
        const dash = trace.pathBackoff[part] ? [1.5, 3] : trace.pathInferred[part] ? [5, 3] : [];
        this.stroke(dash, 2, Math.max(left, gutter - 2), y, Math.min(right, width + 2), y);
      }
      fromX = right;
      fromY = y;
    }
    context.restore();
  }

  stroke(dash, lineWidth, x0, y0, x1, y1) {
    const { context } = this;
    context.setLineDash(dash);
    context.lineWidth = lineWidth;
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  }

  paintAxis() {
    const { view, theme, trace } = this, context = view.scaled(view.axis);
    context.clearRect(0, 0, view.width, AXIS);
    this.font(context, 11);
    context.textBaseline = "middle";
    context.fillStyle = theme.text;
    context.globalAlpha = 0.7;
    let free = view.gutter - 2;
    for (const tick of this.ticks) {
      const x = view.x(tick) + 3, text = tickText(tick, this.tickStep);
      const wide = context.measureText(text).width;
      if (x < free || x + wide > view.width - 2) continue;
      context.fillText(text, x, AXIS / 2);
      free = x + wide + 8;
    }
    const hidden = trace.rows - view.layout.count;
    const spans = `${trace.rows.toLocaleString("en")} span${trace.rows === 1 ? "" : "s"}`;
    context.fillText(hidden ? `${spans}, ${hidden.toLocaleString("en")} not shown` : spans, 10, AXIS / 2);
    context.globalAlpha = 1;
  }

  paintMini() {
    const { view, theme, trace } = this, context = view.scaled(view.mini), width = view.width - view.gutter;
    if (width <= 0) return;
    if (!view.miniature) view.miniature = this.miniature(width);
    context.clearRect(0, 0, width, MINI);
    context.drawImage(view.miniature, 0, 0, width, MINI);
    const whole = trace.last - trace.first, plot = width - view.margin;
    const left = (view.from - trace.first) / whole * plot, right = (view.to - trace.first) / whole * plot;
    if (left <= 0 && right >= plot) return;
    context.fillStyle = theme.text;
    context.globalAlpha = 0.12;
    context.fillRect(0, 0, left, MINI);
    context.fillRect(right, 0, width - right, MINI);
    context.globalAlpha = 0.8;
    context.fillRect(left, 0, 1.5, MINI);
    context.fillRect(right - 1.5, 0, 1.5, MINI);
    context.globalAlpha = 1;
  }

  miniature(width) {
    const { view, theme, trace, colours } = this, image = document.createElement("canvas");
    image.width = width * view.ratio;
    image.height = MINI * view.ratio;
    const context = image.getContext("2d");
    context.scale(view.ratio, view.ratio);
    const whole = trace.last - trace.first, plot = width - view.margin;
    const x = at => (at - trace.first) / whole * plot;
    const peak = Math.max(1, trace.peak), y = running => MINI - running / peak * (MINI - 14);
    context.beginPath();
    context.moveTo(x(trace.first), MINI);
    for (let step = 0; step < trace.stepAt.length; step++) {
      if (step) context.lineTo(x(trace.stepAt[step]), y(trace.stepRunning[step - 1]));
      context.lineTo(x(trace.stepAt[step]), y(trace.stepRunning[step]));
    }
    context.lineTo(x(trace.last), MINI);
    context.fillStyle = colours[1];
    context.globalAlpha = 0.45;
    context.fill();
    context.globalAlpha = 0.8;
    context.strokeStyle = colours[4];
    context.setLineDash([4, 3]);
    for (const limit of trace.limits) {
      if (limit > peak) continue;
      context.beginPath();
      context.moveTo(0, y(limit));
      context.lineTo(width, y(limit));
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
    context.fillStyle = this.errorColour;
    for (const row of trace.failures) context.fillRect(Math.floor(x(trace.end[row])) - 1, MINI - 7, 2, 7);
    context.fillStyle = theme.text;
    context.globalAlpha = 0.7;
    this.font(context, 10);
    context.textBaseline = "top";
    const told = trace.limits.length ? `, limit ${trace.limits.join(", ")}` : "";
    context.fillText(`running at once, peak ${peak}${told}`, 5, 2);
    return image;
  }
}

function triangle(context, x0, y0, x1, y1, x2, y2) {
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.lineTo(x2, y2);
  context.closePath();
}

function clampedY(y, height) { return Math.max(-6, Math.min(height + 6, y)); }
