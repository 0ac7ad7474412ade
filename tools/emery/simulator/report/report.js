// Brings the page to life: unpacks what it carries, draws, and answers buttons.

"use strict";

const PAPER_WIDTH = 700;
// A button that shows less than this shows one stroke, or what happened in it.
const LOUPE_MS = 20000;

(async function () {
  const notice = document.getElementById("notice");
  const data = JSON.parse(document.getElementById("data").textContent);
  if (data.runs[0].recording.rows === 0) {
    notice.textContent = "The trace is empty: there is nothing to draw.";
    return;
  }
  if (typeof DecompressionStream === "undefined") {
    notice.textContent =
      "This browser is too old to unpack the plots; the tables above are complete. " +
      "Chrome 80, Firefox 113, Safari 16.4 or newer will draw them.";
    return;
  }

  const runs = [];
  for (const [index, run] of data.runs.entries()) {
    const id = index ? "recording-compared" : "recording";
    runs.push(unpackedRun(run, new Uint8Array(await inflated(id))));
  }
  const [run, other = null] = runs;
  {
    // Run as an element of its own: the page allows this one text, by its hash.
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await inflated("plotly"));
    document.head.append(script);
    script.textContent = "";
  }
  notice.hidden = true;

  let loupe = null;
  const session = timeline(run, other, (time) => loupe && loupe.chooseAt(time));
  await session.start();
  loupe = strokeView(run, other, data.in_band_pa, ({ from, to }) => session.choose(from, to));
  if (loupe) await loupe.start();
  else document.getElementById("stroke").hidden = true;
  const drawn = loupe ? [session, loupe] : [session];

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-from]");
    if (!button) return;
    const { from, to } = session.windowOf(button);
    session.show(from, to);
    if (loupe && to - from < LOUPE_MS) loupe.chooseAt((from + to) / 2);
    if (!button.closest("#views")) {
      document.getElementById("session").scrollIntoView({ behavior: "smooth" });
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const plot of drawn) plot.draw();
  });
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.paper = "";
    for (const plot of drawn) plot.onPaper(PAPER_WIDTH);
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.paper;
    for (const plot of drawn) plot.onPaper(0);
  });
})().catch((error) => {
  document.getElementById("notice").hidden = false;
  document.getElementById("notice").textContent =
    "The plots could not be drawn (" + error.message + "); the tables are complete.";
});
