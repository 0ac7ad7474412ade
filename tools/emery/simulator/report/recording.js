// Reading a recording: unpacking it, and looking things up in it.
//
// A recording holds far more samples than a screen has pixels. Whatever part is
// looked at is drawn from the lowest and the highest sample of each pixel
// column, true samples at their true times, so that no peak is ever lost and
// zooming in brings out every sample there is.

"use strict";

// The bytes that an element of this page carries as deflated base64.
async function inflated(id) {
  const element = document.getElementById(id);
  const text = atob(element.textContent);
  element.remove();
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// A run with its columns as {t, v}: times and values, ascending in time.
function unpackedRun(run, planes) {
  const directory = run.recording;

  // Folded differences in four byte planes; see recording.py.
  function unpacked([offset, count]) {
    const values = new Int32Array(count);
    let value = 0;
    for (let i = 0, at = offset; i < count; i++, at++) {
      const folded = planes[at] | (planes[at + count] << 8) |
        (planes[at + 2 * count] << 16) | (planes[at + 3 * count] << 24);
      value = (value + ((folded >>> 1) ^ -(folded & 1))) | 0;
      values[i] = value;
    }
    return values;
  }

  const times = new Int32Array(directory.rows);
  const rows = unpacked(directory.states.clock.rows);
  const ahead = unpacked(directory.states.clock.values);
  for (let row = 0, next = 0, offset = 0; row < times.length; row++) {
    if (next < rows.length && rows[next] === row) offset = ahead[next++];
    times[row] = row * directory.tick_ms + offset;
  }
  const columns = {};
  for (const group of [directory.quantities, directory.states]) {
    for (const [name, place] of Object.entries(group)) {
      const t = place.rows === null ? times : unpacked(place.rows).map((row) => times[row]);
      columns[name] = { t, v: unpacked(place.values) };
    }
  }
  const tickMs = directory.tick_ms;
  return { ...run, columns, times, tickMs, endMs: times[times.length - 1] + tickMs };
}

// Index of the last sample at or before a time, or -1.
function indexAt(column, time) {
  let low = 0;
  let high = column.t.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column.t[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function valueAt(run, name, time) {
  const column = run.columns[name];
  return column.v[Math.max(indexAt(column, time), 0)];
}

// Lowest and highest sample of each of `buckets` parts of a window, in order,
// with one sample beyond each end so that lines run out of the picture.
function thinned(column, from, to, buckets, scale) {
  const first = Math.max(indexAt(column, from) - 1, 0);
  const last = Math.min(indexAt(column, to) + 1, column.t.length - 1);
  const x = [];
  const y = [];
  const put = (i) => {
    x.push(column.t[i]);
    y.push(column.v[i] * scale);
  };
  if (last - first <= 3 * buckets) {
    for (let i = first; i <= last; i++) put(i);
    return { x, y };
  }
  const width = (to - from) / buckets;
  const bucketOf = (i) => Math.floor((column.t[i] - from) / width);
  put(first);
  for (let i = first + 1; i < last; ) {
    const bucket = bucketOf(i);
    let low = i;
    let high = i;
    for (i++; i < last && bucketOf(i) === bucket; i++) {
      if (column.v[i] < column.v[low]) low = i;
      if (column.v[i] > column.v[high]) high = i;
    }
    put(Math.min(low, high));
    if (low !== high) put(Math.max(low, high));
  }
  put(last);
  return { x, y };
}

// A state column as steps, clipped to the window.
function steps(run, name, from, to, buckets, value) {
  const { x, y } = thinned(run.columns[name], from, to, buckets, 1);
  x.push(Math.max(to, x[x.length - 1]));
  y.push(y[y.length - 1]);
  return { x, y: y.map(value) };
}

// A state column as segments {from, to, value}, of the values that count.
// Those that share a pixel become one, under the value of the longest.
function segments(run, name, from, to, pixelMs, counts) {
  const column = run.columns[name];
  const found = [];
  for (let i = Math.max(indexAt(column, from), 0); i < column.t.length; i++) {
    if (column.t[i] > to) break;
    if (!counts(column.v[i])) continue;
    const start = Math.max(column.t[i], from);
    const end = Math.min(i + 1 < column.t.length ? column.t[i + 1] : run.endMs, to);
    const before = found[found.length - 1];
    if (!before || end - before.from >= pixelMs) {
      found.push({ from: start, to: end, value: column.v[i], longest: end - start });
      continue;
    }
    before.to = end;
    if (end - start > before.longest) {
      before.longest = end - start;
      before.value = column.v[i];
    }
  }
  return found;
}

// Only the highest sample of each of `buckets` parts of a window.
function highest(column, from, to, buckets, scale) {
  const width = (to - from) / buckets;
  const x = [];
  const y = [];
  let bucket = null;
  const first = Math.max(indexAt(column, from), 0);
  for (let i = first; i < column.t.length && column.t[i] <= to; i++) {
    const here = Math.floor((column.t[i] - from) / width);
    const value = column.v[i] * scale;
    if (here !== bucket) {
      bucket = here;
      x.push(column.t[i]);
      y.push(value);
    } else if (value > y[y.length - 1]) {
      x[x.length - 1] = column.t[i];
      y[y.length - 1] = value;
    }
  }
  return { x, y };
}
