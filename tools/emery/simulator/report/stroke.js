// One stroke at a time: the vacuum and the drive since contact, and the phase
// view, the rate of the vacuum over the vacuum. A stroke that is regulated well
// runs along the top, comes down to the set vacuum and ends there in a knot; a
// loop through the band is an overshoot, a ring around it is hunting.

"use strict";

const BEFORE_MS = 100;
const AFTER_MS = 400;
// The rate is taken over this much time, so that the pump's noise does not hide it.
const RATE_MS = 40;
const DOT_MS = 100;
const STROKE_FIELDS = [
  "from", "to", "zone", "pass", "set", "peak", "rise", "afterRise", "steady",
];

function strokesOf(run) {
  const counts = new Map();
  return run.strokes.map((fields, index) => {
    const stroke = { index };
    STROKE_FIELDS.forEach((name, at) => { stroke[name] = fields[at]; });
    const place = (run.result.zones[stroke.zone]?.name ?? "") + " " + stroke.pass;
    stroke.inPass = (counts.get(place) ?? 0) + 1;
    counts.set(place, stroke.inPass);
    stroke.place = place + " " + stroke.inPass;
    return stroke;
  });
}

// Draws a stroke of `run`, and the same stroke of `other`, into #stroke-plots.
// `onChoose(stroke)` is told which one. Null if there are none.
function strokeView(run, other, bandPa, onChoose) {
  const stage = document.getElementById("stroke-stage");
  const plots = document.getElementById("stroke-plots");
  const facts = document.getElementById("stroke-facts");
  const caption = document.getElementById("stroke-caption");
  const number = document.getElementById("stroke-number");
  const slider = document.getElementById("stroke-slider");
  const names = namesOf(run);
  const strokes = strokesOf(run);
  const others = other ? strokesOf(other) : [];
  let chosen = null;
  let paperWidth = 0;
  if (!strokes.length) return null;

  // The stroke of the other run that was made at the same place of the treatment.
  function counterpart(stroke) {
    return others.find(({ place }) => place === stroke.place) ?? null;
  }

  const PRESETS = {
    "Highest vacuum": (stroke) => stroke.peak,
    "Largest overshoot": (stroke) => stroke.peak - stroke.set,
    "Slowest rise": (stroke) => stroke.rise ?? -1,
    "Held worst": (stroke) =>
      stroke.afterRise ? 1 - stroke.steady / stroke.afterRise + 1e-9 * stroke.afterRise : -1,
  };
  if (others.length) {
    PRESETS["Differs most in rise"] = (stroke) => {
      const there = counterpart(stroke);
      return there ? Math.abs((stroke.rise ?? 0) - (there.rise ?? 0)) : -1;
    };
  }
  const best = (worth) => strokes.reduce((a, b) => (worth(b) > worth(a) ? b : a));

  // A stroke as drawn: times since contact, vacuum in kPa, rate in kPa/s.
  function curve(source, stroke) {
    const { t, v } = source.columns.skin_pa;
    const first = Math.max(indexAt(source.columns.skin_pa, stroke.from - BEFORE_MS), 0);
    const last = indexAt(source.columns.skin_pa, stroke.to + AFTER_MS);
    const x = [];
    const vacuum = [];
    const rate = [];
    let low = first;
    let high = first;
    for (let i = first; i <= last; i++) {
      while (t[i] - t[low] > RATE_MS / 2) low++;
      while (high < t.length - 1 && t[high + 1] - t[i] <= RATE_MS / 2) high++;
      x.push((t[i] - stroke.from) / 1000);
      vacuum.push(v[i] / 1000);
      rate.push(high > low ? (v[high] - v[low]) / (t[high] - t[low]) : 0);
    }
    const duration = (stroke.to - stroke.from) / 1000;
    return { x, vacuum, rate, duration };
  }

  function drive(source, stroke) {
    const { x, y } = thinned(
      source.columns.pump_permille, stroke.from - BEFORE_MS, stroke.to + AFTER_MS, 4000, 0.1,
    );
    return { x: x.map((at) => (at - stroke.from) / 1000), y };
  }

  function during(shape) {
    // The rate looks ahead; what it sees after the end is no part of the stroke.
    const keep = shape.x.map((at) => at >= 0 && at <= shape.duration - RATE_MS / 2000);
    const part = (list) => list.filter((_, i) => keep[i]);
    return { x: part(shape.x), vacuum: part(shape.vacuum), rate: part(shape.rate) };
  }

  function figure() {
    const width = paperWidth || plots.clientWidth;
    const stacked = width < 640;
    const there = others.length ? counterpart(chosen) : null;
    const set = chosen.set / 1000;
    const band = bandPa / 1000;
    const hard = run.result.hard_limit_pa / 1000;
    const ink = colour("--ink");
    const quiet = colour("--quiet");
    const top = 40;
    const [vacuumHeight, gap, driveHeight] = stacked ? [210, 46, 80] : [250, 46, 84];
    const bottom = 44;
    const left = 48;
    const right = 16;
    const phaseGap = stacked ? 86 : 74;
    const phaseHeight = stacked ? 260 : vacuumHeight + gap + driveHeight;
    const body = vacuumHeight + gap + driveHeight + (stacked ? phaseGap + phaseHeight : 0);
    const inner = width - left - right;
    const split = stacked ? 1 : 0.58;
    const fraction = (from, height) => [1 - (from + height) / body, 1 - from / body];
    const yVacuum = fraction(0, vacuumHeight);
    const yDrive = fraction(vacuumHeight + gap, driveHeight);
    const yPhase = stacked ? fraction(body - phaseHeight, phaseHeight) : [0, 1];
    const xTime = [0, stacked ? 1 : split];
    const xPhase = stacked ? [0, 1] : [split + phaseGap / inner, 1];
    const traces = [];
    const drawn = [
      { source: run, stroke: chosen, shade: "--skin", dash: "solid", name: "this run" },
    ];
    if (there) {
      drawn.push({ source: other, stroke: there, shade: "--other", dash: "6px,3px",
        name: "compared" });
    }
    let from = 0;
    let to = 0;
    let peak = set + band;
    let steepest = 10;
    let lowest = -10;
    for (const { source, stroke, shade, dash, name } of drawn.reverse()) {
      const shape = curve(source, stroke);
      const path = during(shape);
      const line = { color: colour(shade), width: 1.8, dash, simplify: false };
      from = Math.min(from, shape.x[0]);
      to = Math.max(to, shape.x[shape.x.length - 1]);
      peak = shape.vacuum.reduce((a, b) => Math.max(a, b), peak);
      steepest = path.rate.reduce((a, b) => Math.max(a, b), steepest);
      lowest = path.rate.reduce((a, b) => Math.min(a, b), lowest);
      const tip = "%{x:.3f} s: %{y:.2f} kPa<extra>" + name + "</extra>";
      traces.push({ x: shape.x, y: shape.vacuum, mode: "lines", line, name, hovertemplate: tip,
        showlegend: Boolean(there) });
      const { x, y } = drive(source, stroke);
      traces.push({ x, y, mode: "lines", line: { ...line, width: 1.5,
        color: name === "this run" ? colour("--pump") : line.color }, yaxis: "y2", name,
        showlegend: false, hovertemplate: "%{x:.3f} s: %{y:.1f} %<extra>" + name + "</extra>" });
      traces.push({ x: path.vacuum, y: path.rate, mode: "lines", line, name, xaxis: "x2",
        yaxis: "y3", showlegend: false, customdata: path.x,
        hovertemplate: "%{customdata:.3f} s: %{x:.2f} kPa, %{y:.1f} kPa/s<extra>" + name +
          "</extra>" });
      const dots = path.x.map((at, i) => i).filter((i) =>
        Math.floor((path.x[i] * 1000) / DOT_MS) !== Math.floor((path.x[i - 1] * 1000) / DOT_MS));
      traces.push({ x: dots.map((i) => path.vacuum[i]), y: dots.map((i) => path.rate[i]),
        mode: "markers", xaxis: "x2", yaxis: "y3", showlegend: false, hoverinfo: "skip",
        marker: { size: 5, color: colour("--surface"), line: { color: line.color, width: 1.4 } } });
    }
    const hardShown = peak > 0.8 * hard;
    const highestKpa = (hardShown ? Math.max(peak, hard) : peak) * 1.1;
    const annotations = [];
    const shapes = [];
    const note = (text, extra) => annotations.push({
      text, showarrow: false, font: { color: quiet, size: 12 }, ...extra,
    });
    const rule = (shape, shade, widthPx, dash) => shapes.push({
      type: "line", layer: "below", line: { color: colour(shade), width: widthPx, dash }, ...shape,
    });
    const across = { xref: "x domain", x0: 0, x1: 1 };
    const upright = (axis) => ({ yref: `${axis} domain`, y0: 0, y1: 1 });
    const bandBox = { type: "rect", layer: "below", fillcolor: colour("--band"),
      line: { width: 0 } };
    shapes.push({ ...bandBox, ...across, yref: "y", y0: set - band, y1: set + band });
    shapes.push({ ...bandBox, xref: "x2", x0: set - band, x1: set + band, ...upright("y3") });
    rule({ ...across, yref: "y", y0: set, y1: set }, "--set", 1.6, dashOf("--set"));
    rule({ xref: "x2", x0: set, x1: set, ...upright("y3") }, "--set", 1.6, dashOf("--set"));
    rule({ xref: "x2 domain", x0: 0, x1: 1, yref: "y3", y0: 0, y1: 0 }, "--quiet", 1, "solid");
    if (hardShown) {
      rule({ ...across, yref: "y", y0: hard, y1: hard }, "--limit", 1.4, "8px,4px");
      rule({ xref: "x2", x0: hard, x1: hard, ...upright("y3") }, "--limit", 1.4, "8px,4px");
      note("hard limit", { xref: "x domain", x: 0, xanchor: "left", xshift: 4, y: hard,
        yref: "y", yanchor: "bottom", font: { color: colour("--limit"), size: 12 } });
      note("hard limit", { xref: "x2", x: hard, xanchor: "right", yref: "y3 domain", y: 0,
        yanchor: "bottom", xshift: 1, textangle: -90, font: { color: colour("--limit"), size: 12 } });
    }
    note(`set ${set.toFixed(1)} kPa, band \u00b1${band.toFixed(0)} kPa`, {
      xref: "x domain", x: 0, xanchor: "left", xshift: 4, yref: "y", y: set + band,
      yanchor: "bottom", yshift: -2, font: { color: colour("--set-ink"), size: 12 },
    });
    note(`set \u00b1${band.toFixed(0)} kPa`, {
      xref: "x2", x: set - band, xanchor: "right", xshift: -3, yref: "y3 domain", y: 1,
      yanchor: "top",
      font: { color: colour("--set-ink"), size: 12 },
    });
    const held = (chosen.to - chosen.from) / 1000;
    for (const [at, text] of [[0, "contact"], [held, "end"]]) {
      for (const axis of ["y", "y2"]) {
        rule({ xref: "x", x0: at, x1: at, ...upright(axis) }, "--quiet", 1, "2px,3px");
      }
      note(text, { xref: "x", x: at, xanchor: "left", xshift: 4, yref: "y2 domain", y: 0.16,
        yanchor: "bottom" });
    }
    if (chosen.rise !== null) {
      const at = chosen.rise / 1000;
      rule({ xref: "x", x0: at, x1: at, yref: "y", y0: 0, y1: set - band }, "--set", 1, "2px,3px");
      note(`in the band after ${at.toFixed(2)} s`, {
        xref: "x", x: at, xanchor: at > held / 2 ? "right" : "left",
        xshift: at > held / 2 ? -5 : 5, yref: "y", y: 0.12 * set, yanchor: "bottom",
        bgcolor: colour("--surface"),
      });
    }
    const title = (text, x, y) => annotations.push({
      text, xref: "paper", x, xanchor: "left", xshift: -34, yref: "paper", y, yanchor: "bottom",
      yshift: 8, showarrow: false, font: { color: ink, size: 13.5 },
    });
    title("<b>Vacuum</b>, kPa", 0, yVacuum[1]);
    title("<b>Pump drive</b>, %", 0, yDrive[1]);
    title("<b>Phase</b>: rate of the vacuum, kPa/s", xPhase[0], yPhase[1]);
    const axis = {
      fixedrange: true, zeroline: false, gridcolor: colour("--grid"), linecolor: colour("--hair"),
      tickfont: { color: quiet }, automargin: false,
    };
    const titled = (text) => ({ text, font: { color: quiet, size: 12.5 }, standoff: 6 });
    const layout = {
      width, height: top + body + bottom, margin: { l: left, r: right, t: top, b: bottom },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: ink },
      hovermode: "closest", dragmode: false, annotations, shapes,
      hoverlabel: { font: { size: 12.5 } },
      legend: { orientation: "h", x: xTime[1], xanchor: "right", y: 1 + 4 / body,
        yanchor: "bottom", traceorder: "reversed", itemclick: false, itemdoubleclick: false,
        bgcolor: "rgba(0,0,0,0)" },
      showlegend: Boolean(there),
      xaxis: { ...axis, domain: xTime, anchor: "y2", range: [from, to], ticks: "outside",
        tickcolor: colour("--hair"), title: titled("seconds since contact") },
      yaxis: { ...axis, domain: yVacuum, range: [-0.03 * highestKpa, highestKpa], nticks: 7 },
      yaxis2: { ...axis, domain: yDrive, range: [0, 104], dtick: 50 },
      xaxis2: { ...axis, domain: xPhase, anchor: "y3", range: [-0.03 * highestKpa, highestKpa],
        ticks: "outside", tickcolor: colour("--hair"),
        title: titled("vacuum, kPa; a dot every 0.1 s") },
      yaxis3: { ...axis, domain: yPhase, anchor: "x2",
        range: [lowest - 0.06 * (steepest - lowest), steepest + 0.06 * (steepest - lowest)] },
    };
    return { traces, layout, there };
  }

  function fillFacts(there) {
    const held = (stroke) => (stroke.to - stroke.from) / 1000;
    const rows = [
      ["at, min:s", (s) => clock(s.from, 3)],
      ["length", (s) => held(s).toFixed(2) + " s"],
      ["set vacuum", (s) => kpaText(s.set)],
      ["into the band in", (s) => (s.rise === null ? "never" : (s.rise / 1000).toFixed(2) + " s")],
      ["highest over set", (s) => kpaText(Math.max(s.peak - s.set, 0), 2)],
      ["then held in the band", (s) =>
        (s.afterRise ? Math.floor((100 * s.steady) / s.afterRise) + " %" : "-")],
    ];
    facts.replaceChildren(...rows.map(([label, value]) => {
      const cell = document.createElement("div");
      const term = document.createElement("dt");
      const mine = document.createElement("dd");
      term.textContent = label;
      mine.textContent = value(chosen);
      cell.append(term, mine);
      if (others.length) {
        const theirs = document.createElement("dd");
        theirs.className = "theirs";
        theirs.textContent = "compared: " + (there ? value(there) : "no such stroke");
        cell.append(theirs);
      }
      return cell;
    }));
  }

  function draw() {
    const { traces, layout, there } = figure();
    stage.dataset.drawnPeakPa = chosen.peak;
    stage.dataset.drawnRuns = there ? 2 : 1;
    fillFacts(there);
    number.value = chosen.index + 1;
    slider.value = chosen.index + 1;
    slider.setAttribute("aria-valuetext", names.zone(chosen.zone) + ", " + clock(chosen.from, 1));
    caption.textContent = `Stroke ${chosen.index + 1} of ${strokes.length}: ` +
      `${names.zone(chosen.zone)}, pass ${chosen.pass}, stroke ${chosen.inPass} of that pass`;
    for (const button of document.querySelectorAll("#stroke-presets button")) {
      const pressed = best(PRESETS[button.textContent]) === chosen;
      button.setAttribute("aria-pressed", String(pressed));
    }
    return Plotly.react(plots, traces, layout, { displayModeBar: false, showTips: false });
  }

  function choose(index) {
    if (!Number.isFinite(index)) return undefined;
    chosen = strokes[Math.min(Math.max(Math.round(index), 0), strokes.length - 1)];
    onChoose(chosen);
    return draw();
  }

  // The stroke at a time, or the nearest.
  function chooseAt(time) {
    const distance = ({ from, to }) => Math.max(from - time, time - to, 0);
    return choose(best((stroke) => -distance(stroke)).index);
  }

  async function start() {
    stage.dataset.drawn = "";
    number.max = slider.max = strokes.length;
    document.getElementById("stroke-count").textContent = "of " + strokes.length;
    const presets = document.getElementById("stroke-presets");
    for (const [text, worth] of Object.entries(PRESETS)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => choose(best(worth).index));
      presets.append(button);
    }
    slider.addEventListener("input", () => choose(slider.valueAsNumber - 1));
    number.addEventListener("change", () => choose(number.valueAsNumber - 1));
    document.getElementById("stroke-before").addEventListener("click", () =>
      choose(chosen.index - 1));
    document.getElementById("stroke-after").addEventListener("click", () =>
      choose(chosen.index + 1));
    await choose(best(PRESETS["Highest vacuum"]).index);
    let drawnWidth = plots.clientWidth;
    new ResizeObserver(() => {
      if (paperWidth || plots.clientWidth === drawnWidth) return;
      drawnWidth = plots.clientWidth;
      draw();
    }).observe(stage);
  }

  function onPaper(width) {
    paperWidth = width;
    return draw();
  }

  return { start, draw, chooseAt, onPaper };
}
