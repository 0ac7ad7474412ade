// The session over time: vacuum, drive, crystals, and what was decided.

"use strict";

// Layout, in pixels from the top of the drawing.
const RIGHT = 62;
const PANELS = { vacuum: 330, duty: 108, crystals: 108 };
// A sheet of paper is not as tall as a screen is long.
const PAPER_SQUEEZE = 0.8;
const GAP = 46;
const BOTTOM = 42;
const LANE = 24;
const LANES = ["state", "zone", "pass", "footswitch", "on skin", "believed"];
const LANES_COMPARED = ["compared: state", "compared: on skin"];
const CROWDED_MS = 250;
const CHARACTER = 6.6;
const NAMES_WIDTH = 960;
const NAMES_TWO_ROWS = 620;
const NAMES_LEAST = 440;
const LEGEND_ROW = 20;
const MARK_ROW = 19;
const MARK_ROWS = 4;

const STATE_COLOURS = {
  TREATING: "--treating",
  READY: "--ready",
  PAUSED: "--paused",
  ZONE_DONE: "--zone-done",
  FAULT: "--fault",
};
const WAITING = "--waiting";

// Draws the timeline of `run`, with `other` over it if there is one, into
// #plots. `onPick(time)` is told of a click. Gives back what moves it.
function timeline(run, other, onPick) {
  const stage = document.getElementById("stage");
  const plots = document.getElementById("plots");
  const cursor = document.getElementById("cursor");
  const readout = document.getElementById("readout");
  const { result } = run;
  const names = namesOf(run);
  const otherNames = other && namesOf(other);
  const endMs = Math.max(run.endMs, other ? other.endMs : 0);
  const lanes = other ? [...LANES, ...LANES_COMPARED] : LANES;
  const LEFT = other ? 132 : 80;
  let chosen = null;

  // The states of this session by colour, each colour with its codes.
  const stateGroups = new Map();
  for (const code of new Set(run.columns.state.v)) {
    const shade = STATE_COLOURS[result.state_names[code]] ?? WAITING;
    stateGroups.set(shade, [...(stateGroups.get(shade) ?? []), code]);
  }

  const view = { from: 0, to: endMs };
  let paperWidth = 0;

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
    for (const mark of run.marks) {
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
    const lineRows = other && inner < NAMES_TWO_ROWS ? 2 : 1;
    const bandRow = showlegend && (other || inner < NAMES_WIDTH) ? lineRows * LEGEND_ROW : 0;
    const bandLegend = bandRow ? "legend4" : "legend";
    const namesHeight = LEGEND_ROW + 14 + bandRow;
    const top = namesHeight + markRows * MARK_ROW + (markRows ? 4 : 0);
    const squeeze = paperWidth ? PAPER_SQUEEZE : 1;
    const panels = { ...PANELS, lanes: LANE * lanes.length };
    for (const name of Object.keys(panels)) panels[name] = Math.round(panels[name] * squeeze);
    const heights = Object.values(panels);
    const body = heights.reduce((sum, h) => sum + h, 0) + GAP * (heights.length - 1);
    const domains = {};
    let used = 0;
    for (const [name, height] of Object.entries(panels)) {
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
        ...thinned(run.columns[column], from, to, inner, scale),
        uid: column, type: "scatter", mode: "lines", name, yaxis: axis, legend,
        line: { color: lineColour(shade), width: 1.4, simplify: false, dash: dashOf(shade), ...extra },
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
    const onSkin = segments(run, "on_skin", from, to, pixelMs, (v) => v === 1);
    const believed = segments(run, "contact", from, to, pixelMs, (v) => v === 1);
    const passes = segments(run, "pass_number", from, to, pixelMs, (v) => v > 0);
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
    const margins = segments(run, "set_pa", from, to, pixelMs, (v) => v > 0);
    const marginPa = (pa) =>
      Math.max(result.soft_margin_pa, (pa * result.soft_margin_permille) / 1000);
    filled(
      "margin", "y2", bandLegend,
      boxes(margins, (pa) => pa / 1000, (pa) => (pa + marginPa(pa)) / 1000),
      colour("--margin"), "over-vacuum margin",
    );
    line("y2", "legend", "channel A", "vacuum_a_pa", 0.001, "--channel-a");
    line("y2", "legend", "channel B", "vacuum_b_pa", 0.001, "--channel-b",
      { dash: dashOf("--channel-b", "4px,2px") });
    const channels = traces.slice(-2);
    line("y2", "legend", "at skin (true)", "skin_pa", 0.001, "--skin", { width: 1.6 });
    if (other) {
      // In a crowded view only its heights, or the two would cover each other.
      const column = other.columns.skin_pa;
      const shape = crowded ? highest(column, from, to, inner / 4, 0.001)
        : thinned(column, from, to, inner, 0.001);
      traces.push({
        ...shape, uid: "other-skin", type: "scatter", mode: "lines", yaxis: "y2", legend: "legend",
        name: "compared",
        line: {
        color: colour("--other"), width: 1.6, simplify: false, dash: "6px,3px",
        shape: crowded ? "hvh" : "linear",
      },
      });
    }
    const drawnPeak = traces.find((trace) => trace.uid === "skin_pa").y.reduce((a, b) => Math.max(a, b), -Infinity);
    traces.push({
      ...steps(run, "set_pa", from, to, inner, (pa) => pa / 1000), type: "scatter", mode: "lines",
      uid: "set", name: "set", yaxis: "y2", legend: "legend", legendrank: 900,
      line: {
        color: colour("--set"), width: 1.8, shape: "hv", simplify: false, dash: dashOf("--set"),
      },
    });

    // Drive.
    const closed = segments(run, "vent", from, to, pixelMs, (v) => v === 1);
    filled("vent", "y3", "legend2", boxes(closed, 0, 104), colour("--vent"), "vent closed");
    line("y3", "legend2", "pump", "pump_permille", 0.1, "--pump");

    if (other && !crowded) {
      traces.push({
        ...thinned(other.columns.pump_permille, from, to, inner, 0.1), uid: "other-pump",
        type: "scatter", mode: "lines", yaxis: "y3", legend: "legend2", name: "compared: pump",
        line: { color: colour("--other"), width: 1.3, simplify: false, dash: "6px,3px" },
      });
    }

    // Crystals.
    line("y4", "legend3", "flow at tip (true)", "crystals_mg_min", 0.001, "--flow");
    line("y5", "legend3", "feed commanded", "feed_permille", 0.1, "--feed", { shape: "hv" });

    // Lanes, one row each, the first on top.
    const labels = { x: [], y: [], text: [] };
    function lane(uid, row, list, shade, text, name = "") {
      const middle = lanes.length - 1 - row;
      const shape = boxes(list, middle - 0.4, middle + 0.4);
      filled("lane-" + uid, "y6", name ? "legend5" : "", shape, shade, name);
      for (const segment of text ? list : []) {
        const label = text(segment.value);
        if (label.length * CHARACTER + 8 > (segment.to - segment.from) / pixelMs) continue;
        labels.x.push((segment.from + segment.to) / 2);
        labels.y.push(middle);
        labels.text.push(literal(label));
      }
    }
    const all = () => true;
    const states = segments(run, "state", from, to, pixelMs, all);
    if (other) {
      const shade = (code) => STATE_COLOURS[other.result.state_names[code]] ?? WAITING;
      const others = segments(other, "state", from, to, pixelMs, all);
      for (const each of new Set(others.map(({ value }) => shade(value)))) {
        const list = others.filter(({ value }) => shade(value) === each);
        lane("other" + each, 6, list, colour(each), otherNames.state);
      }
      const touching = segments(other, "on_skin", from, to, pixelMs, (v) => v === 1);
      lane("other-on-skin", 7, touching, colour("--contact-true"));
    }
    for (const [shade, codes] of stateGroups) {
      const list = states.filter((segment) => codes.includes(segment.value));
      const name = shade === WAITING ? "other states" : codes.map(names.state).join(", ");
      lane(shade.slice(2), 0, list, colour(shade), names.state, name);
    }
    const zones = segments(run, "zone", from, to, pixelMs, all);
    for (const odd of [0, 1]) {
      const shade = colour(odd ? "--zone-2" : "--zone-1");
      lane("zone-" + odd, 1, zones.filter((segment) => segment.value % 2 === odd), shade, names.zone);
    }
    for (const shade of [1, 2, 3]) {
      const list = passes.filter((segment) => Math.min(segment.value, 3) === shade);
      lane("pass-" + shade, 2, list, colour("--lane-" + shade), String);
    }
    const pressed = segments(run, "footswitch", from, to, pixelMs, (v) => v === 1);
    lane("footswitch", 3, pressed, colour("--footswitch"));
    lane("on-skin", 4, onSkin, colour("--contact-true"));
    lane("believed", 5, believed, colour("--contact"));
    traces.push({
      ...labels, uid: "names", type: "scatter", mode: "text", yaxis: "y6", showlegend: false,
      textfont: { color: colour("--lane-ink"), size: 12 },
    });

    // Limits and marks.
    let peakPa = result.hard_limit_pa;
    for (const each of other ? [run, other] : [run]) {
      peakPa = each.columns.skin_pa.v.reduce((a, b) => Math.max(a, b), peakPa);
    }
    const highestKpa = (peakPa / 1000) * 1.08;
    const lowestKpa = -1.5;
    const shapes = [{
      type: "line", yref: "y2", x0: from, x1: to,
      y0: result.hard_limit_pa / 1000, y1: result.hard_limit_pa / 1000,
      line: { color: colour("--limit"), width: 1.4, dash: "8px,4px" },
    }];
    const annotations = [{
      xref: "paper", x: 1, xanchor: "left", xshift: 5, yref: "y2",
      y: result.hard_limit_pa / 1000, yanchor: "middle", align: "left", showarrow: false,
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
    if (chosen && pixelMs < CROWDED_MS) {
      // The stroke under the loupe, as a bracket under the vacuum.
      shapes.push({
        type: "rect", yref: "y domain", x0: chosen.from, x1: chosen.to, y0: 0, y1: 1,
        fillcolor: "rgba(0,0,0,0)", line: { color: colour("--accent"), width: 1.2 },
      });
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

    const flow = run.columns.crystals_mg_min.v.reduce((a, b) => Math.max(a, b), 0);
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
        ...axis, domain: domains.lanes, range: [-0.55, lanes.length - 0.45], showgrid: false,
        tickmode: "array", tickvals: lanes.map((_, row) => lanes.length - 1 - row),
        ticktext: lanes,
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
    const width = Math.min(Math.max(to - from, 4 * run.tickMs), endMs);
    const start = Math.min(Math.max(from, 0), endMs - width);
    return { from: start, to: start + width };
  }

  function windowOf(button) {
    const [from, to] = [Number(button.dataset.from), Number(button.dataset.to)];
    // The whole of this run is shown with the whole of the other.
    return within(from, from <= 0 && to >= run.endMs ? endMs : to);
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
    text.textContent = value;
    line.append(name, text);
    return line;
  }

  function headed(className, ...rows) {
    rows[0].classList.add(className);
    return rows;
  }

  function said(className, text) {
    const line = document.createElement("p");
    line.className = className;
    line.textContent = text;
    return line;
  }

  // What was decided in the tick at a time, why, and on what grounds.
  function fillReadout(time) {
    const at = (name) => valueAt(run, name, time);
    const yesNo = (name) => (at(name) ? "yes" : "no");
    const pass = at("pass_number");
    const fault = at("fault");
    const set = at("set_pa");
    readout.replaceChildren(
      said("when", clock(time, 3)),
      said("decision", names.state(at("state"))),
      said("reason", names.reason(at("reason"))),
      ...(fault ? [said("mark", "fault " + names.fault(fault))] : []),
      ...headed(
        "part",
        row("zone", names.zone(at("zone"))),
        row("pass", pass ? pass + " of " + result.zones[at("zone")].passes_allowed : "none open"),
        row("level in force", set ? String(names.level(at("zone"))) : "none"),
      ),
      ...headed(
        "part",
        row("set vacuum", set ? kpaText(set, 2) : "no suction", "--set"),
        row("channel A", kpaText(at("vacuum_a_pa"), 2), "--channel-a"),
        row("channel B", kpaText(at("vacuum_b_pa"), 2), "--channel-b"),
        row("at the skin, true", kpaText(at("skin_pa"), 2), "--skin"),
      ),
      ...headed(
        "part",
        row("pump drive", percentText(at("pump_permille")), "--pump"),
        row("vent", at("vent") ? "closed" : "open"),
        row("crystal feed", percentText(at("feed_permille")), "--feed"),
        row("flow at the tip, true", (at("crystals_mg_min") / 1000).toFixed(2) + " g/min", "--flow"),
      ),
      ...headed(
        "part",
        row("footswitch", at("footswitch") ? "pressed" : "released"),
        row("contact believed", yesNo("contact"), "--contact"),
        row("on skin, true", yesNo("on_skin"), "--contact-true"),
      ),
    );
    if (other && time < other.endMs) {
      const there = (name) => valueAt(other, name, time);
      readout.append(...headed(
        "part",
        row("compared: state", otherNames.state(there("state"))),
        row("at the skin, true", kpaText(there("skin_pa"), 2), "--other"),
        row("pump drive", percentText(there("pump_permille"))),
      ));
    }
    const near = (5 * (view.to - view.from)) / (plots.clientWidth - LEFT - RIGHT);
    for (const mark of run.marks) {
      if (Math.abs(mark.at_ms - time) > near) continue;
      readout.append(said("mark", clock(mark.at_ms, 3) + "  " + mark.text));
    }
  }

  function hideReadout() {
    cursor.hidden = true;
    readout.hidden = true;
  }

  plots.addEventListener("pointermove", (event) => {
    const time = timeUnder(event);
    if (time === null || event.buttons) return hideReadout();
    const tick = run.tickMs;
    const at = Math.min(Math.max(time, run.times[0]), endMs - tick);
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

  // A click that is no drag picks what was done at that time.
  let pressedAt = null;
  plots.addEventListener("pointerdown", (event) => {
    pressedAt = { x: event.clientX, y: event.clientY };
  }, true);
  plots.addEventListener("click", (event) => {
    const time = timeUnder(event);
    if (time === null || !pressedAt) return;
    if (Math.hypot(event.clientX - pressedAt.x, event.clientY - pressedAt.y) < 4) onPick(time);
  }, true);

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
      0: () => show(0, endMs),
    };
    if (!(event.key in actions) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  });

  function choose(from, to) {
    chosen = { from, to };
    const pixelMs = (view.to - view.from) / Math.max(plots.clientWidth - LEFT - RIGHT, 100);
    return pixelMs < CROWDED_MS ? draw() : undefined;
  }

  async function drawAfresh() {
    Plotly.purge(plots);
    const drawn = draw();
    plots.on("plotly_relayout", (change) => {
      const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (range[0] !== undefined) show(range[0], range[1]);
    });
    plots.on("plotly_doubleclick", () => show(0, endMs));
    return drawn;
  }

  async function start() {
    await drawAfresh();
    let drawnWidth = plots.clientWidth;
    new ResizeObserver(() => {
      if (paperWidth || plots.clientWidth === drawnWidth) return;
      drawnWidth = plots.clientWidth;
      draw();
    }).observe(stage);
  }

  // Afresh, since legends that are only moved get to their places too late to
  // be printed.
  function onPaper(width) {
    paperWidth = width;
    return drawAfresh();
  }

  return { start, draw, show, windowOf, choose, onPaper };
}
