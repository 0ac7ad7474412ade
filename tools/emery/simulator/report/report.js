// Draws the session from the recording in this page.
//
// The recording holds far more samples than a screen has pixels. Whatever part
// is looked at is drawn from the lowest and the highest sample of each pixel
// column, true samples at their true times, so that no peak is ever lost and
// zooming in brings out every sample there is.

"use strict";

(async function () {
  const notice = document.getElementById("notice");
  const stage = document.getElementById("stage");
  const plots = document.getElementById("plots");
  const cursor = document.getElementById("cursor");
  const readout = document.getElementById("readout");
  const data = JSON.parse(document.getElementById("data").textContent);
  const directory = data.recording;

  if (directory.rows === 0) {
    notice.textContent = "The trace is empty: there is nothing to draw.";
    return;
  }
  if (typeof DecompressionStream === "undefined") {
    notice.textContent =
      "This browser is too old to unpack the plots; the tables above are complete. " +
      "Chrome 80, Firefox 113, Safari 16.4 or newer will draw them.";
    return;
  }

  // Unpacking ------------------------------------------------------------------

  async function inflated(id) {
    const element = document.getElementById(id);
    const text = atob(element.textContent);
    element.remove();
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  const planes = new Uint8Array(await inflated("recording"));

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
  {
    const rows = unpacked(directory.states.clock.rows);
    const ahead = unpacked(directory.states.clock.values);
    for (let row = 0, next = 0, offset = 0; row < times.length; row++) {
      if (next < rows.length && rows[next] === row) offset = ahead[next++];
      times[row] = row * directory.tick_ms + offset;
    }
  }
  const startMs = 0; // time is since power-on
  const endMs = times[times.length - 1] + directory.tick_ms;

  // Every column as {t, v}: times and values, ascending in time.
  const columns = {};
  for (const group of [directory.quantities, directory.states]) {
    for (const [name, place] of Object.entries(group)) {
      const v = unpacked(place.values);
      let t = times;
      if (place.rows !== null) t = unpacked(place.rows).map((row) => times[row]);
      columns[name] = { t, v };
    }
  }

  {
    // Run as an element of its own: the page allows this one text, by its hash.
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await inflated("plotly"));
    document.head.append(script);
    script.textContent = "";
  }


  // Looking things up ----------------------------------------------------------

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

  function valueAt(name, time) {
    return columns[name].v[Math.max(indexAt(columns[name], time), 0)];
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
  function steps(name, from, to, buckets, value) {
    const { x, y } = thinned(columns[name], from, to, buckets, 1);
    x.push(Math.max(to, x[x.length - 1]));
    y.push(y[y.length - 1]);
    return { x, y: y.map(value) };
  }

  // A state column as segments {from, to, value}, of the values that count.
  // Those that share a pixel become one, under the value of the longest.
  function segments(name, from, to, pixelMs, counts) {
    const column = columns[name];
    const found = [];
    for (let i = Math.max(indexAt(column, from), 0); i < column.t.length; i++) {
      if (column.t[i] > to) break;
      if (!counts(column.v[i])) continue;
      const start = Math.max(column.t[i], from);
      const end = Math.min(i + 1 < column.t.length ? column.t[i + 1] : endMs, to);
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

  // Words ----------------------------------------------------------------------

  // Cut off rather than rounded, as everywhere in a summary.
  function clock(ms, decimals) {
    const sign = ms < 0 ? "-" : "";
    const unit = 10 ** (3 - decimals);
    const cut = Math.floor(Math.abs(ms) / unit) * unit;
    const seconds = (cut % 60000) / 1000;
    const text = seconds.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
    return sign + Math.floor(cut / 60000) + ":" + text;
  }

  const words = (code) => code.replaceAll("_", " ").toLowerCase();
  const stateName = (code) => words(data.state_names[code] ?? "state " + code);
  const reasonName = (code) => data.reason_names[code] ?? "reason " + code;
  const faultName = (code) => data.fault_names[code] ?? "fault " + code;
  const zoneName = (index) => data.zone_names[index] ?? "zone " + (index + 1);
  // Plotly reads a little HTML in its texts; names are to stay names.
  const literal = (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const shortened = (text, length) =>
    text.length <= length ? text : text.slice(0, length - 3).trimEnd() + "...";

  const STATE_COLOURS = {
    TREATING: "--treating",
    READY: "--ready",
    PAUSED: "--paused",
    ZONE_DONE: "--zone-done",
    FAULT: "--fault",
  };
  const WAITING = "--waiting";

  // The states of this session by colour, each colour with its codes.
  const stateGroups = new Map();
  for (const code of new Set(columns.state.v)) {
    const shade = STATE_COLOURS[data.state_names[code]] ?? WAITING;
    stateGroups.set(shade, [...(stateGroups.get(shade) ?? []), code]);
  }

  // Layout, in pixels from the top of the drawing ---------------------------------

  const LEFT = 80;
  const RIGHT = 62;
  const PANELS = { vacuum: 330, duty: 108, crystals: 108, lanes: 142 };
  const GAP = 46;
  const BOTTOM = 42;
  const LANES = ["state", "zone", "pass", "footswitch", "on skin", "believed"];
  const CROWDED_MS = 250;
  const CHARACTER = 6.6;
  const NAMES_WIDTH = 960;
  const NAMES_LEAST = 440;
  const LEGEND_ROW = 20;
  const MARK_ROW = 19;
  const MARK_ROWS = 4;

  const view = { from: startMs, to: endMs };
  let paperWidth = 0;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // Half way from a line's colour to what it is drawn on. Both are #rrggbb.
  function paler(name) {
    const channels = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
    const ground = channels(colour("--surface"));
    const mixed = channels(colour(name)).map((value, i) => Math.round((value + ground[i]) / 2));
    return `rgb(${mixed.join(",")})`;
  }

  function timeTicks(from, to, width) {
    const choices = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000,
      30000, 60000, 120000, 300000, 600000, 900000, 1800000, 3600000];
    const least = ((to - from) * 84) / width;
    const step = choices.find((choice) => choice >= least) ?? choices[choices.length - 1];
    const decimals = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
    const values = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) values.push(at);
    return { values, texts: values.map((at) => clock(at, decimals)) };
  }

  // Labels of faults and events go in rows above the plots; one that finds no
  // room in its row moves up, and in the last row it is left to the pointer.
  function placedMarks(toPixel, width) {
    const ends = new Array(MARK_ROWS).fill(-Infinity);
    const placed = [];
    for (const mark of data.marks) {
      const at = toPixel(mark.at_ms);
      if (at < 0 || at > width) continue;
      const text = mark.kind === "fault" ? "FAULT " + mark.text : mark.text;
      const label = shortened(text, 60);
      const size = label.length * CHARACTER + 14;
      const left = Math.min(at, Math.max(width + RIGHT - size - 4, 0));
      const row = ends.findIndex((end) => end + 6 < left);
      if (row >= 0) ends[row] = left + size;
      placed.push({ ...mark, label, left, row });
    }
    return placed;
  }

  // Polygons of segments in one trace: cheap to draw, however many there are.
  // Their edges are numbers, or functions of the segment's value.
  function boxes(list, bottom, top) {
    const edge = (side, value) => (typeof side === "function" ? side(value) : side);
    const x = [];
    const y = [];
    for (const { from, to, value } of list) {
      const low = edge(bottom, value);
      const high = edge(top, value);
      x.push(from, from, to, to, from, null);
      y.push(low, high, high, low, low, null);
    }
    return { x, y };
  }

  function figure() {
    const width = paperWidth || plots.clientWidth;
    const inner = Math.max(width - LEFT - RIGHT, 100);
    const { from, to } = view;
    const pixelMs = (to - from) / inner;
    const marks = placedMarks((time) => (time - from) / pixelMs, inner);
    const markRows = Math.max(0, ...marks.map((mark) => mark.row + 1));
    // Names of bands get a row of their own where one row cannot hold all names;
    // where there is no room for names at all, the readout has them.
    const showlegend = inner >= NAMES_LEAST;
    const bandRow = showlegend && inner < NAMES_WIDTH ? LEGEND_ROW : 0;
    const bandLegend = bandRow ? "legend4" : "legend";
    const namesHeight = LEGEND_ROW + 14 + bandRow;
    const top = namesHeight + markRows * MARK_ROW + (markRows ? 4 : 0);
    const heights = Object.values(PANELS);
    const body = heights.reduce((sum, h) => sum + h, 0) + GAP * (heights.length - 1);
    const domains = {};
    let used = 0;
    for (const [name, height] of Object.entries(PANELS)) {
      domains[name] = [1 - (used + height) / body, 1 - used / body];
      used += height + GAP;
    }

    // Many strokes in one pixel fill an area; a paler colour lets it breathe.
    const crowded = pixelMs > CROWDED_MS;
    const lineColour = crowded ? paler : colour;
    const ink = colour("--ink");
    const quiet = colour("--quiet");
    const traces = [];

    function line(axis, legend, name, column, scale, shade, extra = {}) {
      traces.push({
        ...thinned(columns[column], from, to, inner, scale),
        uid: column, type: "scatter", mode: "lines", name, yaxis: axis, legend,
        line: { color: lineColour(shade), width: 1.4, simplify: false, ...extra },
      });
    }
    // The uid lets Plotly keep what the reader has hidden; it becomes part of
    // a CSS class there. Without a legend a trace cannot be hidden.
    function filled(uid, axis, legend, shape, shade, name = "") {
      traces.push({
        ...shape, uid, type: "scatter", mode: "lines", fill: "toself", fillcolor: shade,
        line: { width: 0, color: shade }, name, yaxis: axis,
        ...(legend ? { legend } : { showlegend: false }),
      });
    }

    // Vacuum: bands behind on an axis of their own, then limits, then lines.
    const onSkin = segments("on_skin", from, to, pixelMs, (v) => v === 1);
    const believed = segments("contact", from, to, pixelMs, (v) => v === 1);
    const passes = segments("pass_number", from, to, pixelMs, (v) => v > 0);
    // Single contacts cannot be told apart in a crowded view; a strip is enough.
    const skinBand = crowded ? [0.025, 0.05] : [0.025, 1];
    const even = passes.filter((segment) => segment.value % 2 === 0);
    const tint = colour("--pass");
    filled("passes", "y", bandLegend, boxes(passes, 0, 1), tint, "pass");
    filled("even-passes", "y", "", boxes(even, 0, 1), tint);
    filled("on-skin", "y", bandLegend, boxes(onSkin, ...skinBand), colour("--on-skin"), "on skin");
    filled(
      "believed", "y", bandLegend, boxes(believed, 0, 0.025), colour("--contact"),
      "contact believed",
    );
    const margins = segments("set_pa", from, to, pixelMs, (v) => v > 0);
    const marginPa = (pa) =>
      Math.max(data.soft_margin_pa, (pa * data.soft_margin_permille) / 1000);
    filled(
      "margin", "y2", bandLegend,
      boxes(margins, (pa) => pa / 1000, (pa) => (pa + marginPa(pa)) / 1000),
      colour("--margin"), "over-vacuum margin",
    );
    line("y2", "legend", "channel A", "vacuum_a_pa", 0.001, "--channel-a");
    line("y2", "legend", "channel B", "vacuum_b_pa", 0.001, "--channel-b", { dash: "4px,2px" });
    const channels = traces.slice(-2);
    line("y2", "legend", "at the skin, true", "skin_pa", 0.001, "--skin", { width: 1.6 });
    const drawnPeak = traces[traces.length - 1].y.reduce((a, b) => Math.max(a, b), -Infinity);
    traces.push({
      ...steps("set_pa", from, to, inner, (pa) => pa / 1000), type: "scatter", mode: "lines",
      uid: "set", name: "set", yaxis: "y2", legend: "legend", legendrank: 900,
      line: { color: colour("--set"), width: 1.8, shape: "hv", simplify: false },
    });

    // Drive.
    const closed = segments("vent", from, to, pixelMs, (v) => v === 1);
    filled("vent", "y3", "legend2", boxes(closed, 0, 104), colour("--vent"), "vent closed");
    line("y3", "legend2", "pump", "pump_permille", 0.1, "--pump");

    // Crystals.
    line("y4", "legend3", "flow at the tip, true", "crystals_mg_min", 0.001, "--flow");
    line("y5", "legend3", "feed commanded", "feed_permille", 0.1, "--feed", { shape: "hv" });

    // Lanes, one row each, the first on top.
    const names = { x: [], y: [], text: [] };
    function lane(uid, row, list, shade, text, name = "") {
      const middle = LANES.length - 1 - row;
      const shape = boxes(list, middle - 0.4, middle + 0.4);
      filled("lane-" + uid, "y6", name ? "legend5" : "", shape, shade, name);
      for (const segment of text ? list : []) {
        const label = text(segment.value);
        if (label.length * CHARACTER + 8 > (segment.to - segment.from) / pixelMs) continue;
        names.x.push((segment.from + segment.to) / 2);
        names.y.push(middle);
        names.text.push(literal(label));
      }
    }
    const all = () => true;
    const states = segments("state", from, to, pixelMs, all);
    for (const [shade, codes] of stateGroups) {
      const list = states.filter((segment) => codes.includes(segment.value));
      const name = shade === WAITING ? "other states" : codes.map(stateName).join(", ");
      lane(shade.slice(2), 0, list, colour(shade), stateName, name);
    }
    const zones = segments("zone", from, to, pixelMs, all);
    for (const odd of [0, 1]) {
      const shade = colour(odd ? "--zone-2" : "--zone-1");
      lane("zone-" + odd, 1, zones.filter((segment) => segment.value % 2 === odd), shade, zoneName);
    }
    for (const shade of [1, 2, 3]) {
      const list = passes.filter((segment) => Math.min(segment.value, 3) === shade);
      lane("pass-" + shade, 2, list, colour("--lane-" + shade), String);
    }
    const pressed = segments("footswitch", from, to, pixelMs, (v) => v === 1);
    lane("footswitch", 3, pressed, colour("--footswitch"));
    lane("on-skin", 4, onSkin, colour("--contact-true"));
    lane("believed", 5, believed, colour("--contact"));
    traces.push({
      ...names, uid: "names", type: "scatter", mode: "text", yaxis: "y6", showlegend: false,
      textfont: { color: colour("--lane-ink"), size: 12 },
    });

    // Limits and marks.
    const peakPa = columns.skin_pa.v.reduce((a, b) => Math.max(a, b), data.hard_limit_pa);
    const highestKpa = (peakPa / 1000) * 1.08;
    const lowestKpa = -1.5;
    const shapes = [{
      type: "line", yref: "y2", x0: from, x1: to,
      y0: data.hard_limit_pa / 1000, y1: data.hard_limit_pa / 1000,
      line: { color: colour("--limit"), width: 1.4, dash: "8px,4px" },
    }];
    const annotations = [{
      xref: "paper", x: 1, xanchor: "left", xshift: 5, yref: "y2",
      y: data.hard_limit_pa / 1000, yanchor: "middle", align: "left", showarrow: false,
      text: "hard<br>limit", font: { color: colour("--limit"), size: 12 },
    }];
    // A broken sensor reads far off; its line leaves the plot, and this says how far.
    for (const channel of channels) {
      for (const [side, extreme] of [["top", Math.max], ["bottom", Math.min]]) {
        const reached = channel.y.reduce((a, b) => extreme(a, b));
        if (reached <= highestKpa && reached >= lowestKpa) continue;
        annotations.push({
          x: channel.x[channel.y.indexOf(reached)], xanchor: "left", xshift: 5, yref: "y2",
          y: side === "top" ? highestKpa : lowestKpa, yanchor: side, showarrow: false,
          yshift: channel === channels[0] ? 0 : side === "top" ? -16 : 16,
          text: `${channel.name} reads ${reached.toFixed(1)} kPa`,
          font: { color: channel.line.color, size: 12 },
        });
      }
    }
    for (const mark of marks) {
      const isFault = mark.kind === "fault";
      const shade = colour(isFault ? "--limit" : "--event");
      const height = mark.row < 0 ? 0 : namesHeight + mark.row * MARK_ROW;
      shapes.push({
        type: "line", yref: "paper", x0: mark.at_ms, x1: mark.at_ms,
        y0: 0, y1: 1 + height / body,
        line: { color: shade, width: isFault ? 1.6 : 1.2, dash: isFault ? "solid" : "2px,3px" },
      });
      if (mark.row < 0) continue;
      annotations.push({
        xref: "paper", x: mark.left / inner, xanchor: "left", yref: "paper", y: 1,
        yanchor: "bottom", yshift: namesHeight - 7 + mark.row * MARK_ROW, showarrow: false,
        text: literal(mark.label), font: { color: colour("--surface"), size: 12 },
        bgcolor: shade, borderpad: 2,
      });
    }
    const titles = {
      vacuum: "<b>Vacuum</b>, kPa", duty: "<b>Pump and vent</b>, %",
      crystals: "<b>Crystals</b>, feed % (left), flow g/min (right)", lanes: "<b>Treatment</b>",
    };
    for (const [name, text] of Object.entries(titles)) {
      annotations.push({
        xref: "paper", x: 0, xanchor: "left", xshift: -LEFT + 14, yref: "paper",
        y: domains[name][1], yanchor: "bottom", yshift: 6, showarrow: false, text,
        font: { color: ink, size: 13.5 },
      });
    }

    const flow = columns.crystals_mg_min.v.reduce((a, b) => Math.max(a, b), 0);
    const flowTop = [2, 4, 8, 12, 16, 20, 24, 32, 40].find((top) => top * 1000 >= flow) ??
      Math.ceil(flow / 4000) * 4;
    const axis = {
      fixedrange: true, zeroline: false, gridcolor: colour("--grid"), linecolor: colour("--hair"),
      tickfont: { color: quiet }, automargin: false,
    };
    const bare = { ...axis, showgrid: false, showticklabels: false };
    const ticks = timeTicks(from, to, inner);
    const legend = {
      orientation: "h", x: 1, xanchor: "right", yanchor: "bottom", bgcolor: "rgba(0,0,0,0)",
      traceorder: "normal",
      font: { color: ink, size: 12.5 }, itemdoubleclick: false,
    };
    const above = (name) => domains[name][1] + 2 / body;
    const layout = {
      width, height: top + body + BOTTOM,
      margin: { l: LEFT, r: RIGHT, t: top, b: BOTTOM },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: ink },
      showlegend, hovermode: false, dragmode: "zoom", uirevision: "kept",
      xaxis: {
        range: [from, to], anchor: "y6", tickmode: "array", tickvals: ticks.values,
        ticktext: ticks.texts, gridcolor: colour("--grid"), zeroline: false, ticks: "outside",
        tickcolor: colour("--hair"), tickfont: { color: quiet },
        title: { text: "minutes : seconds since power-on", font: { color: quiet, size: 12.5 } },
      },
      yaxis: { ...bare, domain: domains.vacuum, range: [0, 1] },
      yaxis2: {
        ...axis, overlaying: "y", domain: domains.vacuum, dtick: 10,
        range: [lowestKpa, highestKpa], side: "left",
      },
      yaxis3: { ...axis, domain: domains.duty, range: [0, 104], dtick: 25 },
      yaxis4: {
        ...axis, side: "right", domain: domains.crystals, range: [0, 1.04 * flowTop],
        dtick: flowTop / 4, tickfont: { color: colour("--flow") },
      },
      yaxis5: {
        ...axis, overlaying: "y4", side: "left", domain: domains.crystals, showgrid: false,
        range: [0, 104], dtick: 25, tickfont: { color: colour("--feed") },
      },
      yaxis6: {
        ...axis, domain: domains.lanes, range: [-0.55, LANES.length - 0.45], showgrid: false,
        tickmode: "array", tickvals: LANES.map((_, row) => LANES.length - 1 - row),
        ticktext: LANES,
      },
      legend: { ...legend, y: above("vacuum") },
      legend2: { ...legend, y: above("duty") },
      legend3: { ...legend, y: above("crystals") },
      legend5: { ...legend, y: above("lanes") },
      legend4: { ...legend, y: above("vacuum") + bandRow / body },
      shapes, annotations,
    };
    return { traces, layout, drawnPeak };
  }

  // Drawing and moving -------------------------------------------------------------

  function draw() {
    stage.dataset.drawn = "";
    const { traces, layout, drawnPeak } = figure();
    const config = { displayModeBar: false, doubleClick: false, showTips: false };
    stage.dataset.drawnPeakPa = Math.round(drawnPeak * 1000);
    document.getElementById("window").textContent =
      clock(view.from, decimalsOf(view)) + " to " + clock(view.to, decimalsOf(view));
    for (const button of document.querySelectorAll("#views button")) {
      const shown = windowOf(button);
      const pressed = shown.from === view.from && shown.to === view.to;
      button.setAttribute("aria-pressed", String(pressed));
    }
    return Plotly.react(plots, traces, layout, config);
  }

  function decimalsOf({ from, to }) {
    return to - from > 120000 ? 0 : to - from > 5000 ? 1 : 3;
  }

  // A window that lies in the session and is at least a few ticks wide.
  function within(from, to) {
    const width = Math.min(Math.max(to - from, 4 * directory.tick_ms), endMs - startMs);
    const start = Math.min(Math.max(from, startMs), endMs - width);
    return { from: start, to: start + width };
  }

  function windowOf(button) {
    return within(Number(button.dataset.from), Number(button.dataset.to));
  }

  function show(from, to) {
    Object.assign(view, within(from, to));
    return draw();
  }

  function zoom(factor, around) {
    const width = (view.to - view.from) * factor;
    const part = (around - view.from) / (view.to - view.from);
    return show(around - part * width, around + (1 - part) * width);
  }

  // The time under the pointer, or null beside the plots.
  function timeUnder(event) {
    const box = plots.getBoundingClientRect();
    const x = event.clientX - box.left - LEFT;
    const inner = box.width - LEFT - RIGHT;
    if (x < 0 || x > inner) return null;
    return view.from + (x / inner) * (view.to - view.from);
  }

  function row(label, value, shade) {
    const line = document.createElement("div");
    const name = document.createElement("span");
    if (shade) {
      const dash = document.createElement("i");
      dash.style.background = `var(${shade})`;
      name.append(dash);
    }
    name.append(label);
    const text = document.createElement("b");
    text.style.fontWeight = 500;
    text.textContent = value;
    line.append(name, text);
    return line;
  }

  function headed(className, ...rows) {
    rows[0].classList.add(className);
    return rows;
  }

  function fillReadout(time) {
    const kpa = (name) => (valueAt(name, time) / 1000).toFixed(2) + " kPa";
    const percent = (name) => (valueAt(name, time) / 10).toFixed(1) + " %";
    const yesNo = (name) => (valueAt(name, time) ? "yes" : "no");
    const pass = valueAt("pass_number", time);
    const fault = valueAt("fault", time);
    const set = valueAt("set_pa", time);
    const when = document.createElement("div");
    when.className = "when";
    when.textContent = clock(time, 3);
    readout.replaceChildren(
      when,
      row("state", stateName(valueAt("state", time))),
      row("why", reasonName(valueAt("reason", time))),
      row("zone", zoneName(valueAt("zone", time)) + (pass ? ", pass " + pass : "")),
      ...(fault ? [row("fault", faultName(fault))] : []),
      ...headed(
        "part",
        row("set", set ? kpa("set_pa") : "no suction", "--set"),
        row("channel A", kpa("vacuum_a_pa"), "--channel-a"),
        row("channel B", kpa("vacuum_b_pa"), "--channel-b"),
        row("at the skin, true", kpa("skin_pa"), "--skin"),
      ),
      ...headed(
        "part",
        row("footswitch", valueAt("footswitch", time) ? "pressed" : "released"),
        row("on skin, true", yesNo("on_skin"), "--contact-true"),
        row("contact believed", yesNo("contact"), "--contact"),
      ),
      ...headed(
        "part",
        row("pump", percent("pump_permille"), "--pump"),
        row("vent", valueAt("vent", time) ? "closed" : "open"),
        row("feed commanded", percent("feed_permille"), "--feed"),
        row("flow, true", (valueAt("crystals_mg_min", time) / 1000).toFixed(2) + " g/min", "--flow"),
      ),
    );
    const near = (5 * (view.to - view.from)) / (plots.clientWidth - LEFT - RIGHT);
    for (const mark of data.marks) {
      if (Math.abs(mark.at_ms - time) > near) continue;
      const line = document.createElement("div");
      line.className = "mark";
      line.textContent = clock(mark.at_ms, 3) + "  " + mark.text;
      readout.append(line);
    }
  }

  function hideReadout() {
    cursor.hidden = true;
    readout.hidden = true;
  }

  plots.addEventListener("pointermove", (event) => {
    const time = timeUnder(event);
    if (time === null || event.buttons) return hideReadout();
    const tick = directory.tick_ms;
    const at = Math.min(Math.max(time, times[0]), endMs - tick);
    fillReadout(Math.floor(at / tick) * tick);
    cursor.hidden = false;
    readout.hidden = false;
    const box = plots.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const margin = plots.layout.margin;
    cursor.style.left = x + "px";
    cursor.style.top = margin.t + "px";
    cursor.style.height = plots.layout.height - margin.t - margin.b + "px";
    const left = x + 18 + readout.offsetWidth < box.width ? x + 18 : x - 18 - readout.offsetWidth;
    const highest = box.height - readout.offsetHeight - 8;
    readout.style.left = Math.max(left, 4) + "px";
    readout.style.top = Math.max(Math.min(y - readout.offsetHeight / 2, highest), 8) + "px";
  });
  plots.addEventListener("pointerleave", hideReadout);

  plots.addEventListener("wheel", (event) => {
    const time = timeUnder(event);
    if (!event.ctrlKey || time === null) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, time);
  }, { passive: false });

  plots.tabIndex = 0;
  plots.addEventListener("keydown", (event) => {
    const width = view.to - view.from;
    const middle = (view.from + view.to) / 2;
    const actions = {
      ArrowLeft: () => show(view.from - width / 4, view.to - width / 4),
      ArrowRight: () => show(view.from + width / 4, view.to + width / 4),
      "+": () => zoom(0.5, middle),
      "-": () => zoom(2, middle),
      0: () => show(startMs, endMs),
    };
    if (!(event.key in actions) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-from]");
    if (!button) return;
    const { from, to } = windowOf(button);
    show(from, to);
    if (!button.closest("#views")) {
      document.getElementById("session").scrollIntoView({ behavior: "smooth" });
    }
  });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.paper = "";
    paperWidth = 700;
    draw();
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.paper;
    paperWidth = 0;
    draw();
  });

  notice.hidden = true;
  await draw();
  plots.on("plotly_relayout", (change) => {
    const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (range[0] !== undefined) show(range[0], range[1]);
  });
  plots.on("plotly_doubleclick", () => show(startMs, endMs));
  let drawnWidth = plots.clientWidth;
  new ResizeObserver(() => {
    if (paperWidth || plots.clientWidth === drawnWidth) return;
    drawnWidth = plots.clientWidth;
    draw();
  }).observe(stage);
})().catch((error) => {
  document.getElementById("notice").textContent =
    "The plots could not be drawn (" + error.message + "); the tables above are complete.";
});
