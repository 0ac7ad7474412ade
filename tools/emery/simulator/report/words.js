// Figures and names as people read them, and the colours of the page.

"use strict";

// Minutes and seconds, cut off rather than rounded, as everywhere in a summary.
function clock(ms, decimals) {
  const sign = ms < 0 ? "-" : "";
  const unit = 10 ** (3 - decimals);
  const cut = Math.floor(Math.abs(ms) / unit) * unit;
  const seconds = (cut % 60000) / 1000;
  const text = seconds.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return sign + Math.floor(cut / 60000) + ":" + text;
}

const kpaText = (pa, decimals = 1) => (pa / 1000).toFixed(decimals) + " kPa";
const percentText = (permille) => (permille / 10).toFixed(1) + " %";

// The names of what a run's codes stand for; each comes from the run itself.
function namesOf(run) {
  const { result } = run;
  return {
    state: (code) => run.state_words[code] ?? "state " + code,
    reason: (code) => result.reason_names[code] ?? "reason " + code,
    fault: (code) => result.fault_names[code] ?? "fault " + code,
    zone: (index) => result.zones[index]?.name ?? "zone " + (index + 1),
    level: (index) => result.zones[index]?.level ?? "-",
  };
}

// Plotly reads a little HTML in its texts; names are to stay names.
const literal = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const shortened = (text, length) =>
  text.length <= length ? text : text.slice(0, length - 3).trimEnd() + "...";

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

// Lines that a printer without colours can tell apart; "solid" on a screen.
const PAPER_DASHES = {
  "--set": "9px,3px", "--channel-a": "1.5px,2px", "--channel-b": "4px,2px", "--feed": "5px,2px",
};
function dashOf(name, onScreen = "solid") {
  const onPaper = "paper" in document.documentElement.dataset;
  return onPaper ? PAPER_DASHES[name] ?? onScreen : onScreen;
}
