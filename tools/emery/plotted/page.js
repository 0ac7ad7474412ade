// Unpacks plotly.js and draws each plot in its place.

"use strict";

// Pixels across a printed page, its margins taken off.
const PAPER_WIDTH = 700;

(async function () {
  const notice = document.getElementById("notice");
  if (typeof DecompressionStream === "undefined") {
    notice.textContent =
      "This browser is too old to unpack the plots; texts and tables are complete. " +
      "Chrome 80, Firefox 113, Safari 16.4 or newer will draw them.";
    return;
  }
  const bytes = Uint8Array.from(
    atob(document.getElementById("plotly").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  {
    // Run as an element of its own: the page allows this one text, by its hash.
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    script.textContent = "";
  }

  const plots = JSON.parse(document.getElementById("data").textContent);
  const style = getComputedStyle(document.documentElement);
  const coloured = (value) => {
    if (typeof value === "string") {
      return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
    }
    if (Array.isArray(value)) return value.map(coloured);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coloured(one)]));
  };
  const axis = {
    gridcolor: "--grid", linecolor: "--hair", zeroline: false, automargin: true,
  };
  const withAxes = (layout) => Object.fromEntries(Object.entries(layout).map(
    ([key, value]) => [key, /^[xy]axis/.test(key) ? { ...axis, ...value } : value]));
  const draw = (width) => {
    for (const plot of plots) {
      const layout = {
        // Above a plot stand its legend and, while it is pointed at, Plotly's buttons.
        margin: { l: 56, r: 16, t: 34, b: 52 }, hovermode: "closest",
        // A finger scrolls the page.
        dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
        paper_bgcolor: "--page", plot_bgcolor: "--surface",
        font: { color: "--ink", size: 13 },
        legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
        ...withAxes(plot.layout), ...(width ? { width } : { autosize: true }),
      };
      Plotly.react(plot.name, coloured(plot.traces), coloured(layout),
        { responsive: true, displaylogo: false, displayModeBar: width ? false : undefined });
    }
  };
  // All take their place before the first is drawn: with a scroll bar the page is narrower.
  for (const plot of plots) {
    document.getElementById(plot.name).style.height = plot.layout.height + "px";
  }
  draw();
  notice.hidden = true;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.paper = "";
    draw(PAPER_WIDTH);
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.paper;
    draw();
  });
})().catch((error) => {
  const notice = document.getElementById("notice");
  notice.hidden = false;
  notice.textContent =
    "The plots could not be drawn (" + error.message + "); texts and tables are complete.";
});
