// The payload: u32 length of the head | head as JSON | columns at multiples of eight bytes, as
// packing.py lays them. Flags are those of encode.py.
const FLAG = { onPath: 1, error: 2, running: 4, tied: 8, cacheHit: 16, fallback: 32, wasted: 64,
  waitInferred: 128, stopped: 256, lost: 512, thick: 1024, swapped: 2048, limitIgnored: 4096 };
const ARRAYS = { f8: Float64Array, f4: Float32Array, i4: Int32Array, i2: Int16Array, i1: Int8Array, u1: Uint8Array };
const ID_BYTES = 8;

class Trace {
  constructor(bytes) {
    const headLength = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    Object.assign(this, JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headLength))));
    const body = bytes.slice(4 + headLength).buffer;  // copied once, so that it begins aligned
    for (const [name, type, offset, length] of this.columns) {
      this[name] = new ARRAYS[type](body, offset, length);
    }
    for (const [name, type, value, length] of this.alike) {
      this[name] = new ARRAYS[type](length).fill(value ?? NaN);
    }
    this.rows = this.start.length;
    this.isWhole = this.slack !== undefined;  // else slack, drag and own times are still to come
    this.parent = parentsOf(this.depth);
    this.below = countBelow(this.parent);
    this.failures = this.deepestErrors();
    this.first = Math.min(0, least(this.start));
    this.last = Math.max(this.end[0], most(this.end), this.first + 1);
  }

  label(row) {
    const { strong, faint } = this.labelParts(row);
    return faint ? `${strong} · ${faint}` : strong;
  }

  // A branch goes by its key; a bare number says little without the name before it.
  labelParts(row) {
    const name = this.names[this.name[row]], branch = this.branches[this.branch[row]];
    if (!branch || branch === name) return { strong: name, faint: "" };
    if (/^\d+$/.test(branch)) return { strong: `${name}[${branch}]`, faint: "" };
    return { strong: branch, faint: name };
  }

  // A failure is told by every span above it; where it began, nothing below failed.
  deepestErrors() {
    const failedBelow = new Uint8Array(this.rows);
    for (let row = 1; row < this.rows; row++) {
      if (this.has(row, FLAG.error)) failedBelow[this.parent[row]] = 1;
    }
    const failures = new Set();
    for (let row = 0; row < this.rows; row++) {
      if (this.has(row, FLAG.error) && !failedBelow[row]) failures.add(row);
    }
    return failures;
  }

  has(row, flag) { return (this.flags[row] & flag) !== 0; }

  length(row) { return this.end[row] - this.start[row]; }

  // As texts the ids of many spans would take longer to read than all the rest.
  id(row) {
    if (this.ids) return this.ids[row];
    let id = "";
    for (const byte of this.idBytes.subarray(row * ID_BYTES, (row + 1) * ID_BYTES)) id += HEX[byte];
    return id;
  }

  rowOf(id) {
    if (!this.rowById) {
      this.rowById = new Map();
      for (let row = 0; row < this.rows; row++) this.rowById.set(this.id(row), row);
    }
    return this.rowById.get(id) ?? -1;
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

// Rows come depth first, so the last row that is less deep is the parent.
function parentsOf(depth) {
  const parent = new Int32Array(depth.length), latest = [];
  for (let row = 0; row < depth.length; row++) {
    parent[row] = row ? latest[depth[row] - 1] : -1;
    latest[depth[row]] = row;
  }
  return parent;
}

function countBelow(parent) {
  const below = new Int32Array(parent.length);
  for (let row = parent.length - 1; row > 0; row--) below[parent[row]] += below[row] + 1;
  return below;
}

// Not Math.min(...column): a hundred thousand arguments overflow the stack.
function least(column) {
  let found = Infinity;
  for (const value of column) if (value < found) found = value;
  return found;
}

function most(column) {
  let found = -Infinity;
  for (const value of column) if (value > found) found = value;
  return found;
}

// Which rows are shown when some are folded, and where each span is to be found then.
// Rows of a closed group share one place, where the first of them would be.
class Layout {
  constructor(trace, folded, isClosed) {
    this.shown = new Int32Array(trace.rows);
    this.place = new Int32Array(trace.rows);  // a hidden span is found at the row that hides it
    this.members = new Map();  // place of a group → its rows
    const placeOf = new Map();
    let count = 0;
    for (let row = 0; row < trace.rows;) {
      const group = trace.group[row], isGrouped = group >= 0 && isClosed(group);
      const hidden = isGrouped || (folded.size && folded.has(row)) ? trace.below[row] : 0;
      const place = isGrouped ? placeOf.get(group) ?? count : count;
      this.place.fill(place, row, row + hidden + 1);
      if (isGrouped && place < count) this.members.get(place).push(row);
      else {
        if (isGrouped) {
          placeOf.set(group, place);
          this.members.set(place, [row]);
        }
        this.shown[count] = row;
        count++;
      }
      row += hidden + 1;
    }
    this.count = count;
  }

  isShown(row) { return this.shown[this.place[row]] === row && !this.members.has(this.place[row]); }

  // The rows of the group that a row stands for, or nothing.
  groupAt(row) {
    const place = row < 0 ? -1 : this.place[row];
    return this.shown[place] === row ? this.members.get(place) : undefined;
  }
}
