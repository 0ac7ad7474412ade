// Unpacks plotly.js and draws the strokes of before and after over each other.

"use strict";

(async function () {
  const notice = document.getElementById("notice");
  const data = JSON.parse(document.getElementById("data").textContent);
  if (typeof DecompressionStream === "undefined") {
    notice.textContent =
      "This browser is too old to unpack the plot; the tables are complete. " +
      "Chrome 80, Firefox 113, Safari 16.4 or newer will draw it.";
    return;
  }
  const packed = Uint8Array.from(
    atob(document.getElementById("plotly").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  script.textContent = "";
  notice.hidden = true;

  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const looks = {
    before: { name: "before", line: { color: colour("--other"), width: 2, dash: "dash" } },
    after: { name: "after", line: { color: colour("--accent"), width: 2 } },
  };
  const lines = [];
  for (const [side, look] of Object.entries(looks)) {
    data.strokes[side].forEach((stroke, number) => lines.push({
      ...look, x: stroke.t_s, y: stroke.kpa, mode: "lines", legendgroup: side,
      showlegend: number === 0,
      hovertemplate: "%{y:.2f} kPa at %{x:.2f} s<extra>" + side + "</extra>",
    }));
  }
  const shapes = data.strokes.after.flatMap((stroke) => [
    { type: "rect", xref: "paper", x0: 0, x1: 1, layer: "below", line: { width: 0 },
      y0: stroke.set_kpa - data.band_kpa, y1: stroke.set_kpa + data.band_kpa,
      fillcolor: colour("--band") },
    { type: "line", xref: "paper", x0: 0, x1: 1, y0: stroke.set_kpa, y1: stroke.set_kpa,
      line: { color: colour("--set"), width: 1, dash: "dot" } },
  ]);
  const axis = { gridcolor: colour("--grid"), zeroline: false, linecolor: colour("--hair") };
  Plotly.newPlot("plot", lines, {
    height: 520, margin: { l: 56, r: 16, t: 10, b: 48 }, shapes,
    paper_bgcolor: colour("--page"), plot_bgcolor: colour("--surface"),
    font: { color: colour("--ink"), size: 13 }, hovermode: "closest",
    legend: { orientation: "h", y: 1.08 },
    xaxis: { ...axis, title: { text: "s since the tip is on the skin" } },
    yaxis: { ...axis, title: { text: "vacuum at the skin, kPa" }, rangemode: "tozero" },
  }, { responsive: true, displaylogo: false });
})();
